# SPDX-License-Identifier: Apache-2.0
"""Sandboxes: servers for practice, on which everything published may be wiped, so that names are free again.

Nowhere else are rows removed. The journal stays; its entry `sandbox wiped` says that what it told of before is gone.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from cronsim import CronSim
from django.db.models import QuerySet

from packhouse.catalogue.activity.models import FileDownloads, ProjectDownloads, ProjectTotal, Session, TokenUse
from packhouse.catalogue.models import (
    File,
    Index,
    IndexGrant,
    JournalEntry,
    Organization,
    Placement,
    Project,
    Snapshot,
    Token,
    User,
)
from packhouse.config import Settings
from packhouse.domain.permissions import Identity
from packhouse.errors import Kind, refuse
from packhouse.services import choices, pages
from packhouse.services.administering import as_administrator
from packhouse.services.journal import Actor, Clock, Entry, Fact, bump_access, record, take, write
from packhouse.services.resources import Resources

SCHEDULE = Actor(via="schedule")
MAX_BANNER = 300
_BANNER = "sandbox banner"
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Wiped:
    """What is gone: how many projects, files and guests."""

    projects: int
    files: int
    guests: int


@dataclass(frozen=True, slots=True)
class _Traces:
    """What the activity database knows the wiped things by."""

    projects: list[str]
    guests: list[int]
    tokens: list[int]


def next_wipe(settings: Settings, now: datetime) -> datetime | None:
    """When this sandbox is wiped next; None for a server that is none, or has no schedule."""
    if settings.sandbox != "on" or settings.sandbox_wipe is None:
        return None
    return next(CronSim(settings.sandbox_wipe, now))


def banner(settings: Settings) -> str:
    """What an administrator of this sandbox says on every page beside that it is one; "" for nothing."""
    return str(choices.chosen(_BANNER).get(_BANNER, "")) if settings.sandbox == "on" else ""


def set_banner(asker: Identity | Actor, words: str, reason: str, *, clock: Clock) -> bool:
    """Say something on every page of this sandbox, from the commit on; "" takes it back. False: it was said already.

    Raises INVALID for words that are too long or not printable, FORBIDDEN for who does not administer.
    """
    said, why = " ".join(words.split()), choices.read_reason(reason)
    if len(said) > MAX_BANNER or not (said.isprintable() or not said):
        message = f"The banner has {len(said)} characters, expected at most {MAX_BANNER} printable ones; shorten it."
        raise refuse(Kind.INVALID, "sandbox-banner-invalid", message, "words")

    def act(actor: Actor) -> bool:
        if said == choices.chosen(_BANNER).get(_BANNER, ""):
            return False
        moment = take(1, clock)
        choices.put(_BANNER, said or None, moment.at)
        record(moment, actor, [Entry(Fact.SANDBOX_BANNER_SET, detail={"words": said, "reason": why})])
        return True

    return as_administrator(asker, act, clock=clock)


def what_is_here() -> Wiped:
    """What a wipe would take now."""
    return Wiped(Project.objects.count(), File.objects.count(), _guests().count())


def last_wipe() -> JournalEntry | None:
    """The journal's entry of the last wipe."""
    return JournalEntry.objects.filter(kind=Fact.SANDBOX_WIPED).order_by("-serial").first()


def _guests() -> QuerySet[User]:
    return User.objects.exclude(guest_until=None).filter(is_admin=False)


def wipe(asker: Identity | Actor, settings: Settings, reason: str = "", *, clock: Clock) -> Wiped:
    """Remove every project, file, snapshot and guest; other accounts, indexes and the journal stay.

    Raises CONFLICT on a server that is no sandbox, FORBIDDEN for anybody but an administrator.
    """
    if settings.sandbox != "on":
        message = "This server is no sandbox, so nothing was wiped; PACKHOUSE_SANDBOX=on makes it one."
        raise refuse(Kind.CONFLICT, "sandbox-off", message)
    why = choices.read_reason(reason)
    wiped, traces = as_administrator(asker, lambda actor: _wipe(actor, clock, why), clock=clock)
    _forget(settings, traces)
    return wiped


