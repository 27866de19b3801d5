# SPDX-License-Identifier: Apache-2.0
"""Pages: made in the transaction that changes them, or when somebody asks for one that is not there.

A stored page is current: whoever changes what it shows writes it again or deletes it in the same transaction. A page
made on reading is stored only when nothing it depends on has moved meanwhile, under the lock all writers take.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Max

from packhouse.catalogue.listings import (
    has_more_files,
    living_project,
    project_shown,
    root_shown,
    shape_of,
)
from packhouse.catalogue.models import Counter, Index, Page, Project
from packhouse.catalogue.rows import fetch, run
from packhouse.domain import page as domain
from packhouse.domain.listing import ProjectListing, RootListing
from packhouse.domain.simple import (
    render_project_html,
    render_project_json,
    render_root_html,
    render_root_json,
)
from packhouse.errors import PackhouseError
from packhouse.services.journal import Clock, Moment, write
from packhouse.services.pulled_pages import draw_pulled
from packhouse.services.resources import now

_log = logging.getLogger(__name__)

NAMES = "names"
MOST_FILES = 2_000
"""Files of a project up to which its pages are made in the transaction that changes them."""
ATTEMPTS = 3
"""Times a page is made on reading while what it shows keeps moving."""

PROJECT_KINDS: dict[str, Callable[[ProjectListing], bytes]] = {
    "html": render_project_html,
    "json": render_project_json,
}
ROOT_KINDS: dict[str, Callable[[RootListing], bytes]] = {"html": render_root_html, "json": render_root_json}

_STORE = """
INSERT INTO catalogue_page
  (index_name, project, kind, serial, modified, etag, audience, valid_until, body, gzip, zstd, br)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (index_name, project, kind) DO UPDATE SET
  serial = excluded.serial, modified = excluded.modified, etag = excluded.etag, audience = excluded.audience,
  valid_until = excluded.valid_until, body = excluded.body, gzip = excluded.gzip, zstd = excluded.zstd,
  br = excluded.br
"""


def touch_project(project: Project, moment: Moment) -> None:
    """Move the validators of a project; to be called once in each transaction that changes what is said of it."""
    project.serial = moment.last
    project.modified = max(project.modified + 1, int(moment.at.timestamp()))
    run(
        "UPDATE catalogue_project SET serial = %s, modified = %s WHERE id = %s",
        project.serial, project.modified, project.pk,
    )  # fmt: skip


def refresh(
    index: Index,
    project: Project,
    moment: Moment,
    above: Iterable[str],
    *,
    names: bool = False,
    most: int = MOST_FILES,
) -> None:
    """Write the pages of a project in the index that was changed, and drop those they stand in.

    `above` names the indexes made of this one; `names`: a name appeared or disappeared. In the transaction, after
    the change and `touch_project`. The pages of a project of more than `most` files are dropped too: to make them
    takes seconds, for which all other writers would wait.
    """
    at_once = not has_more_files(index.pk, project.pk, most)
    if at_once:
        _store(project_pages(index, project, moment.at))
    drop(index.name, moment, project.name, above, own_project=not at_once, names=names)


def refresh_everywhere(project: Project, moment: Moment, *, names: bool = False) -> None:
    """Drop every stored page of a project and the root pages of the indexes that may show it."""
    Page.objects.filter(project=project.name).delete()
    touched = list(Index.objects.values_list("name", flat=True))
    _touch_roots(touched, moment, names=names)


def refresh_many(projects: list[Project], moment: Moment) -> None:
    """Touch several projects, and drop their pages and the root pages of all indexes."""
    for project in projects:
        touch_project(project, moment)
        Page.objects.filter(project=project.name).delete()
    _touch_roots(list(Index.objects.values_list("name", flat=True)), moment, names=True)


def reshape(name: str, moment: Moment, above: Iterable[str]) -> None:
    """Drop every page of an index and those above, whose layers or policy changed; in the same transaction."""
    touched = [name, *above]
    newest = Project.objects.aggregate(newest=Max("modified"))["newest"] or 0
    for index in Index.objects.filter(name__in=touched):
        # Later than any page of before, so that no validator of one fits a page of after.
        index.shaped = max(index.shaped, newest, int(moment.at.timestamp())) + 1
        index.save(update_fields=["shaped"])
    Page.objects.filter(index_name__in=touched).delete()
    _touch_roots(touched, moment, names=True)


def forget(indexes: list[str], moment: Moment, project: str | None = None) -> None:
    """Delete all pages of these indexes, or those of one project and the root pages, whose names have changed."""
    stored = Page.objects.filter(index_name__in=indexes)
    (stored if project is None else stored.filter(project=project)).delete()
    _touch_roots(indexes, moment, names=True)


def drop(
    name: str, moment: Moment, project: str, above: Iterable[str], *, own_project: bool = True, names: bool = False
) -> None:
    """Delete the root pages of an index and those above, and the project's pages above (here too: `own_project`)."""
    higher = list(above)
    for index in [*higher, name] if own_project else higher:
        run("DELETE FROM catalogue_page WHERE index_name = %s AND project = %s", index, project)
    _touch_roots([name, *higher], moment, names=names)


