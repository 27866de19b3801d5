# SPDX-License-Identifier: Apache-2.0
"""Files that an upstream owns: which of them an index offers, and bringing them here when somebody wants one."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packhouse.catalogue.composition import Owner, owning_layer
from packhouse.catalogue.models import Index, Upstream, UpstreamFile
from packhouse.domain.listing import Status
from packhouse.domain.moments import AsOf
from packhouse.domain.pulled import parts_of
from packhouse.domain.serving import Subject
from packhouse.errors import PackhouseError
from packhouse.services import fetching, file_facts, glimpsing, pulling

if TYPE_CHECKING:
    from packhouse.services.resources import Resources
    from packhouse.storage.growing import Growing

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A file of an upstream."""

    upstream: Upstream
    file: UpstreamFile
    owner: Owner

    @property
    def subject(self) -> Subject:
        """The file as the one decision wants it."""
        project, file = self.file.project, self.file
        status = Status(project.status)
        return Subject(project.name, file.version, file.upload_time, file.seen_at, status, project.status_reason)

    @property
    def fresh_until(self) -> float:
        """When the upstream is asked about the project again (unix seconds)."""
        return float(self.file.project.fresh_until)


def find_pulled(index: Index, sha256: str, filename: str, as_of: AsOf | None = None) -> Source | None:
    """The file at an address of an index, when an upstream owns its project and offers it, or it was kept."""
    parts = parts_of(filename)
    owner = None if parts is None else owning_layer(index.pk, parts[0], as_of)
    if parts is None or owner is None or owner.own or not sha256:
        return None
    rows = UpstreamFile.objects.select_related("project", "project__upstream")
    file = rows.filter(
        project__upstream__name=owner.upstream, project__name=parts[0], filename=filename, sha256=sha256
    ).first()
    if file is None or not (file.kept or as_of is not None or (file.listed and not file.project.gone)):
        return None
    return Source(file.project.upstream, file, owner)


def refresh(resources: Resources, index_name: str, filename: str) -> None:
    """Bring what is known of a file's project up to date, if its time has come; what is known stands if that fails."""
    parts = parts_of(filename)
    if parts is not None:
        with suppress(PackhouseError):
            pulling.pull(resources, index_name, parts[0])


def size_of(resources: Resources, source: Source) -> int:
    """The size of a file that is not here, as its upstream says by HEAD: no byte of it is fetched."""
    return file_facts.learn_size(resources, source.upstream, source.file)


def look_for_metadata(resources: Resources, source: Source) -> None:
    """Look into a wheel whose upstream does not give its core metadata, unless that was done before.

    Raises PackhouseError (UPSTREAM, FULL) when the upstream does not answer.
    """
    file = source.file
    if not file.metadata_sha256 and not file.metadata_tried and source.upstream.mode != pulling.OFFLINE:
        glimpsing.fill_now(resources, file)


def bring(resources: Resources, source: Source, *, metadata: bool = False) -> Growing | None:
    """Bring a file or its core metadata here; returns when it is here (None), or a large one has begun to come.

    Raises PackhouseError (UPSTREAM, FULL) when it does not come.
    """
    file = source.file
    if metadata and file.metadata_filled and resources.blobs.stat(file.metadata_sha256) is None:
        glimpsing.fill_again(resources, file)
        return None
    if metadata:
        file_facts.fetch_metadata(resources, source.upstream, file)
        return None
    wanted = fetching.Wanted(source.upstream, file.url, file.filename, file.sha256, file.size)
    return fetching.fetch(resources, wanted)
