# SPDX-License-Identifier: Apache-2.0
"""The forms by which administrators make indexes and change what they are made of."""

from __future__ import annotations

from typing import Any

from django import forms

from packhouse.domain.permissions import ReadMode
from packhouse.services.indexes import LayerSpec

READ_WORDS = {
    ReadMode.PUBLIC: "public: everybody",
    ReadMode.SIGNED_IN: "signed-in: everybody with an account",
    ReadMode.CLOSED: "closed: those named as readers",
}
_READ_CHOICES = [(mode.value, words) for mode, words in READ_WORDS.items()]


class IndexForm(forms.Form):
    """A new index."""

    name = forms.CharField(
        label="Name",
        max_length=64,
        help_text="Lower-case letters, digits and hyphens; its address becomes /index/NAME/simple/.",
    )
    read = forms.ChoiceField(label="Read by", choices=_READ_CHOICES)
    layers = forms.CharField(
        label="Made of",
        initial="own",
        max_length=2000,
        help_text="Layers separated by commas, the first wins: own, index:NAME, upstream:NAME.",
    )

    def wanted(self) -> list[LayerSpec]:
        """The layers typed."""
        return [LayerSpec.parse(text) for text in self.cleaned_data["layers"].split(",") if text.strip()]


class ReadForm(forms.Form):
    """Who may read an index."""

    read = forms.ChoiceField(label="Read by", choices=_READ_CHOICES)


class ReaderForm(forms.Form):
    """A reader more."""

    reader = forms.CharField(
        label="Reader",
        max_length=200,
        help_text="A user name, an organization, a team (ORGANIZATION/TEAM) or a token (token:ID).",
    )


class LayerForm(forms.Form):
    """A layer more."""

    layer = forms.ChoiceField(label="Layer")
    place = forms.IntegerField(
        label="Place", min_value=1, max_value=1000, required=False, help_text="1 is the first; empty: the last."
    )

    def __init__(self, *args: Any, offered: list[LayerSpec], **kwargs: Any) -> None:
        """`offered`: the layers that can be added."""
        super().__init__(*args, **kwargs)
        field = self.fields["layer"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(layer.spelled, layer.spelled) for layer in offered]
