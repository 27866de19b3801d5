# SPDX-License-Identifier: Apache-2.0
"""Promotion: the same files, placed in another index; all of a release or nothing, recorded, undone in one step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from packhouse.catalogue.composition import OWN, Owner, makeup_of, owning_layer
from packhouse.catalogue.listings import status_of
from packhouse.catalogue.models import File, Index, JournalEntry, Placement, Project, Release
from packhouse.domain.permissions import Action, Identity, may
from packhouse.domain.serving import judge
from packhouse.domain.versions import canonical
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, pages
from packhouse.services.files import refusal_of, subject_of
from packhouse.services.indexes import find_index
from packhouse.services.journal import Clock, Entry, Fact, Moment, record, take, write
from packhouse.services.promotion_rules import demand_profile
from packhouse.services.releases import one_line_reason
from packhouse.services.standing import Asker, demand
from packhouse.services.upload_rules import without_own


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was placed; `serial` names the promotion, 0 when everything was there already."""

    serial: int
    filenames: tuple[str, ...]


def promote(
    asker: Asker, name: str, version: str, source: str, target: str, *, reason: str = "", clock: Clock
) -> Promotion:
    """Place every file that `source` serves of a release in `target` too.

    What stands there already stays. Raises FORBIDDEN for whoever may not upload to the target, or when a rule of the
    source or the target is against one of the files, INVALID when the target's upload profile is; MISSING when the
    source serves nothing of the release.
    """
    why = one_line_reason(reason)
    with write():
        project, actor = demand(asker, Action.PROMOTE, name, clock)
        below, above = find_index(source), find_index(target)
        if isinstance(asker, Identity):
            _demand_right(asker, below, above, clock)
        files = _served_by(below, project, version, clock())
        _demand_taken(above, files, project, clock())
        standing = Placement.objects.filter(index=above, file__in=files, to_serial=None)
        placed = set(standing.values_list("file", flat=True))
        fresh = [file for file in files if file.pk not in placed]
        if not fresh:
            return Promotion(0, ())
        demand_profile(asker, above, project, fresh, clock())
        moment = take(len(fresh), clock)
        _place(above, project, fresh, moment)
        detail = {"from": source, "reason": why, "promotion": moment.first}
        record(moment, actor, [entry_of(Fact.FILE_PLACED, file, target, detail) for file in fresh])
        changed(project, moment)
    return Promotion(moment.first, tuple(file.filename for file in fresh))


def _demand_right(asker: Identity, source: Index, target: Index, clock: Clock) -> None:
    """To read the one and upload to the other; the project's own right was asked before."""
    identity = access.still_valid(asker, clock())
    may(identity, Action.READ, index=access.right_on(identity, source)).demand()
    may(identity, Action.UPLOAD, index=access.right_on(identity, target)).demand()


def _served_by(index: Index, project: Project, version: str, now: datetime) -> list[File]:
    """The files of a release that an index serves; refuses when a rule of it hides one of them."""
    owner = owning_layer(index.pk, project.name)
    release = Release.objects.filter(project=project, canonical=canonical(version)).first()
    files: list[File] = []
    if owner is not None and owner.own and release is not None:
        standing = Placement.objects.filter(index_id=owner.index_id, file__release=release, to_serial=None)
        rows = File.objects.filter(pk__in=standing.values("file"), purged_serial=None)
        files = list(rows.select_related("release", "project").order_by("filename"))
    if owner is None or not files:
        message = f"The index {index.name!r} has no files of {project.name}=={version}; see its page for what there is."
        raise refuse(Kind.MISSING, "release-unknown", message)
    _demand_served(owner, files, project, now)
    return files


def _demand_served(owner: Owner, files: list[File], project: Project, now: datetime) -> None:
    status = status_of(project.pk)
    for file in files:
        verdict = judge(subject_of(file, status), owner.speaking, now)
        if not verdict.served:
            raise refusal_of(verdict)


def _demand_taken(index: Index, files: list[File], project: Project, now: datetime) -> None:
    """The target's own policy, the same decision that its pages ask."""
    makeup = makeup_of(index.pk)
    if all(kind != OWN for kind, _, _ in makeup.layers):
        raise without_own(index.name)
    owner = Owner(index.pk, (index.pk,), "", (makeup.policy,))
    _demand_served(owner, files, project, now)


