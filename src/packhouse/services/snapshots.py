# SPDX-License-Identifier: Apache-2.0
"""Named snapshots of indexes: a name for a serial. Nothing is copied; a past state is there anyway.

Two states are compared by what is placed and yanked; going back to one places files and ends placements, as new
journal entries, so that it can itself be undone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from packhouse.catalogue.composition import INDEX, OWN, layers_of, owns
from packhouse.catalogue.models import File, Index, JournalEntry, Placement, Project, Snapshot
from packhouse.catalogue.rows import fetch
from packhouse.domain.moments import AsOf, holds
from packhouse.domain.permissions import Action, Identity, may
from packhouse.errors import Kind, refuse
from packhouse.services import access, pages
from packhouse.services.administering import as_administrator
from packhouse.services.indexes import find_index
from packhouse.services.journal import Actor, Clock, Entry, Fact, last_serial, moment_named, record, take, write
from packhouse.services.promoting import entry_of, take_back
from packhouse.services.releases import one_line_reason

NOW = "now"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z", re.ASCII)
_AT_ONCE = 500

Asker = Identity | Actor


def create(asker: Asker, index: str, name: str, moment: str = "", note: str = "", *, clock: Clock) -> Snapshot:
    """Give a name to an index as it is now, or at a past moment.

    Raises INVALID for a name or moment that makes no sense, CONFLICT for a name in use.
    """
    return as_administrator(asker, lambda actor: _create(actor, index, name, moment, note, clock), clock=clock)


def make(asker: Identity, index_name: str, name: str, moment: str = "", note: str = "", *, clock: Clock) -> Snapshot:
    """The same for programs, whose tokens need to be for this index: what is there by this name already is given back.

    Raises CONFLICT where that is another state than the moment given.
    """
    with write():
        current = access.still_valid(asker, clock())
        may(current, Action.SNAPSHOT, index=access.index_right(current, index_name)).demand()
        kept = Snapshot.objects.filter(index__name=index_name, name=name).first()
        if kept is not None and moment in {"", f"serial-{kept.serial}"}:
            return kept
        return _create(Actor.of(current), index_name, name, moment, note, clock)


def _create(actor: Actor, index_name: str, name: str, moment: str, note: str, clock: Clock) -> Snapshot:
    index = find_index(index_name)
    if not _NAME.match(name) or name == NOW:
        message = (
            f"The snapshot name {name[:80]!r} is invalid; expected 1 to 64 lower-case ASCII letters, digits, dots,"
            " underscores and hyphens, and not 'now'; choose another."
        )
        raise refuse(Kind.INVALID, "snapshot-name-invalid", message, "name")
    if Snapshot.objects.filter(index=index, name=name).exists():
        message = f"There is a snapshot {name!r} of {index_name!r} already; choose another name."
        raise refuse(Kind.CONFLICT, "snapshot-name-taken", message, "name")
    past = moment_named(moment.removeprefix("@"), clock()) if moment else None
    taken = take(1, clock)
    as_of = AsOf(taken.last, taken.at) if past is None else past.as_of
    snapshot = Snapshot.objects.create(
        index=index,
        name=name,
        serial=as_of.serial,
        at=as_of.at,
        note=one_line_reason(note),
        made_at=taken.at,
        made_by=actor.username or actor.via,
    )
    detail = {"snapshot": name, "of": as_of.serial, "note": snapshot.note}
    record(taken, actor, [Entry(Fact.SNAPSHOT_MADE, index=index_name, detail=detail)])
    return snapshot


def find(index: str, name: str) -> Snapshot:
    """The snapshot of this name of an index; raises MISSING."""
    found = Snapshot.objects.filter(index=find_index(index), name=name).select_related("index").first()
    if found is None:
        message = f"There is no snapshot {name[:80]!r} of {index!r}; see the list of its snapshots."
        raise refuse(Kind.MISSING, "snapshot-unknown", message, "name")
    return found


def list_snapshots(index: str) -> list[Snapshot]:
    """The snapshots of an index, newest state first."""
    return list(Snapshot.objects.filter(index__name=index).order_by("-serial", "name"))


def protect(asker: Asker, index: str, name: str, *, on: bool = True, clock: Clock) -> None:
    """Protect a snapshot, so that it and the files it shows stay, or lift that."""

    def act(actor: Actor) -> None:
        snapshot = find(index, name)
        if snapshot.protected == on:
            return
        snapshot.protected = on
        snapshot.save(update_fields=["protected"])
        kind = Fact.SNAPSHOT_PROTECTED if on else Fact.SNAPSHOT_UNPROTECTED
        record(take(1, clock), actor, [Entry(kind, index=index, detail={"snapshot": name})])

    as_administrator(asker, act, clock=clock)


def delete(asker: Asker, index: str, name: str, *, clock: Clock) -> None:
    """Forget a snapshot; the state it named stays. Raises CONFLICT for a protected one."""

    def act(actor: Actor) -> None:
        snapshot = find(index, name)
        if snapshot.protected:
            message = f"The snapshot {name!r} of {index!r} is protected; lift its protection first."
            raise refuse(Kind.CONFLICT, "snapshot-protected", message)
        detail = {"snapshot": name, "of": snapshot.serial}
        snapshot.delete()
        record(take(1, clock), actor, [Entry(Fact.SNAPSHOT_DELETED, index=index, detail=detail)])

    as_administrator(asker, act, clock=clock)


def point(index: str, text: str, clock: Clock) -> AsOf:
    """A state as it is typed: `now`, the name of a snapshot, or `@` with a moment."""
    if text == NOW:
        return AsOf(last_serial(), clock())
    if text.startswith("@"):
        past = moment_named(text[1:], clock())
        return AsOf(last_serial(), clock()) if past is None else past.as_of
    snapshot = find(index, text)
    return AsOf(snapshot.serial, snapshot.at)


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between two states, each (project, version, filename), sorted; yanks of files in both."""

    added: tuple[tuple[str, str, str], ...]
    removed: tuple[tuple[str, str, str], ...]
    yanked: tuple[tuple[str, str, str], ...]
    unyanked: tuple[tuple[str, str, str], ...]


