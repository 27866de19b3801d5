# SPDX-License-Identifier: Apache-2.0
"""What a release of an upstream says of itself: its summary, links and README, of core metadata that are here.

They are fetched only when somebody asks for them by a link; a README is shown as the text it is, since what renders
READMEs is kept for what is uploaded.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from packhouse.catalogue.models import UpstreamFile
from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.metadata import read_metadata
from packhouse.domain.policy import PRIVATE
from packhouse.domain.project_json import FileFacts, ReleaseFacts, latest_release
from packhouse.errors import PackhouseError
from packhouse.services import file_facts, upstream_projects

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

MOST = 512 * 1024
"""Bytes of core metadata that are read for a page."""
_APART = frozenset({"description", "description_content_type"})


def _speaking(release: ReleaseFacts) -> FileFacts | None:
    """The file whose metadata speak for a release, as `ReleaseFacts.core` has it."""
    wheels = [file for file in release.files if file.packagetype == "bdist_wheel"]
    return min(wheels or release.files, key=lambda file: (file.upload_time, file.filename), default=None)


def told(resources: Resources, release: ReleaseFacts) -> ReleaseFacts:
    """A release of an upstream with what its core metadata say, where they are here."""
    file = _speaking(release)
    core = None if file is None or not file.metadata_sha256 else _kept(resources, file.metadata_sha256)
    if file is None or core is None:
        return release
    plain = {key: value for key, value in core.as_dict().items() if key not in _APART}
    files = tuple(replace(one, core=plain) if one is file else one for one in release.files)
    return replace(
        release,
        files=files,
        description=core.description,
        description_content_type=core.description_content_type,
    )


def _kept(resources: Resources, sha256: str) -> CoreMetadata | None:
    """Core metadata that are here and can be read; they may be strange: an upstream is not asked to be sound."""
    with suppress(PackhouseError):
        size = resources.blobs.stat(sha256)
        if size is not None and size <= MOST:
            raw = resources.blobs.read(sha256)
            if hashlib.sha256(raw).hexdigest() == sha256:
                return read_metadata(raw, PRIVATE).value
    return None


def bring(resources: Resources, index_name: str, name: str) -> None:
    """Have the core metadata of the latest release of an upstream's project here, if its page offers any."""
    found = upstream_projects.pulled(index_name, name, resources.clock())
    release = None if found is None else latest_release(found.served.facts.releases)
    file = None if release is None else _speaking(release)
    if found is None or file is None or not file.metadata_sha256:
        return
    rows = UpstreamFile.objects.select_related("project", "project__upstream")
    row = rows.filter(project__upstream__name=found.upstream, project__name=name, filename=file.filename).first()
    if row is None or row.metadata_filled or resources.blobs.stat(row.metadata_sha256) is not None:
        return
    with suppress(PackhouseError), upstream_projects.turn():
        file_facts.fetch_metadata(resources, row.project.upstream, row)
