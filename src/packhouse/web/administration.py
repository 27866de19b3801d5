# SPDX-License-Identifier: Apache-2.0
"""Pages for administrators: the indexes, and the profile and rules of each.

Changing asks for the password once more, unless it was given a few minutes ago.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.domain.policy import PROFILES
from packhouse.domain.rules import DEFAULT, PROFILE, read_rule
from packhouse.errors import PackhouseError
from packhouse.services import index_rules, indexes
from packhouse.services.index_rules import RulesOfIndex, RuleState
from packhouse.services.state import state_of
from packhouse.web import resources
from packhouse.web.reading import web_identity

_LONGEST = 20_000  # characters of one value: a thousand names


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
        for rule in state.rules:
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
    if rule.choices:
        choices = [("", f"{rule.profile_value} (profile)"), *((choice, choice) for choice in rule.choices)]
        return forms.ChoiceField(
            label=rule.key, choices=choices, initial=rule.value if rule.is_set else "", required=False
        )
    placeholder = {"placeholder": f"{rule.profile_value} (profile)", "autocomplete": "off"}
    return forms.CharField(
        label=rule.key,
        initial=rule.value if rule.is_set else "",
        required=False,
        max_length=_LONGEST,
        widget=forms.TextInput(attrs=placeholder),
    )


def state(request: HttpRequest) -> HttpResponse:
    """`/admin/`: the state of the server."""
    return TemplateResponse(request, "admin/state.html", {"state": state_of(resources.get().settings)})


def index_list(request: HttpRequest) -> HttpResponse:
    """`/admin/indexes/`: every index, who may read it, its profile."""
    rows = [_row(index.name, index.read) for index in indexes.list_indexes()]
    return TemplateResponse(request, "admin/indexes.html", {"indexes": rows})


def _row(name: str, read: str) -> dict[str, Any]:
    state = index_rules.rules_in_force(name)
    counted = Counter(rule.is_set for rule in state.rules)
    return {"name": name, "read": read, "profile": state.profile, "set": counted[True]}


@reauthentication_required(allow_get=True)  # type: ignore[untyped-decorator]
def index_page(request: HttpRequest, name: str) -> HttpResponse:
    """`/admin/index/<name>/`: the profile and the rules of an index; setting them."""
    index = indexes.find_index(name)
    state = index_rules.rules_in_force(name)
    form = RulesForm(request.POST or None, state=state)
    if request.method == "POST" and form.is_valid():
        clock = resources.get().clock
        changed = index_rules.change_rules_as(web_identity(request), name, form.changes(), clock=clock)
        messages.success(request, _said(name, changed))
        return redirect("admin-index", name)
    context = {
        "index": {"name": index.name, "read": index.read},
        "layers": [f"{layer.kind} {layer.target}".strip() for layer in indexes.layers_of(name)],
        "readers": indexes.readers_of(name),
        "others": state.others,
        "form": form,
        "rules": [{"field": form[rule.key], "state": rule} for rule in state.rules],
    }
    return TemplateResponse(request, "admin/index.html", context)


def _said(name: str, changed: int) -> str:
    if not changed:
        return "Nothing was changed."
    return f"{changed} rule{'' if changed == 1 else 's'} of {name} changed; the next upload is judged so."