def compare(index: str, before: AsOf, after: AsOf) -> Difference:
    """What an index had placed in one state and in another: whatever policy hides is counted as there."""
    made = find_index(index)
    old, new = _placed(made, before), _placed(made, after)
    both = set(old) & set(new)
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        yanked=tuple(sorted(key for key in both if new[key] and not old[key])),
        unyanked=tuple(sorted(key for key in both if old[key] and not new[key])),
    )


def _placed(index: Index, as_of: AsOf) -> dict[tuple[str, str, str], bool]:
    """What the own layers of an index had placed at a moment, the first owner of each name alone; True: yanked."""
    found: dict[tuple[str, str, str], bool] = {}
    taken: set[int] = set()
    for own in _own_in_order(index.pk, as_of):
        mine = {row[0] for row in fetch(_OWNED.format(owns=owns("p", as_of)), own)}
        statement = _STANDING.format(placed=holds("p", as_of), yanked=holds("y", as_of))
        for project_id, *key, yanked in fetch(statement, own):
            if project_id not in taken:
                found[key[0], key[1], key[2]] = bool(yanked)
        taken |= mine
    return found


_OWNED = "SELECT DISTINCT p.project_id FROM catalogue_placement p WHERE p.index_id = %s AND {owns}"
_STANDING = """
SELECT p.project_id, j.name, r.version, f.filename, y.id FROM catalogue_placement p
JOIN catalogue_file f ON f.id = p.file_id
JOIN catalogue_release r ON r.id = f.release_id
JOIN catalogue_project j ON j.id = p.project_id
LEFT JOIN catalogue_yank y ON y.file_id = f.id AND {yanked}
WHERE p.index_id = %s AND {placed} AND f.purged_serial IS NULL
"""


def _own_in_order(index_id: int, as_of: AsOf, depth: int = 8) -> list[int]:
    """The indexes whose own placements an index was made of, the first to answer first."""
    order: list[int] = []
    for kind, _, target_id in layers_of(index_id, as_of):
        below = [index_id] if kind == OWN else []
        if kind == INDEX and target_id is not None and depth:
            below = _own_in_order(target_id, as_of, depth - 1)
        order += [one for one in below if one not in order]
    return order