def _touch_roots(indexes: list[str], moment: Moment, *, names: bool) -> None:
    for index in indexes:
        run("DELETE FROM catalogue_page WHERE index_name = %s AND project = '' AND kind <> 'names'", index)
        run("UPDATE catalogue_index SET serial = %s WHERE name = %s", moment.last, index)
        if names:
            run("UPDATE catalogue_index SET names_serial = %s WHERE name = %s", moment.last, index)
    if names:
        _store([names_page(name, moment.last) for name in indexes])


def names_page(index: str, serial: int) -> domain.Page:
    """The row without bytes whose serial says since when the set of names of an index is what it is."""
    return domain.Page(
        index=index, project="", kind=NAMES, serial=serial, modified=0, etag="", audience="", valid_until=None, body=b""
    )


def project_pages(
    index: Index, project: Project, moment: datetime, kinds: Iterable[str] = PROJECT_KINDS
) -> list[domain.Page]:
    """The pages of a living project in an index at a moment, now; [] when it shows nothing of it."""
    shown = project_shown(index, project, moment)
    if shown is None:
        return []
    return [
        domain.make_page(
            PROJECT_KINDS[kind](shown.listing),
            index=index.name,
            project=project.name,
            kind=kind,
            serial=shown.listing.serial,
            modified=shown.modified,
            audience=index.audience,
            valid_until=None if shown.valid_until is None else shown.valid_until.timestamp(),
        )
        for kind in kinds
    ]


def _store(pages: Iterable[domain.Page]) -> None:
    rows = [
        (
            page.index, page.project, page.kind, page.serial, page.modified, page.etag, page.audience,
            page.valid_until, page.body, page.gzip, page.zstd, page.br,
        )
        for page in pages
    ]  # fmt: skip
    for row in rows:
        run(_STORE, *row)


Pull = Callable[[str, str], None]
"""Brings what is kept of upstreams up to date for a page about to be made, given the index's name and the project."""


def read_page(
    index_name: str, project: str, kind: str, clock: Clock = now, pull: Pull | None = None
) -> domain.Page | None:
    """A page of an index, made and stored when it is not there; None when there is no such index or project.

    `project` is a normalized name, "" for the root page; `kind` is `html`, `json` or (root) `names`. With `pull` the
    upstreams of the index are asked first, which may raise what it raises.
    """
    found = stored_page(index_name, project, kind)
    if found is not None and found.is_valid(clock().timestamp()):
        return found
    with _flight(index_name, project):
        found = stored_page(index_name, project, kind)
        if found is not None and found.is_valid(clock().timestamp()):
            return found
        if pull is not None and project:
            pull(index_name, project)
        return _make(index_name, project, kind, clock)


def stored_page(index_name: str, project: str, kind: str) -> domain.Page | None:
    """The page as it is stored, or None."""
    row = Page.objects.filter(index_name=index_name, project=project, kind=kind).first()
    if row is None:
        return None
    return domain.Page(
        index=row.index_name,
        project=row.project,
        kind=row.kind,
        serial=row.serial,
        modified=row.modified,
        etag=row.etag,
        audience=row.audience,
        valid_until=row.valid_until,
        body=bytes(row.body),
        gzip=_bytes(row.gzip),
        zstd=_bytes(row.zstd),
        br=_bytes(row.br),
    )


