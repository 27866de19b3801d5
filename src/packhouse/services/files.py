# SPDX-License-Identifier: Apache-2.0
"""What may be served under a file's address, and why not: the one decision for files and their metadata."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from packhouse.catalogue.composition import Owner, owning_layer
from packhouse.catalogue.listings import status_of
from packhouse.catalogue.models import File, Index, Placement
from packhouse.domain import serving
from packhouse.domain.listing import Status
from packhouse.domain.moments import AsOf
from packhouse.domain.serving import Subject, Verdict, judge
from packhouse.errors import Fault, Kind, PackhouseError, refuse
from packhouse.services.access import missing_index
from packhouse.services.pulled_files import Source, find_pulled


@dataclass(frozen=True, slots=True)
class OfferedFile:
    """A file an index offers now: digests in lower-case hex, `size` in bytes, `project` normalized.

    `size` is None for a file of an upstream that does not say it; `metadata_sha256` is None when `.metadata` is not
    served; `serial` is that of the project.
    """

    sha256: str
    filename: str
    size: int | None
    uploaded_at: datetime
    metadata_sha256: str | None
    project: str
    serial: int
    pulled: Source | None = None
    """Where it is fetched from when it is not here; None for what was published here."""


def offered_file(
    index_name: str, sha256: str, filename: str, *, metadata: bool = False, now: datetime, as_of: AsOf | None = None
) -> OfferedFile:
    """The file at an address of an index at the moment `now`, or as of a past one; `metadata`: its core metadata.

    Raises MISSING for what the index does not have, FORBIDDEN for what it does not serve, GONE for what was purged.
    """
    index = Index.objects.filter(name=index_name).first()
    if index is None:
        raise missing_index(index_name)
    file = File.objects.select_related("project", "release").filter(filename=filename, sha256=sha256).first()
    owner = None if file is None else owning_layer(index.pk, file.project.name, as_of)
    if file is None:
        return _offered_by_upstream(index, sha256, filename, metadata=metadata, now=now, as_of=as_of)
    if owner is None or not owner.own or not _is_placed(owner, file, as_of):
        raise missing_file(filename)
    if file.purged_serial is not None:
        message = f"The file {filename!r} was purged from this server; it will not come back."
        raise refuse(Kind.GONE, "file-purged", message)
    _demand_served(file, owner, now if as_of is None else as_of.at, as_of)
    served = file.metadata_sha256 if file.metadata_served and file.metadata_sha256 else None
    if metadata and served is None:
        raise missing_file(f"{filename}.metadata")
    return OfferedFile(
        sha256=file.sha256,
        filename=file.filename,
        size=file.size,
        uploaded_at=file.uploaded_at,
        metadata_sha256=served,
        project=file.project.name,
        serial=file.project.serial,
    )


def published(filename: str) -> bool:
    """Whether a file of this name was ever published here."""
    return File.objects.filter(filename=filename).exists()


def _offered_by_upstream(
    index: Index, sha256: str, filename: str, *, metadata: bool, now: datetime, as_of: AsOf | None
) -> OfferedFile:
    """The file of an upstream at an address, here or not."""
    found = find_pulled(index, sha256, filename, as_of)
    if found is None:
        raise missing_file(filename)
    verdict = judge(found.subject, found.owner.speaking, now if as_of is None else as_of.at)
    if not verdict.served:
        raise refusal_of(verdict)
    served = found.file.metadata_sha256 if found.file.metadata_sha256 and not found.file.metadata_wrong else None
    if metadata and served is None:
        raise missing_file(f"{filename}.metadata")
    return OfferedFile(
        sha256=sha256,
        filename=filename,
        size=found.file.size,
        uploaded_at=found.file.upload_time or found.file.first_seen,
        metadata_sha256=served,
        project=found.file.project.name,
        serial=found.file.project.serial,
        pulled=found,
    )


def _is_placed(owner: Owner, file: File, as_of: AsOf | None) -> bool:
    """Whether the layer that answers for the project has (or had) the file."""
    if file.project.deleted_serial is not None and as_of is None:
        return False
    placed = Placement.objects.filter(index_id=owner.index_id, file=file)
    if as_of is None:
        return placed.filter(to_serial=None).exists()
    ended = Q(to_serial=None) | Q(to_serial__gt=as_of.serial)
    return placed.filter(ended, from_serial__lte=as_of.serial).exists()


CODES = {
    serving.QUARANTINE: "project-quarantined",
    serving.HELD: "file-held",
    serving.DENY: "file-denied",
    serving.ALLOW: "file-not-allowed",
    serving.MINIMUM_AGE: "file-too-new",
    serving.MALWARE: "file-malware",
}
"""The code of a refusal by each rule."""


def _demand_served(file: File, owner: Owner, now: datetime, as_of: AsOf | None) -> None:
    verdict = judge(subject_of(file, status_of(file.project_id, as_of)), owner.speaking, now)
    if not verdict.served:
        raise refusal_of(verdict)


def subject_of(file: File, status: tuple[Status, str]) -> Subject:
    """A file of ours as the one decision wants it: published is when it was uploaded here."""
    at = file.uploaded_at
    return Subject(file.project.name, file.release.version, at, at, status[0], status[1])


def refusal_of(verdict: Verdict) -> PackhouseError:
    """The refusal of a file, with every reason there is."""
    return PackhouseError(
        Kind.FORBIDDEN, *(Fault(CODES[finding.rule], finding.reason, "file") for finding in verdict.against)
    )


def missing_file(filename: str) -> PackhouseError:
    """The refusal of an address that has no file."""
    message = f"There is no file {filename[:255]!r} at this address; see the project's page for those there are."
    return refuse(Kind.MISSING, "file-unknown", message)
