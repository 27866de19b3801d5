# SPDX-License-Identifier: Apache-2.0
"""Pages of projects that an upstream owns: made like any other, of what was kept of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from packhouse.catalogue.composition import owning_layer
from packhouse.catalogue.listings import pulled_shown, shape_of
from packhouse.catalogue.models import Index, UpstreamProject
from packhouse.catalogue.pulled import is_ours, kept_project
from packhouse.domain import page as domain
from packhouse.domain.simple import render_project_html, render_project_json

_KINDS = {"html": render_project_html, "json": render_project_json}


def draw_pulled(
    index: Index, name: str, kind: str, moment: datetime
) -> tuple[domain.Page, Callable[[Index], bool]] | None:
    """The page of a project (normalized) that an upstream layer of the index owns, and whether it is still so.

    None when no upstream does. It is valid until the upstream is to be asked again.
    """
    shape = shape_of(index)
    owner = owning_layer(index.pk, name)
    project = None if owner is None or owner.own else kept_project(owner.upstream, name)
    if owner is None or project is None:
        return None
    shown = pulled_shown(owner, project, index.shaped, moment)
    page = domain.make_page(
        _KINDS[kind](shown.listing),
        index=index.name,
        project=name,
        kind=kind,
        serial=project.serial,
        modified=shown.modified,
        audience=index.audience,
        valid_until=None if shown.valid_until is None else shown.valid_until.timestamp(),
    )
    same = UpstreamProject.objects.filter(
        pk=project.pk, serial=project.serial, modified=project.modified, fresh_until=project.fresh_until
    )
    return page, lambda current: shape_of(current) == shape and same.exists() and not is_ours(name)
