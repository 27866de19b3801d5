# SPDX-License-Identifier: Apache-2.0
"""Purging: an administrator removes bytes from every state of every index, for ever.

The rows stay, so the filenames stay taken; the bytes go with the next collection once nothing else uses them.
"""

from __future__ import annotations

from packhouse.catalogue.composition import own_indexes
from packhouse.catalogue.models import File, FileDescription, Placement, Project, Release, Snapshot
from packhouse.domain.moments import AsOf
from packhouse.domain.names import normalize
from packhouse.domain.permissions import Identity
from packhouse.domain.versions import canonical
from packhouse.errors import Kind, refuse
from packhouse.services import pages
from packhouse.services.administering import as_administrator
from packhouse.services.journal import Actor, Clock, Entry, Fact, record, take
from packhouse.services.releases import deletion_entries, end_placements, one_line_reason
from packhouse.services.standing import unknown


def purge(
    asker: Identity | Actor, name: str, version: str | None, *, filename: str | None = None, reason: str, clock: Clock
) -> list[str]:
    """Purge the files of a project, of a release, or one file; returns their names. Deleted ones are purged too.

    Raises FORBIDDEN for anybody but an administrator, INVALID without a reason, MISSING when there is nothing to
    purge, CONFLICT while a protected snapshot shows one of them.
    """
    why = one_line_reason(reason)
    if not why:
        message = "Purging needs a reason, which the journal keeps; give one."
        raise refuse(Kind.INVALID, "reason-missing", message, "reason")
    return as_administrator(asker, lambda actor: _purge(actor, name, version, filename, why, clock), clock=clock)


def _purge(actor: Actor, name: str, version: str | None, filename: str | None, reason: str, clock: Clock) -> list[str]:
    project = Project.objects.select_for_update(no_key=True).filter(name=normalize(name)).first()
    if project is None:
        raise unknown(name)
    files = _selected(project, version, filename)
    _demand_unprotected(files)
    standing = [file for file in files if Placement.objects.filter(file=file, to_serial=None).exists()]
    entries = [*deletion_entries(standing), *(_entry(file, reason) for file in files)]
    moment = take(len(entries), clock)
    end_placements(standing, moment)
    File.objects.filter(pk__in=[file.pk for file in files]).update(purged_serial=moment.last, metadata={}, warnings=[])
    FileDescription.objects.filter(file__in=files).delete()
    record(moment, actor, entries)
    pages.touch_project(project, moment)
    pages.refresh_everywhere(project, moment)
    return [file.filename for file in files]


def _selected(project: Project, version: str | None, filename: str | None) -> list[File]:
    files = File.objects.filter(project=project, purged_serial=None)
    if version is not None:
        files = files.filter(release__in=Release.objects.filter(project=project, canonical=canonical(version)))
    if filename is not None:
        files = files.filter(filename=filename)
    found = list(files.select_related("release", "project").order_by("filename"))
    if not found:
        what = filename or (f"{project.name}=={version}" if version else project.name)
        raise refuse(Kind.MISSING, "file-unknown", f"There is nothing of {what[:255]!r} that could be purged.")
    return found


def _demand_unprotected(files: list[File]) -> None:
    """A protected snapshot keeps what it shows."""
    for snapshot in Snapshot.objects.filter(protected=True).select_related("index"):
        own = own_indexes(snapshot.index_id, AsOf(snapshot.serial, snapshot.at))
        held = Placement.objects.filter(index__in=own, file__in=files, from_serial__lte=snapshot.serial)
        for placement in held.select_related("file"):
            if placement.to_serial is None or placement.to_serial > snapshot.serial:
                message = (
                    f"The snapshot {snapshot.name!r} of {snapshot.index.name!r} is protected and shows"
                    f" {placement.file.filename!r}; lift its protection first."
                )
                raise refuse(Kind.CONFLICT, "snapshot-protected", message)


def _entry(file: File, reason: str) -> Entry:
    index = Placement.objects.filter(file=file).order_by("pk").values_list("index__name", flat=True).first() or ""
    detail = {"reason": reason, "sha256": file.sha256, "python_version": file.python_version}
    return Entry(Fact.FILE_PURGED, index, file.project.name, file.release.version, file.filename, detail)
