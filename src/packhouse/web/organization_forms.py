# SPDX-License-Identifier: Apache-2.0
"""The forms of organizations, and of a project that goes to another owner."""

from __future__ import annotations

from typing import Any

from django import forms

from packhouse.domain.permissions import OrganizationRole, ProjectRole
from packhouse.web.forms import ACCOUNT, PROJECT, SEVERAL, TokenForm

_ROLE_WORDS = {
    OrganizationRole.MEMBER: "Member: what their teams may",
    OrganizationRole.MANAGER: "Manager: also runs all of it",
    OrganizationRole.OWNER: "Owner: also names owners, ends it",
}
_TEAM_ROLES = [
    (ProjectRole.MAINTAINER.value, "Maintainer: publishes and yanks"),
    (ProjectRole.OWNER.value, "Owner: also deletes and decides who may publish"),
]


class OrganizationForm(forms.Form):
    """A new organization."""

    name = forms.CharField(
        label="Name",
        max_length=64,
        help_text="As a user name is written. It stays as it is, and nobody else ever gets it.",
    )
    title = forms.CharField(label="Full name", max_length=200, required=False)


class TitleForm(forms.Form):
    """What an organization is called in full."""

    title = forms.CharField(label="Full name", max_length=200, required=False)


class MemberForm(forms.Form):
    """Whom to invite, and as what."""

    username = forms.CharField(label="Username", max_length=64)
    role = forms.ChoiceField(label="Role", initial=OrganizationRole.MEMBER.value)

    def __init__(self, *args: Any, rules: bool, **kwargs: Any) -> None:
        """`rules`: whether who asks may invite managers and owners too."""
        super().__init__(*args, **kwargs)
        field = self.fields["role"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(r.value, w) for r, w in _ROLE_WORDS.items() if rules or r is OrganizationRole.MEMBER]


class TeamForm(forms.Form):
    """A new team."""

    team = forms.CharField(label="Name", max_length=64, help_text="Such as “release” or “students-2027”.")


class TeamMemberForm(forms.Form):
    """Who is to be in a team."""

    username = forms.ChoiceField(label="Member")

    def __init__(self, *args: Any, offered: list[str], **kwargs: Any) -> None:
        """`offered`: the members of the organization who are not in the team."""
        super().__init__(*args, **kwargs)
        field = self.fields["username"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(name, name) for name in offered]


class TeamRoleForm(forms.Form):
    """What a team is to be to a project."""

    project = forms.ChoiceField(label="Project")
    role = forms.ChoiceField(label="Role", choices=_TEAM_ROLES)

    def __init__(self, *args: Any, offered: list[str], **kwargs: Any) -> None:
        """`offered`: the projects of the organization."""
        super().__init__(*args, **kwargs)
        field = self.fields["project"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(name, name) for name in offered]


class OrganizationTokenForm(TokenForm):
    """A new token of an organization."""

    def __init__(self, *args: Any, projects: list[str], indexes: list[str], **kwargs: Any) -> None:
        """`projects`: those of the organization; `indexes`: those it may read; `staging` as of any token."""
        super().__init__(*args, projects=projects, indexes=indexes, **kwargs)
        field = self.fields["scope"]
        if isinstance(field, forms.ChoiceField):
            several = [(SEVERAL, "Several projects")] if len(projects) > 1 else []
            single = [(f"{PROJECT}{name}", f"Project: {name}") for name in projects]
            field.choices = [(ACCOUNT, "Entire organization"), *single, *several]


class TransferForm(forms.Form):
    """To whom a project is offered; its name is typed."""

    receiver = forms.CharField(
        label="New owner", max_length=64, help_text="A user name, or the name of an organization."
    )
    name = forms.CharField(label="Name of the project", max_length=300)

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        """`expected`: the name to type."""
        super().__init__(*args, **kwargs)
        self._expected = expected

    def clean_name(self) -> str:
        """Refuse anything but the exact name."""
        typed = str(self.cleaned_data["name"]).strip()
        if typed != self._expected:
            raise forms.ValidationError(f"This says {typed!r}; type {self._expected!r} exactly, or keep it.")
        return typed