def _place(index: Index, project: Project, files: list[File], moment: Moment) -> None:
    Placement.objects.bulk_create(
        Placement(index=index, project=project, file=file, from_serial=moment.first + place)
        for place, file in enumerate(files)
    )


def entry_of(kind: Fact, file: File, index: str, detail: dict[str, object]) -> Entry:
    """What happened to a file in one index."""
    told = {**detail, "sha256": file.sha256, "python_version": file.python_version}
    return Entry(kind, index, file.project.name, file.release.version, file.filename, told)


def changed(project: Project, moment: Moment) -> None:
    """Move the project's validators, and drop its pages in every index."""
    pages.touch_project(project, moment)
    pages.refresh_everywhere(project, moment, names=True)


def undo(asker: Asker, serial: int, *, clock: Clock) -> list[str]:
    """Take back the promotion that the journal entry `serial` belongs to; returns the files taken out.

    The index shows again what it showed before: where it had nothing of its own, its next layer answers. Raises
    MISSING when there is no such promotion or nothing of it stands any more.
    """
    with write():
        entries = _entries(serial)
        project, actor = demand(asker, Action.PROMOTE, entries[0].project, clock)
        index = find_index(entries[0].index_name)
        if isinstance(asker, Identity):
            _demand_right(asker, index, index, clock)
        names = {entry.filename: entry.serial for entry in entries}
        standing = list(
            Placement.objects.filter(
                index=index, file__filename__in=names, from_serial__in=names.values(), to_serial=None
            )
            .select_related("file__release", "file__project")
            .order_by("file__filename")
        )
        if not standing:
            raise _no_promotion(serial)
        take_back([placement.pk for placement in standing], moment := take(len(standing), clock))
        detail: dict[str, object] = {"undone": entries[0].detail["promotion"]}
        files = [placement.file for placement in standing]
        record(moment, actor, [entry_of(Fact.FILE_WITHDRAWN, file, index.name, detail) for file in files])
        changed(project, moment)
    return [file.filename for file in files]


def take_back(placements: list[int], moment: Moment) -> None:
    """End placements so that they no longer say whose the name is."""
    Placement.objects.filter(pk__in=placements).update(to_serial=moment.last, taken_back=True)


def _entries(serial: int) -> list[JournalEntry]:
    found = JournalEntry.objects.filter(serial=serial, kind=Fact.FILE_PLACED.value).first()
    first = None if found is None else found.detail.get("promotion")
    if found is None or first is None:
        raise _no_promotion(serial)
    rows = JournalEntry.objects.filter(
        project=found.project, index_name=found.index_name, kind=Fact.FILE_PLACED.value, serial__gte=first
    )
    return [entry for entry in rows.order_by("serial")[:10_000] if entry.detail.get("promotion") == first]


def _no_promotion(serial: int) -> PackhouseError:
    message = f"The journal entry {serial} is no promotion that could be undone; promoting says the serial to give."
    return refuse(Kind.MISSING, "promotion-unknown", message)


@dataclass(frozen=True, slots=True)
class Promoted:
    """A promotion of the past: of `version` from one index into another, when, by whom and why."""

    serial: int
    version: str
    source: str
    target: str
    at: datetime
    actor: str
    reason: str
    stands: bool


def promotions_of(project: Project, count: int = 20) -> list[Promoted]:
    """The newest promotions of a project, newest first."""
    rows = JournalEntry.objects.filter(project=project.name, kind=Fact.FILE_PLACED.value).order_by("-serial")
    found: dict[int, Promoted] = {}
    for entry in rows[: count * 10]:
        first = entry.detail.get("promotion")
        if first is None or (first not in found and len(found) == count):
            continue
        stands = Placement.objects.filter(
            index__name=entry.index_name, file__filename=entry.filename, from_serial=entry.serial, to_serial=None
        ).exists()
        known = found.get(first)
        found[first] = Promoted(
            first,
            entry.version,
            str(entry.detail.get("from", "")),
            entry.index_name,
            entry.at,
            entry.actor or entry.via,
            str(entry.detail.get("reason", "")),
            stands or (known is not None and known.stands),
        )
    return list(found.values())
