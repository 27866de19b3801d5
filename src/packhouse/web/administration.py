# SPDX-License-Identifier: Apache-2.0
"""Pages for administrators: the indexes, and the profile and rules of each.

Changing asks for the password once more, unless it was given a few minutes ago.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.catalogue import queries
from packhouse.catalogue.models import JournalEntry
from packhouse.domain import serving
from packhouse.domain.permissions import ReadMode
from packhouse.domain.policy import PROFILES
from packhouse.domain.rules import DEFAULT, PROFILE, SERVING_RULES, read_rule
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import index_rules, indexes, readers
from packhouse.services.administering import as_administrator
from packhouse.services.index_rules import RulesOfIndex, RuleState
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import Actor
from packhouse.services.state import state_of
from packhouse.services.upstreams import list_upstreams
from packhouse.web import resources
from packhouse.web.index_forms import IndexForm, LayerForm, ReaderForm, ReadForm
from packhouse.web.proofs import asked_again
from packhouse.web.reading import web_identity

_LONGEST = 200_000  # characters of one value: thousands of names
_LISTS = frozenset({serving.EXEMPT, serving.ALLOW, serving.DENY, serving.HARMLESS})
"""Rules whose values may be long lists."""
ENTRIES = 20
"""Journal entries that the page of an index shows."""
ANSWERED = frozenset({Kind.INVALID, Kind.CONFLICT, Kind.MISSING})
"""Refusals that are told in the form they answer."""


class RulesForm(forms.Form):
    """The profile and every rule of an index; what is left at the profile's value is not set."""

    def __init__(self, *args: Any, state: RulesOfIndex, **kwargs: Any) -> None:
        """`state`: the rules now."""
        super().__init__(*args, **kwargs)
        self.fields[PROFILE] = forms.ChoiceField(
            label="Profile",
            choices=[(name, name) for name in PROFILES],
            initial=state.profile,
            help_text="private takes what installs, with warnings; strict refuses what the public index refuses.",
        )
        for rule in (*state.rules, *state.serving):
            self.fields[rule.key] = _field(rule)

    def _clean_fields(self) -> None:
        """Read each value as the command does."""
        super()._clean_fields()  # type: ignore[misc]
        for key, text in list(self.cleaned_data.items()):
            try:
                read_rule(key, text or DEFAULT)
            except PackhouseError as error:
                self.add_error(key, ValidationError(error.message))

    def changes(self) -> dict[str, str]:
        """What was typed, by key; an empty field is the profile's value."""
        return {key: self.cleaned_data[key].strip() or DEFAULT for key in self.changed_data}


def _field(rule: RuleState) -> forms.Field:
    usual = "default" if rule.key in SERVING_RULES else "profile"
    if rule.choices:
        choices = [("", f"{rule.profile_value} ({usual})"), *((choice, choice) for choice in rule.choices)]
        return forms.ChoiceField(
            label=rule.key, choices=choices, initial=rule.value if rule.is_set else "", required=False
        )
    placeholder = {"placeholder": f"{rule.profile_value} ({usual})", "autocomplete": "off"}
    return forms.CharField(
        label=rule.key,
        initial=rule.value if rule.is_set else "",
        required=False,
        max_length=_LONGEST,
        widget=forms.Textarea(attrs=placeholder | {"rows": "2"})
        if rule.key in _LISTS
        else forms.TextInput(attrs=placeholder),
    )


def state(request: HttpRequest) -> HttpResponse:
    """`/admin/`: the state of the server."""
    return TemplateResponse(request, "admin/state.html", {"state": state_of(resources.get().settings)})


@asked_again
def index_list(request: HttpRequest) -> HttpResponse:
    """`/admin/indexes/`: every index, who may read it, what it is made of; making one."""
    form = IndexForm(request.POST or None)
    if request.method == "POST" and did(form, lambda: _make_index(request, form)):
        return redirect("admin-index", form.cleaned_data["name"])
    rows = [_row(index.name, index.read) for index in indexes.list_indexes()]
    return TemplateResponse(request, "admin/indexes.html", {"indexes": rows, "form": form})


def _make_index(request: HttpRequest, form: IndexForm) -> None:
    clock, data = resources.get().clock, form.cleaned_data
    read = ReadMode(data["read"])
    as_administrator(
        web_identity(request),
        lambda actor: indexes.create_index(actor, data["name"], read, form.wanted(), clock=clock),
        clock=clock,
    )
    messages.success(request, f"Made the index {data['name']}, at /index/{data['name']}/simple/.")


def _row(name: str, read: str) -> dict[str, Any]:
    state = index_rules.rules_in_force(name)
    counted = Counter(rule.is_set for rule in (*state.rules, *state.serving))
    layers = [layer.spelled for layer in indexes.layers_of(name)]
    return {"name": name, "read": read, "profile": state.profile, "set": counted[True], "layers": layers}


def did(form: forms.Form, act: Callable[[], object]) -> bool:
    """Do it if the form is right; a refusal becomes the form's own error."""
    if not form.is_valid():
        return False
    try:
        act()
    except PackhouseError as error:
        if error.kind not in ANSWERED:
            raise
        form.add_error(None, error.message)
        return False
    return True


