# SPDX-License-Identifier: Apache-2.0
"""`/help/upload-errors/`: every error code with cause and cure, and the links that refusals carry to it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from packhouse.domain.explanations import Section, read_explanations
from packhouse.web.context import house

_PLACES = (Path(__file__).with_name("upload-errors.md"), Path(__file__).parents[3] / "docs/upload-errors.md")
"""Where the document lies: beside this file in the wheel, among the others in the source."""


def upload_errors(request: HttpRequest) -> HttpResponse:
    """`/help/upload-errors/`, with an anchor for each code."""
    return render(request, "upload_errors.html", {"sections": _sections()})


def link_to(request: HttpRequest, code: str) -> str:
    """The address that explains a code, in full: programs print it where nothing else says which server it is of."""
    return f"{house(request)['house'].base_url}{reverse('upload-errors')}#{code}"


@cache
def _sections() -> tuple[Section, ...]:
    place = next(place for place in _PLACES if place.exists())
    return read_explanations(place.read_text(encoding="utf-8"))