def _bytes(data: bytes | memoryview | None) -> bytes | None:
    return None if data is None else bytes(data)


_flights: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
_FLIGHTS = 10_000


def _flight(index_name: str, project: str) -> threading.Lock:
    """One at a time makes the pages of one address in this process."""
    if len(_flights) > _FLIGHTS:
        _flights.clear()
    return _flights[index_name, project]


def _make(index_name: str, project: str, kind: str, clock: Clock) -> domain.Page | None:
    """Make a page and store it; when what it shows moves meanwhile, make it again, and in the end don't store it."""
    page: domain.Page | None = None
    for _ in range(ATTEMPTS):
        index = Index.objects.filter(name=index_name).first()
        if index is None:
            return None
        draft = _draft(index, project, kind, clock())
        if draft is None:
            _keep_names(index)
            return None
        page = draft.page
        try:
            stored = _store_if(index, draft, clock)
        except PackhouseError as error:  # a full disk keeps nobody from reading
            _log.warning("page %s of %s not stored: %s", project or "/", index_name, error)
            return page
        if stored is not None:
            return stored
    return page


def drawn(index_name: str, project: str, kind: str, clock: Clock = now) -> domain.Page | None:
    """The page as what is known now makes it, whatever is stored; None when nothing is shown there."""
    index = Index.objects.filter(name=index_name).first()
    draft = None if index is None else _draft(index, project, kind, clock())
    return None if draft is None else draft.page


def page_keys(after: tuple[str, str, str], most: int) -> list[tuple[str, str, str]]:
    """Index, project and kind of the stored pages that come next."""
    statement = """
        SELECT index_name, project, kind FROM catalogue_page WHERE (index_name, project, kind) > (%s, %s, %s)
        ORDER BY index_name, project, kind LIMIT %s"""
    return [(index, project, kind) for index, project, kind in fetch(statement, *after, most)]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A page made on reading, and whether what it shows is still so, given the index as it is now."""

    page: domain.Page
    unmoved: Callable[[Index], bool]


def _draft(index: Index, project: str, kind: str, moment: datetime) -> _Draft | None:
    if kind == NAMES:
        page = names_page(index.name, index.names_serial)
        return _Draft(page, lambda current: current.names_serial == index.names_serial)
    return _draft_project(index, project, kind, moment) if project else _draft_root(index, kind)


def _draft_project(index: Index, name: str, kind: str, moment: datetime) -> _Draft | None:
    shape, project = shape_of(index), living_project(name)
    if project is None:
        drawn = draw_pulled(index, name, kind, moment)
        return None if drawn is None else _Draft(drawn[0], drawn[1])
    pages, serial = project_pages(index, project, moment, (kind,)), project.serial
    same = Project.objects.filter(pk=project.pk, serial=serial, deleted_serial=None)
    return _Draft(pages[0], lambda current: shape_of(current) == shape and same.exists()) if pages else None


def _draft_root(index: Index, kind: str) -> _Draft:
    shape, listing = shape_of(index), root_shown(index)
    page = domain.make_page(
        ROOT_KINDS[kind](listing),
        index=index.name,
        project="",
        kind=kind,
        serial=listing.serial,
        modified=index.modified,
        audience=index.audience,
    )
    return _Draft(page, lambda current: current.serial == index.serial and shape_of(current) == shape)


def _keep_names(index: Index) -> None:
    """See to it that the row by which a 404 is remembered is there."""
    if stored_page(index.name, "", NAMES) is None:
        draft = _draft(index, "", NAMES, now())
        if draft is not None:
            with suppress(PackhouseError):  # a full disk keeps nobody from reading
                _store_if(index, draft, now)


def _store_if(index: Index, draft: _Draft, clock: Clock) -> domain.Page | None:
    """Store a page made on reading, under the lock all writers take; None when what it shows has moved."""
    with write():
        Counter.objects.select_for_update(no_key=True).get(name="serial")
        current = Index.objects.get(pk=index.pk)
        if not draft.unmoved(current):
            return None
        page = draft.page
        if not page.project and page.kind != NAMES:
            page = replace(page, modified=max(current.modified + 1, int(clock().timestamp())))
            Index.objects.filter(pk=index.pk).update(modified=page.modified)
        _store([page])
    return page
