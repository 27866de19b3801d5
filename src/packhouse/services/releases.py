# SPDX-License-Identifier: Apache-2.0
"""Releases and files after their publication: yanking (PEP 592), taking it back, deleting."""

from __future__ import annotations

from packhouse.catalogue.models import File, Placement, Project, Release, Yank
from packhouse.domain.permissions import Action
from packhouse.domain.versions import canonical
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import pages
from packhouse.services.journal import Actor, Clock, Entry, Fact, Moment, record, take, write
from packhouse.services.standing import Asker, demand
from packhouse.services.upload_rules import living

MAX_REASON = 1000


def yank(
    asker: Asker, name: str, version: str, *, filename: str | None = None, reason: str = "", clock: Clock
) -> list[str]:
    """Yank a release, or one file of it; returns the filenames yanked now.

    What is yanked already for the same reason stays as it is; another reason takes the place of the old one. Raises
    MISSING when there is no such living file.
    """
    why = one_line_reason(reason)
    with write():
        project, actor = demand(asker, Action.YANK, name, clock)
        files = _selected(project, version, filename)
        same = set(Yank.objects.filter(file__in=files, to_serial=None, reason=why).values_list("file_id", flat=True))
        changed = [file for file in files if file.pk not in same]
        if changed:
            moment = take(len(changed), clock)
            Yank.objects.filter(file__in=changed, to_serial=None).update(to_serial=moment.first)
            Yank.objects.bulk_create(
                Yank(file=file, reason=why, from_serial=moment.first + place) for place, file in enumerate(changed)
            )
            _finish(project, actor, moment, [_entry(Fact.FILE_YANKED, file, reason=why) for file in changed])
    return [file.filename for file in changed]


def unyank(asker: Asker, name: str, version: str, *, filename: str | None = None, clock: Clock) -> list[str]:
    """Take back the yank of a release, or of one file of it; returns the filenames that were yanked."""
    with write():
        project, actor = demand(asker, Action.YANK, name, clock)
        files = _selected(project, version, filename)
        yanked = set(Yank.objects.filter(file__in=files, to_serial=None).values_list("file_id", flat=True))
        changed = [file for file in files if file.pk in yanked]
        if changed:
            moment = take(len(changed), clock)
            Yank.objects.filter(file__in=changed, to_serial=None).update(to_serial=moment.first)
            _finish(project, actor, moment, [_entry(Fact.FILE_UNYANKED, file) for file in changed])
    return [file.filename for file in changed]


def delete(asker: Asker, name: str, version: str, *, filename: str | None = None, clock: Clock) -> list[str]:
    """Delete a release, or one file of it, from every index; returns the filenames, which are used up for ever."""
    with write():
        project, actor = demand(asker, Action.DELETE, name, clock)
        files = _selected(project, version, filename)
        entries = deletion_entries(files)
        moment = take(len(entries), clock)
        end_placements(files, moment)
        _finish(project, actor, moment, entries)
    return [file.filename for file in files]


def _selected(project: Project, version: str, filename: str | None) -> list[File]:
    """The living files meant, by filename."""
    release = Release.objects.filter(project=project, canonical=canonical(version)).first()
    if release is None:
        raise _missing(project, version)
    wanted = {"release": release} if filename is None else {"release": release, "filename": filename}
    files = list(living(**wanted).select_related("release", "project").order_by("filename"))
    if not files:
        raise _missing(project, filename or version)
    return files


def _missing(project: Project, what: str) -> PackhouseError:
    message = f"The project {project.name!r} has no {what[:255]!r}; see its page for what there is."
    return refuse(Kind.MISSING, "release-unknown", message)


def one_line_reason(reason: str) -> str:
    """A reason as it is kept: one line; raises INVALID for one that is too long."""
    text = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    if len(text) > MAX_REASON:
        message = f"The reason has {len(text)} characters, expected at most {MAX_REASON}; shorten it."
        raise refuse(Kind.INVALID, "reason-too-long", message, "reason")
    return text


def deletion_entries(files: list[File]) -> list[Entry]:
    """The facts of deleting files: each from each index it stands in, then each release none of whose files stays."""
    placed = Placement.objects.filter(file__in=files, to_serial=None).order_by("file__filename", "index__name")
    where = list(placed.values_list("file_id", "index__name"))
    by_id = {file.pk: file for file in files}
    entries = [_entry(Fact.FILE_DELETED, by_id[file_id], index=index) for file_id, index in where]
    for release in {file.release_id: file.release for file in files}.values():
        staying = living(release=release).exclude(pk__in=by_id).exists()
        if not staying:
            index = next(index for file_id, index in where if by_id[file_id].release_id == release.pk)
            entries.append(Entry(Fact.RELEASE_DELETED, index, files[0].project.name, release.version))
    return entries


def end_placements(files: list[File], moment: Moment) -> None:
    """Take files out of every index."""
    Placement.objects.filter(file__in=files, to_serial=None).update(to_serial=moment.last)


def _entry(kind: Fact, file: File, *, index: str | None = None, **detail: str) -> Entry:
    """What happened to one file; the index is the first it stands in unless one is given."""
    place = index
    if place is None:
        rows = Placement.objects.filter(file=file, to_serial=None).order_by("pk")
        place = rows.values_list("index__name", flat=True).first() or ""
    told = {**detail, "python_version": file.python_version}
    return Entry(kind, place, file.project.name, file.release.version, file.filename, told)


def _finish(project: Project, actor: Actor, moment: Moment, entries: list[Entry]) -> None:
    record(moment, actor, entries)
    pages.touch_project(project, moment)
    pages.refresh_everywhere(project, moment)
