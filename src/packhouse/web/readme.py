# SPDX-License-Identifier: Apache-2.0
"""Make a README, rendered and cleaned when it was judged (`domain.readme`), fit into a page of ours.

The input is already safe, its ids and the links to them have a prefix that keeps them from colliding with ours. What
changes: headings go one level down, since the page has its first; pictures become their words, since pages ask nobody
else for anything; links that show nothing are left out, their ids kept; code can be scrolled by keyboard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser

_ANCHOR = re.compile(r"^<a[^>]*?( id=\"[^\"]*\")[^>]*>$")
_VOID = frozenset({"br", "hr", "img", "input", "col"})
_LOWER = {f"h{n}": f"h{min(n + 1, 6)}" for n in range(1, 7)}

_ADDED = {
    "pre": [("tabindex", "0")],
    "input": [("aria-label", "task")],
}
_NAMES = {("pre", "lang"): "data-lang"}  # a programming language is not one that `lang` may name

Attributes = Sequence[tuple[str, str | None]]


def fit(html: str) -> str:
    """Return the README's HTML ready for a page; the text is unchanged."""
    fitter = _Fitter()
    fitter.feed(html)
    fitter.close()
    return "".join(fitter.parts)


class _Fitter(HTMLParser):
    """Copies what it reads, with the changes the module's docstring names."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if tag == "img" and not _is_inline_picture(dict(attrs).get("src")):
            self.parts.append(_picture_in_words(dict(attrs)))
            return
        text = "".join(f' {name}="{escape(value or "")}"' for name, value in _fit_attributes(tag, attrs))
        self.parts.append(f"<{_LOWER.get(tag, tag)}{text}>")

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self.parts and self.parts[-1].startswith("<a"):
            self.parts[-1] = _ANCHOR.sub(r"<span\1></span>", self.parts[-1]) if " id=" in self.parts[-1] else ""
        elif tag not in _VOID:
            self.parts.append(f"</{_LOWER.get(tag, tag)}>")

    def handle_data(self, data: str) -> None:
        self.parts.append(data.replace("<", "&lt;").replace(">", "&gt;"))

    def handle_entityref(self, name: str) -> None:
        self.parts.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.parts.append(f"&#{name};")


def _is_inline_picture(source: str | None) -> bool:
    return (source or "").startswith("data:image/")


def _picture_in_words(attrs: dict[str, str | None]) -> str:
    words = (attrs.get("alt") or "").strip()
    return f'<span class="image-off">{escape(words)}</span>' if words else ""


def _fit_attributes(tag: str, attrs: Attributes) -> Attributes:
    fitted = [(_NAMES.get((tag, name), name), value) for name, value in attrs]
    if tag == "img" and not any(name == "alt" for name, _ in attrs):
        fitted.append(("alt", ""))
    return [*fitted, *_ADDED.get(tag, [])]
