# SPDX-License-Identifier: Apache-2.0
"""The forms of our own account pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms

from packhouse.services.tokens import ALL_OF

ACCOUNT, SEVERAL, PROJECT = "account", "several", "project:"
DAYS = (7, 30, 90, 180, 365)
DEFAULT_DAYS = 90
_HUNDRED_YEARS = timedelta(days=36525)
USES = {
    "upload read": "Publish and install",
    "read": "Install only",
    "upload": "Publish only",
    "upload read yank": "Publish, install and yank",
    "upload read manage": "Publish, install and manage projects",
}
STAGING_USES = {"stage read": "Publish to staging indexes only, and install"}
"""Offered where an index is marked as staging."""
GRACES = {
    "24": "is good for a day more",
    "1": "is good for an hour more",
    "168": "is good for a week more",
    "0": "ends at once",
}
"""By hours."""


def _in_words(name: str) -> str:
    """A project, or all of an organization's, as the list of scopes names it."""
    return f"Every project of {name[1:]}" if name.startswith(ALL_OF) else f"Project: {name}"


class TokenForm(forms.Form):
    """A new API token: name, scope, what it is for, expiry."""

    name = forms.CharField(label="Token name", max_length=100)
    scope = forms.ChoiceField(label="Scope", initial=ACCOUNT)
    projects = forms.MultipleChoiceField(
        label="Projects",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="For the scope “Several projects”.",
    )
    uses = forms.ChoiceField(label="Allows", choices=list(USES.items()), initial="upload read")
    expires = forms.ChoiceField(
        label="Expires",
        initial=str(DEFAULT_DAYS),
        choices=[*((str(days), f"in {days} days") for days in DAYS), ("date", "on a date"), ("never", "never")],
    )
    date = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="For “on a date” (UTC).",
    )

    indexes = forms.MultipleChoiceField(
        label="Indexes",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: every index you may use, now and later.",
    )
    networks = forms.CharField(
        label="Only from",
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Addresses or networks it may be used from, such as 192.0.2.0/24. Empty: from anywhere.",
    )

    def __init__(
        self, *args: Any, projects: list[str], indexes: list[str], staging: bool = False, **kwargs: Any
    ) -> None:
        """`projects`: normalized names of those the person may publish to; `indexes`: those they may read.

        `staging`: one of the indexes is marked so.
        """
        super().__init__(*args, **kwargs)
        single = [(f"{PROJECT}{name}", _in_words(name)) for name in projects]
        several = [(SEVERAL, "Several projects")] if len(projects) > 1 else []
        self._choices("scope", [(ACCOUNT, "Entire account"), *single, *several])
        self._choices("projects", [(name, name) for name in projects])
        if not several:
            del self.fields["projects"]
        self._choices("indexes", [(name, name) for name in indexes])
        self._choices("uses", [*USES.items(), *(STAGING_USES.items() if staging else ())])
        if len(indexes) < 2:
            del self.fields["indexes"]

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    def clean(self) -> dict[str, Any]:
        """Ask for what the choices made need."""
        data = dict(super().clean() or {})
        if data.get("scope") == SEVERAL and not data.get("projects"):
            self.add_error("projects", "Choose at least one project.")
        if data.get("expires") == "date" and not data.get("date"):
            self.add_error("date", "Give the last day on which the token is good.")
        if (data.get("date") or date.min) > date.max - _HUNDRED_YEARS:
            self.add_error("date", "This day is too far away; choose “never”.")
        return data

    def chosen_projects(self) -> list[str]:
        """The projects the token is limited to; none for the entire account."""
        scope = self.cleaned_data["scope"]
        if scope == SEVERAL:
            return list(self.cleaned_data["projects"])
        return [scope.removeprefix(PROJECT)] if scope.startswith(PROJECT) else []

    def chosen_scopes(self) -> list[str]:
        """What the token allows, in the words of `domain.permissions.TOKEN_ACTIONS`."""
        return str(self.cleaned_data["uses"]).split()

    def chosen_expiry(self, now: datetime) -> datetime | None:
        """When the token ends; None for never. A date counts to its end in UTC."""
        choice = self.cleaned_data["expires"]
        if choice == "never":
            return None
        if choice == "date":
            return datetime.combine(self.cleaned_data["date"] + timedelta(days=1), time(), tzinfo=UTC)
        return now + timedelta(days=int(choice))


class PasswordForm(forms.Form):
    """One field: the password of the account."""

    password = forms.CharField(
        label="Password", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class RotationForm(PasswordForm):
    """How long the old secret is good, and the password."""

    grace = forms.ChoiceField(label="The old secret", choices=list(GRACES.items()), initial="24")

    field_order = ("grace", "password")
