# SPDX-License-Identifier: Apache-2.0
"""Template tags of Packhouse's pages (`{% load look %}`): times and sizes people read, lines to copy, fields, icons."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from django import template
from django.core.paginator import Page
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect
from django.urls import get_script_prefix
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from packhouse.web import readme as readmes
from packhouse.web.pictures import place_of_pictures
from packhouse.web.tables import Shown

register = template.Library()

_STEPS = ((60, 60, "minute"), (3600, 24, "hour"), (86400, 30, "day"))
_UNITS = ("B", "kB", "MB", "GB", "TB")
_ICONS = {
    "search": '<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 4 4"/>',
    "check": '<path d="m3 8.5 3.5 3.5L13 4.5"/>',
    "theme": '<circle cx="8" cy="8" r="5.5"/><path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor"/>',
    "out": '<path d="M6 3H3v10h10v-3M9 3h4v4M13 3 7.5 8.5"/>',
}


def in_words(moment: datetime, now: datetime) -> str:
    """How far away a moment is, as people say it; more than thirty days away it is the date."""
    seconds = abs((now - moment).total_seconds())
    if seconds < 60:
        return "just now" if moment <= now else "in a minute"
    for length, limit, unit in _STEPS:
        count = int(seconds // length)
        if count < limit:
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{words} ago" if moment <= now else f"in {words}"
    return in_date(moment)


def in_date(moment: date) -> str:
    """The date in words: "3 November 2026"."""
    return f"{moment.day} {moment:%B %Y}"


def _time_element(moment: datetime, words: str) -> SafeString:
    utc = moment.astimezone(tz=timezone.get_default_timezone())
    exact = f"{in_date(utc)}, {utc:%H:%M:%S} UTC"
    return format_html('<time datetime="{}" title="{}">{}</time>', utc.strftime("%Y-%m-%dT%H:%M:%SZ"), exact, words)


@register.simple_tag
def when(moment: datetime | None, otherwise: str = "never") -> str:
    """A moment as a distance ("3 days ago"), exact on hover; `otherwise` for None."""
    return _time_element(moment, in_words(moment, timezone.now())) if moment else otherwise


@register.simple_tag
def day(moment: datetime | None, otherwise: str = "never") -> str:
    """A moment as its date, exact on hover; `otherwise` for None."""
    return _time_element(moment, in_date(moment)) if moment else otherwise


@register.filter
def soon(moment: datetime | None, days: int = 7) -> bool:
    """Whether a moment is less than so many days ahead, or past."""
    return moment is not None and moment - timezone.now() < timedelta(days=days)


@register.simple_tag
def wanted(name: str, release: dict[str, Any], pinned: bool) -> str:
    """What an installer is told: the name, and the version where none else is meant or this one is passed over."""
    exact = pinned or release["prerelease"] or release["yanked"] is not None
    return f"{name}=={release['version']}" if exact else name


@register.filter
def size(count: int | None) -> str:
    """A number of bytes in units people read, decimal: "1.4 MB"."""
    if count is None:
        return "unknown"
    value = float(count)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("the last unit takes all")


@register.filter
def number(count: int) -> str:
    """A number as people read it: "12,345"."""
    return f"{count:,}"


_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")


@register.filter
def browser(agent: str) -> str:
    """A browser's User-Agent as people call it: "Firefox on Linux"; programs by their own first word."""
    name = next((name for mark, name in _BROWSERS if f"{mark}/" in agent), agent.partition("/")[0].strip()[:40])
    system = next((system for system in _SYSTEMS if system in agent), "")
    return f"{name or 'Unknown browser'} on {system}" if system else name or "Unknown browser"


@register.simple_tag
def icon(name: str) -> SafeString:
    """A small drawing in the text's colour, hidden from screen readers."""
    return mark_safe(  # noqa: S308 - our own constants
        '<svg class="icon" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.6"'
        f' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{_ICONS[name]}</svg>'
    )


