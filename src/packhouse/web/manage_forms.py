# SPDX-License-Identifier: Apache-2.0
"""The forms by which people manage their projects."""

from __future__ import annotations

from typing import Any

from django import forms

from packhouse.domain.listing import Status
from packhouse.domain.permissions import ProjectRole

MAX_REASON = 1000
_STATUS_WORDS = {
    Status.ACTIVE: "Active: installs, and takes new releases",
    Status.DEPRECATED: "Deprecated: still works; people are asked to use something else",
    Status.ARCHIVED: "Archived: installs, takes no new releases",
    Status.QUARANTINED: "Quarantined: nothing of it installs (administrators)",
}
_ROLE_WORDS = {
    ProjectRole.MAINTAINER: "Maintainer: publishes and yanks",
    ProjectRole.OWNER: "Owner: also deletes and decides who may publish",
}


class StatusForm(forms.Form):
    """The status of a project (PEP 792), with a reason everybody reads."""

    status = forms.ChoiceField(label="Status")
    reason = forms.CharField(label="Reason", required=False, max_length=MAX_REASON)

    def __init__(self, *args: Any, may_quarantine: bool, **kwargs: Any) -> None:
        """`may_quarantine`: only administrators set and lift a quarantine."""
        super().__init__(*args, **kwargs)
        offered = [(s.value, w) for s, w in _STATUS_WORDS.items() if may_quarantine or s is not Status.QUARANTINED]
        field = self.fields["status"]
        if isinstance(field, forms.ChoiceField):
            field.choices = offered


class YankForm(forms.Form):
    """Why a release is yanked; shown by installers."""

    reason = forms.CharField(
        label="Reason", required=False, max_length=MAX_REASON, help_text="Installers show it to those who asked for it."
    )


class PromotionForm(forms.Form):
    """From which index into which, and why."""

    source = forms.ChoiceField(label="From")
    target = forms.ChoiceField(label="To")
    why = forms.CharField(label="Why", required=False, max_length=MAX_REASON, help_text="The journal keeps it.")

    def __init__(self, *args: Any, offered: list[str], **kwargs: Any) -> None:
        """`offered`: the indexes to choose from."""
        super().__init__(*args, **kwargs)
        self.offered = offered
        for name in ("source", "target"):
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = [(index, index) for index in offered]
        self.fields["target"].initial = offered[-1] if offered else ""


class UndoForm(forms.Form):
    """A promotion to take back; its serial comes from a button."""


class InvitationForm(forms.Form):
    """Whom to invite, and as what."""

    username = forms.CharField(label="Username", max_length=64)
    role = forms.ChoiceField(
        label="Role", choices=[(r.value, w) for r, w in _ROLE_WORDS.items()], initial=ProjectRole.MAINTAINER.value
    )


class TypedNameForm(forms.Form):
    """The exact name of what is deleted, typed."""

    name = forms.CharField(label="Name", max_length=300, strip=True)

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        """`expected`: the text to type."""
        super().__init__(*args, **kwargs)
        self._expected = expected

    def clean_name(self) -> str:
        """Refuse anything but the exact name."""
        typed = str(self.cleaned_data["name"])
        if typed != self._expected:
            raise forms.ValidationError(f"This says {typed!r}; type {self._expected!r} exactly, or keep it.")
        return typed