def wipe_by_schedule(stock: Resources) -> None:
    """The same, when its time has come."""
    with write():
        _, traces = _wipe(SCHEDULE, stock.clock)
    _forget(stock.settings, traces)


def _wipe(actor: Actor, clock: Clock, reason: str = "") -> tuple[Wiped, _Traces]:
    indexes = list(Index.objects.order_by("pk").values_list("name", flat=True))
    guests = _guests()
    names = list(Project.objects.order_by("name").values_list("name", flat=True))
    tokens = Token.objects.filter(user__in=guests)
    traces = _Traces(names, list(guests.values_list("pk", flat=True)), list(tokens.values_list("pk", flat=True)))
    wiped = Wiped(len(names), File.objects.count(), len(traces.guests))
    counts: dict[str, Any] = {"projects": wiped.projects, "files": wiped.files, "guests": wiped.guests}
    counts |= {"reason": reason} if reason else {}
    entries = [*_of_projects(), *_of_guests(guests), Entry(Fact.SANDBOX_WIPED, detail=counts)]
    moment = take(len(entries), clock)
    if indexes:
        pages.reshape(indexes[0], moment, indexes[1:])
    _remove(Snapshot.objects.all())
    _remove(Project.objects.all())
    _remove(guests)
    _remove_deserted()
    record(moment, actor, entries)
    bump_access()
    return wiped, traces


def _of_projects() -> Iterable[Entry]:
    """Of each project that is shown, one entry for each index it stands in: mirrors and search follow these."""
    shown = Placement.objects.filter(to_serial=None).order_by("project__name", "index__name")
    for index, project in shown.values_list("index__name", "project__name").distinct():
        yield Entry(Fact.PROJECT_DELETED, index, project, detail={"reason": "sandbox wiped"})


def _of_guests(guests: QuerySet[User]) -> Iterable[Entry]:
    for name in guests.order_by("username_key").values_list("username", flat=True):
        yield Entry(Fact.GUEST_REMOVED, detail={"user": name})


def _remove(rows: QuerySet[Any]) -> None:
    """Delete rows and whatever belongs to them; what only names them, and may name nobody, names nobody."""
    for field in rows.model._meta.get_fields(include_hidden=True):
        if not (field.auto_created and not field.concrete and (field.one_to_many or field.one_to_one)):
            continue
        theirs = field.related_model._base_manager.filter(**{f"{field.field.name}__in": rows})  # noqa: SLF001 - all rows, whatever a manager hides
        if field.field.null:
            theirs.update(**{field.field.name: None})
        else:
            _remove(theirs)
    rows.order_by()._raw_delete(rows.db)  # noqa: SLF001 - without reading a row of them


def _remove_deserted() -> None:
    """Remove the organizations that guests alone were in, their tokens first, and what names no reader any more."""
    deserted = Organization.objects.filter(
        pk__in=list(Organization.objects.filter(memberships=None, deleted_at=None).values_list("pk", flat=True))
    )
    _remove(Token.objects.filter(organization__in=deserted))
    _remove(deserted)
    IndexGrant.objects.filter(user=None, token=None, organization=None, team=None).delete()


def _batches(items: list[Any]) -> Iterable[list[Any]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _forget(settings: Settings, traces: _Traces) -> None:
    """Remove what is derived from the wiped things, after the commit: none of it decides anything."""
    shutil.rmtree(settings.data / "cache" / "roots", ignore_errors=True)
    for some in _batches(traces.projects):
        for counts in (FileDownloads, ProjectDownloads, ProjectTotal):
            counts.objects.filter(project__in=some).delete()
    for few in _batches(traces.guests):
        Session.objects.filter(account_id__in=few).delete()
    for few in _batches(traces.tokens):
        TokenUse.objects.filter(token_id__in=few).delete()