@register.simple_tag
def line(*parts: object, shell: bool = True, large: bool = False) -> SafeString:
    """A line to copy, joined from its parts; ⏎ begins another. `shell` puts a prompt before it that is not copied."""
    return format_html(
        '<div class="line{}"><code{}>{}</code><button type="button" class="copy">Copy</button></div>',
        " line-large" if large else "",
        mark_safe(' class="shell"') if shell else "",
        _unbroken_options("".join(str(part) for part in parts).replace("⏎", "\n")),
    )


def _unbroken_options(text: str) -> SafeString:
    """The text, escaped, with options kept whole: browsers break lines after a hyphen."""
    words = (format_html('<span class="nowrap">{}</span>' if w.startswith("-") else "{}", w) for w in text.split(" "))
    return mark_safe(" ".join(words))  # noqa: S308 - each word was escaped


@register.simple_tag
def digest(value: str) -> SafeString:
    """A hash, shortened, with its whole on hover and to copy."""
    if not value:
        return SafeString("")
    return format_html(
        '<span class="hash"><code title="{0}">{1}…</code>'
        '<button type="button" class="copy-word" data-copy="{0}">Copy</button></span>',
        value,
        value[:12],
    )


@register.filter
def readme(html: str, images: str = "block") -> SafeString:
    """A README that was cleaned when it was judged, fitted into our page; `images`: the rule of the index."""
    make = _fit_long if len(html) > _LONG else _fit
    return mark_safe(make(html, images, get_script_prefix()))  # noqa: S308 - cleaned by the judge


_LONG = 50_000  # characters of a description that takes longer to fit than to look up


def _fit(html: str, images: str, _prefix: str) -> str:
    """The same, for pages below `_prefix`, which the addresses of pictures begin with."""
    return readmes.fit(html, place_of_pictures(images))


_fit_long = lru_cache(maxsize=4)(_fit)
"""Remembers a few long ones: a reader must not cost what a publisher chose."""


@register.inclusion_tag("packhouse/field.html")
def field(bound: BoundField, label: str = "", hint: str = "", mark: str = "") -> dict[str, Any]:
    """A form field with its label, help and errors. `label` and `hint` win over the form's; `mark` is a CSS class."""
    widget = bound.field.widget
    return {
        "field": bound,
        "widget": bound.as_widget(attrs={"placeholder": False}),
        "label": label or bound.label,
        "hint": hint,
        "mark": mark,
        "checkbox": isinstance(widget, CheckboxInput),
        "group": isinstance(widget, CheckboxSelectMultiple | RadioSelect),
        "optional": not bound.field.required,
    }


@register.inclusion_tag("packhouse/sort_header.html")
def sort_header(table: Shown, key: str, label: str, mark: str = "") -> dict[str, Any]:
    """A column's heading that sorts by link (`web.tables`); `mark` is a CSS class."""
    return {"label": label, "order": table.direction(key), "address": table.sorted_by(key), "mark": mark}


@register.inclusion_tag("packhouse/table_links.html")
def table_links(table: Shown) -> dict[str, Any]:
    """What stands above a table: ways to narrow it."""
    return {"links": table.links}


@register.inclusion_tag("packhouse/table_end.html")
def table_end(table: Shown, what: str = "", download: str = "") -> dict[str, Any]:
    """What stands below a table: links to its other pages, and `download`.csv and `download`.json."""
    place = f"#{table.name}"
    return _paged(table.page, table.page_query(), what, f"{table.name}-page", place) | {"download": download}


@register.inclusion_tag("packhouse/pages.html", takes_context=True)
def pages(context: dict[str, Any], page: Page[Any], what: str = "") -> dict[str, Any]:
    """Links to the other pages of a listing, keeping the rest of the query."""
    query = context["request"].GET.copy()
    query.pop("page", None)
    return _paged(page, query.urlencode(), what, "page", "")


def _paged(page: Page[Any], query: str, what: str, parameter: str, place: str) -> dict[str, Any]:
    numbers = list(page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1))
    before = f"?{query}&{parameter}=" if query else f"?{parameter}="
    return {"page": page, "numbers": numbers, "before": before, "place": place, "what": what}