@asked_again
def index_page(request: HttpRequest, name: str) -> HttpResponse:
    """`/admin/index/<name>/`: what an index is made of, who may read it, its profile and rules; changing them."""
    index = indexes.find_index(name)
    state = index_rules.rules_in_force(name)
    sent = request.POST.get("action", "rules") if request.method == "POST" else ""
    form = RulesForm(request.POST if sent == "rules" else None, state=state)
    reading = ReadForm(request.POST if sent == "read" else None, initial={"read": index.read})
    layering = LayerForm(request.POST if sent == "add" else None, offered=_offered(name))
    granting = ReaderForm(request.POST if sent == "grant" else None)
    if sent and _changed(request, name, sent, {"rules": form, "read": reading, "add": layering, "grant": granting}):
        return redirect("admin-index", name)
    context = {
        "index": {"name": index.name, "read": index.read},
        "layers": [layer.spelled for layer in indexes.layers_of(name)],
        "readers": readers.readers_of(name),
        "granting": granting,
        "others": state.others,
        "form": form,
        "reading": reading,
        "layering": layering,
        "rules": [{"field": form[rule.key], "state": rule} for rule in state.rules],
        "serving": [{"field": form[rule.key], "state": rule} for rule in state.serving],
        "entries": [told(entry) for entry in queries.entries_of_index(name, ENTRIES)],
    }
    return TemplateResponse(request, "admin/index.html", context)


def _offered(name: str) -> list[LayerSpec]:
    """The layers an index could get."""
    others = [LayerSpec("index", one.name) for one in indexes.list_indexes() if one.name != name]
    upstreams = [LayerSpec("upstream", one.name) for one in list_upstreams()]
    known = indexes.layers_of(name)
    return [layer for layer in (LayerSpec("own"), *others, *upstreams) if layer not in known]


def _changed(request: HttpRequest, name: str, sent: str, sheets: dict[str, Any]) -> bool:
    """Do what was sent; False when a form has to be shown again with what is wrong."""
    clock, identity = resources.get().clock, web_identity(request)
    if sent == "rules":
        form = sheets["rules"]
        if not form.is_valid():
            return False
        changed = index_rules.change_rules_as(identity, name, form.changes(), clock=clock)
        messages.success(request, _said(name, changed))
        return True
    if sent in {"read", "add", "grant"}:
        form = sheets[sent]
        acts: dict[str, Callable[[Actor, str, Any], None]] = {"read": _set_read, "add": _add_layer, "grant": _grant}
        act = acts[sent]
        done = did(form, lambda: as_administrator(identity, lambda actor: act(actor, name, form), clock=clock))
        if done:
            messages.success(request, f"The index {name} is changed, from the next request on.")
        return done
    try:
        other = _end_grant if sent == "end" else _shift_layer
        as_administrator(identity, lambda actor: other(actor, name, sent, request.POST), clock=clock)
        messages.success(request, f"The index {name} is changed, from the next request on.")
    except PackhouseError as error:
        if error.kind not in ANSWERED:
            raise
        messages.error(request, error.message)
    return True


def _set_read(actor: Actor, name: str, form: ReadForm) -> None:
    indexes.set_read(actor, name, ReadMode(form.cleaned_data["read"]), clock=resources.get().clock)


def _grant(actor: Actor, name: str, form: ReaderForm) -> None:
    found = readers.find_reader(form.cleaned_data["reader"])
    indexes.grant_read(actor, name, found, clock=resources.get().clock)


def _end_grant(actor: Actor, name: str, _sent: str, told: QueryDict) -> None:
    indexes.end_grant(actor, name, readers.find_reader(told.get("reader", "")), clock=resources.get().clock)


def _add_layer(actor: Actor, name: str, form: LayerForm) -> None:
    layer, place = LayerSpec.parse(form.cleaned_data["layer"]), form.cleaned_data["place"]
    indexes.add_layer(actor, name, layer, None if place is None else place - 1, clock=resources.get().clock)


def _shift_layer(actor: Actor, name: str, sent: str, told: QueryDict) -> None:
    """Move a layer one place up, or take it away."""
    layer, clock = LayerSpec.parse(told.get("layer", "")), resources.get().clock
    if sent == "remove":
        indexes.remove_layer(actor, name, layer, clock=clock)
    elif sent == "up":
        layers = indexes.layers_of(name)
        place = layers.index(layer) if layer in layers else 0
        indexes.move_layer(actor, name, layer, max(place - 1, 0), clock=clock)
    else:
        raise refuse(Kind.INVALID, "action-unknown", f"There is no action {sent[:30]!r} here; use the buttons.")


def told(entry: JournalEntry) -> dict[str, Any]:
    """A journal entry in words."""
    detail = "; ".join(f"{key}: {_words(value)}" for key, value in entry.detail.items() if value not in (None, "", []))
    return {
        "serial": entry.serial,
        "at": entry.at,
        "kind": entry.kind,
        "actor": entry.actor or entry.via,
        "where": " ".join(filter(None, (entry.index_name, entry.project, entry.version, entry.filename))),
        "detail": detail,
        "project": entry.project,
    }


def _words(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _said(name: str, changed: int) -> str:
    if not changed:
        return "Nothing was changed."
    return f"{changed} rule{'' if changed == 1 else 's'} of {name} changed, from the next request on."