@dataclass(frozen=True, slots=True)
class Plan:
    """What going back would do to the own files of an index: filenames placed again, taken out, and left as they are.

    `kept_deleted`: deleted by their owners since, or of a deleted project.
    """

    placed: tuple[str, ...]
    withdrawn: tuple[str, ...]
    kept_deleted: tuple[str, ...]


def plan_rollback(index: str, as_of: AsOf, *, even_deleted: bool = False) -> Plan:
    """What `roll_back` would do now."""
    ending, placing, left = _moves(find_index(index), as_of, even_deleted=even_deleted)
    return Plan(
        tuple(sorted(file.filename for file in placing)),
        tuple(sorted(placement.file.filename for placement in ending)),
        tuple(sorted(left)),
    )


def _moves(index: Index, as_of: AsOf, *, even_deleted: bool) -> tuple[list[Placement], list[File], list[str]]:
    """The placements to end, the files to place, and the names of those left out."""
    standing = {
        row.file_id: row
        for row in index.placements.filter(to_serial=None).select_related("file__release", "file__project")
    }
    then = [
        file_id
        for (file_id,) in fetch(
            f"SELECT p.file_id FROM catalogue_placement p WHERE p.index_id = %s AND {holds('p', as_of)}",  # noqa: S608
            index.pk,
        )
    ]
    ending = [row for file_id, row in standing.items() if file_id not in set(then)]
    missing = [file_id for file_id in then if file_id not in standing]
    placing, left = [], []
    for file in _files(missing):
        deleted = file.project.deleted_serial is not None or (not even_deleted and _deleted_since(file, as_of))
        if deleted:
            left.append(file.filename)
        else:
            placing.append(file)
    return ending, placing, left


def _files(ids: list[int]) -> Iterable[File]:
    for start in range(0, len(ids), _AT_ONCE):
        rows = File.objects.filter(pk__in=ids[start : start + _AT_ONCE], purged_serial=None)
        yield from rows.select_related("release", "project").order_by("filename")


def _deleted_since(file: File, as_of: AsOf) -> bool:
    rows = JournalEntry.objects.filter(project=file.project.name, serial__gt=as_of.serial, kind=Fact.FILE_DELETED.value)
    return rows.filter(filename=file.filename).exists()


def roll_back(
    asker: Asker, index: str, as_of: AsOf, *, reason: str = "", even_deleted: bool = False, clock: Clock
) -> int:
    """Make an index show again what of its own it showed in a past state; returns the serial to undo it with, or 0.

    Yanks and statuses are of files and projects and stay; so do layers and rules. Files deleted since stay deleted
    unless `even_deleted`. Going back to the serial returned undoes it.
    """
    why = one_line_reason(reason)
    return as_administrator(
        asker, lambda actor: _roll_back(actor, index, as_of, why, clock, even_deleted=even_deleted), clock=clock
    )


def _roll_back(actor: Actor, name: str, as_of: AsOf, reason: str, clock: Clock, *, even_deleted: bool) -> int:
    index = find_index(name)
    ending, placing, _ = _moves(index, as_of, even_deleted=even_deleted)
    if not ending and not placing:
        return 0
    names = sorted({row.file.project.name for row in ending} | {file.project.name for file in placing})
    projects = list(Project.objects.select_for_update(no_key=True).filter(name__in=names).order_by("name"))
    moment = take(len(ending) + len(placing), clock)
    take_back([row.pk for row in ending], moment)
    Placement.objects.bulk_create(
        Placement(index=index, project_id=file.project_id, file=file, from_serial=moment.last) for file in placing
    )
    detail: dict[str, Any] = {"rollback": moment.first, "to": as_of.serial, "reason": reason}
    record(
        moment,
        actor,
        [entry_of(Fact.FILE_WITHDRAWN, row.file, name, detail) for row in ending]
        + [entry_of(Fact.FILE_PLACED, file, name, detail) for file in placing],
    )
    pages.refresh_many(projects, moment)
    return moment.first - 1
