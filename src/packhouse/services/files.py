# SPDX-License-Identifier: Apache-2.0
"""What may be served under a file's address, and why not: the one decision for files and their metadata."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from packhouse.catalogue.composition import owning_layer
from packhouse.catalogue.listings import status_of
from packhouse.catalogue.models import File, Index, Placement
from packhouse.domain.listing import Status
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.access import missing_index


@dataclass(frozen=True, slots=True)
class OfferedFile:
    """A file an index offers now: digests in lower-case hex, `size` in bytes, `project` normalized.

    `metadata_sha256` is None when `.metadata` is not served; `serial` is that of the project.
    """

    sha256: str
    filename: str
    size: int
    uploaded_at: datetime
    metadata_sha256: str | None
    project: str
    serial: int


def offered_file(index_name: str, sha256: str, filename: str, *, metadata: bool = False) -> OfferedFile:
    """The file at an address of an index; `metadata`: its core metadata is asked for.

    Raises MISSING for what the index does not have now, FORBIDDEN for a file of a quarantined project.
    """
    index = Index.objects.filter(name=index_name).first()
    if index is None:
        raise missing_index(index_name)
    file = File.objects.select_related("project").filter(filename=filename, sha256=sha256).first()
    if file is None or not _is_placed(index, file):
        raise _missing(filename)
    status, reason = status_of(file.project_id)
    if status is Status.QUARANTINED:
        why = f" ({reason})" if reason else ""
        message = f"The project {file.project.name!r} is quarantined{why}; its files are not served."
        raise refuse(Kind.FORBIDDEN, "project-quarantined", message)
    served = file.metadata_sha256 if file.metadata_served and file.metadata_sha256 else None
    if metadata and served is None:
        raise _missing(f"{filename}.metadata")
    return OfferedFile(
        sha256=file.sha256,
        filename=file.filename,
        size=file.size,
        uploaded_at=file.uploaded_at,
        metadata_sha256=served,
        project=file.project.name,
        serial=file.project.serial,
    )


def _is_placed(index: Index, file: File) -> bool:
    """Whether the layer of the index that answers for the project has the file now."""
    if file.project.deleted_serial is not None:
        return False
    owner = owning_layer(index.pk, file.project.name)
    if owner is None or not owner.own:
        return False
    return Placement.objects.filter(index_id=owner.index_id, file=file, to_serial=None).exists()


def _missing(filename: str) -> PackhouseError:
    message = f"There is no file {filename[:255]!r} at this address; see the project's page for those there are."
    return refuse(Kind.MISSING, "file-unknown", message)
