# SPDX-License-Identifier: Apache-2.0
"""Pages of past states: never stored, kept in memory under a key that says all they depend on.

What was is no longer changed, but for what is purged, what becomes ours, and what is learnt of an upstream's files
since; each of these moves a number that is part of the key. So nothing is ever made invalid: a page of before is not
asked for again, and goes when the memory is full.
"""

from __future__ import annotations

from collections.abc import Hashable

from packhouse.catalogue.listings import project_at, root_at
from packhouse.catalogue.models import Index, Project, UpstreamProject
from packhouse.domain import page as domain
from packhouse.domain.moments import AsOf
from packhouse.services.page_memory import PageMemory
from packhouse.services.pages import PROJECT_KINDS, ROOT_KINDS


def past_page(
    index_name: str, project: str, kind: str, as_of: AsOf, memory: PageMemory | None = None, spelled: str = ""
) -> domain.Page | None:
    """A page of an index as it was at a past moment; its audience is that of now.

    `memory` is given when the journal has gone beyond the moment, so that the page may be kept; it is named there
    by index, project, kind and the moment as it was `spelled`. None when there was no such index or project.
    """
    index = Index.objects.filter(name=index_name, created_serial__lte=as_of.serial).first()
    if index is None:
        return None
    key = (index.pk, index.audience, project, kind, as_of, _learnt(index, project))
    page = None if memory is None else memory.get(key)
    if page is None:
        page = _draw(index, project, kind, as_of)
        if page is not None and memory is not None:
            memory.put(key, page)
    if page is not None and memory is not None and spelled:
        memory.name((index_name, project, kind, spelled), key)
    return page


def _learnt(index: Index, project: str) -> Hashable:
    """Numbers that move when something is learnt or purged by which what was is told in another way."""
    if not project:
        return index.names_serial
    ours = Project.objects.filter(name=project).values_list("serial", flat=True).first()
    theirs = UpstreamProject.objects.filter(name=project).order_by("pk").values_list("pk", "serial", "modified")
    return ours, tuple(theirs)


def _draw(index: Index, project: str, kind: str, as_of: AsOf) -> domain.Page | None:
    if not project:
        root = root_at(index, as_of)
        body, serial = ROOT_KINDS[kind](root), root.serial
    else:
        shown = project_at(index, project, as_of)
        if shown is None:
            return None
        body, serial = PROJECT_KINDS[kind](shown.listing), shown.listing.serial
    modified = int(as_of.at.timestamp())
    return domain.make_page(
        body, index=index.name, project=project, kind=kind, serial=serial, modified=modified, audience=index.audience
    )
