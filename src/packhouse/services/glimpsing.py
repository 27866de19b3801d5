# SPDX-License-Identifier: Apache-2.0
"""Core metadata that an upstream does not give: read out of its wheels by a few ranges, or out of the whole file.

They are looked for in the background for the files of every page that was asked for, and at once when somebody asks
for them. What was read out of a part of a file is compared with the whole one as soon as that is here.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from io import SEEK_END, SEEK_SET
from typing import TYPE_CHECKING

from django.db.models import Q

from packhouse.catalogue.models import UpstreamFile
from packhouse.catalogue.models.upstreams import UNPROVEN, WITHOUT_METADATA
from packhouse.catalogue.pulled import newest_incomplete
from packhouse.domain.archive_limits import BadArchive
from packhouse.domain.glimpses import core_metadata_of
from packhouse.domain.versions import sort_key
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import fetching, file_facts, observing
from packhouse.services.journal import write
from packhouse.services.pulling import OFFLINE, goes_out, once_for_all, upstream_error
from packhouse.upstream.errors import UnreachableError, UnusableError
from packhouse.upstream.parts import NoPartsError, RemoteFile

if TYPE_CHECKING:
    from packhouse.services.resources import Resources
    from packhouse.storage.blobs import Blobs

_log = logging.getLogger(__name__)

RETRY = 300.0
"""Seconds until a wheel is looked into again in the background after the upstream failed."""
WHOLE_ONLY = 3600.0
"""Seconds for which an upstream that answered a range with the whole file is asked for none in the background."""
NEWEST = 60
"""Wheels of a project that are looked into in the background, those of the newest versions."""
LATER = 86_400.0
"""Seconds until it is looked again which wheels those are."""
WHOLE_SECONDS = 120.0
"""Seconds that somebody waits for a whole wheel to come."""


def fill_next(resources: Resources) -> bool:
    """Look for the core metadata of one wheel, if there is one to be looked into; False: none."""
    file = newest_incomplete(WITHOUT_METADATA & ~Q(sha256=""), resources.clock())
    if file is None:
        return False
    if not goes_out(file.project.name) or not (file.kept or _is_new(file)):
        _put_off_all(resources, file)
        return True
    try:
        _fill(resources, file, whole=False)
    except (NoPartsError, UnreachableError, UnusableError, PackhouseError) as error:
        _log.info("no core metadata of %s yet: %s", file.filename, str(error) or type(error).__name__)
        _put_off(resources, file, WHOLE_ONLY if isinstance(error, NoPartsError) else RETRY)
    return True


def _is_new(file: UpstreamFile) -> bool:
    """Whether few wheels of the project are of newer versions."""
    wheels = UpstreamFile.objects.filter(project_id=file.project_id, listed=True, filename__endswith=".whl")
    newer = Counter(wheels.values_list("version", flat=True))
    key = sort_key(file.version)
    return sum(count for version, count in newer.items() if sort_key(version) > key) < NEWEST


def _put_off_all(resources: Resources, file: UpstreamFile) -> None:
    """Leave a file, and all of the project's versions that are no newer and not here, for a while."""
    rows = UpstreamFile.objects.filter(WITHOUT_METADATA, project_id=file.project_id, kept=False)
    until = resources.clock().timestamp() + LATER
    with write():
        rows.update(wait_until=until)
        UpstreamFile.objects.filter(pk=file.pk).update(wait_until=until)


def _put_off(resources: Resources, file: UpstreamFile, seconds: float) -> None:
    until = resources.clock().timestamp() + seconds
    with write():
        UpstreamFile.objects.filter(pk=file.pk).update(wait_until=until)


def fill_now(resources: Resources, file: UpstreamFile) -> None:
    """Look for the core metadata of a wheel, unless that was done before; one asks, in whatever process.

    Raises PackhouseError (UPSTREAM, FULL) when the upstream does not answer. Whether any were found, the row says.
    """

    def is_needed() -> bool:
        file.refresh_from_db()
        return not (file.metadata_tried or file.metadata_sha256) and goes_out(file.project.name)

    def fill() -> None:
        try:
            _fill(resources, file, whole=True)
        except (UnreachableError, UnusableError) as error:
            raise upstream_error(file.project.upstream, f"'{file.filename}.metadata'", str(error)) from error

    once_for_all(resources, f"glimpse/{file.pk}", is_needed, fill, WHOLE_SECONDS)


def fill_again(resources: Resources, file: UpstreamFile) -> None:
    """Bring back core metadata that we read out of a wheel, and whose blob is gone.

    Raises PackhouseError (UPSTREAM) when that fails.
    """
    what = f"'{file.filename}.metadata'"
    try:
        raw, _ = _read(resources, file, whole=True)
    except (UnreachableError, UnusableError, BadArchive) as error:
        raise upstream_error(file.project.upstream, what, str(error)) from error
    if hashlib.sha256(raw).hexdigest() != file.metadata_sha256:
        observing.metadata_is_wrong(resources, file)
        raise upstream_error(file.project.upstream, what, "they are not those of before")
    resources.blobs.put(raw)


def _fill(resources: Resources, file: UpstreamFile, *, whole: bool) -> None:
    """Look into one wheel; `whole`: fetch all of it when the upstream gives no part of it."""
    try:
        raw, proven = _read(resources, file, whole=whole)
    except BadArchive as bad:
        _log.info("no core metadata of %s: %s", file.filename, bad)
        with write():
            UpstreamFile.objects.filter(pk=file.pk).update(metadata_tried=True)
        return
    digest = resources.blobs.put(raw)
    with write():
        row = UpstreamFile.objects.select_for_update().get(pk=file.pk)
        if row.metadata_sha256:  # the page says them meanwhile
            return
        row.metadata_sha256, row.metadata_kept, row.metadata_tried = digest, True, True
        row.metadata_filled, row.metadata_proven, row.metadata_wrong = True, proven, False
        row.save(
            update_fields=[
                "metadata_sha256", "metadata_kept", "metadata_tried", "metadata_filled", "metadata_proven",
                "metadata_wrong",
            ]
        )  # fmt: skip
        observing.changed(resources, file.project_id)


def _read(resources: Resources, file: UpstreamFile, *, whole: bool) -> tuple[bytes, bool]:
    """The core metadata of a wheel, and whether they are those of the whole file with the right digest.

    Raises BadArchive for a wheel that has none to be trusted, NoPartsError (only without `whole`), and as `asking`.
    """
    upstream = file.project.upstream
    if resources.blobs.stat(file.sha256) is not None:
        return _read_blob(resources, file), True
    if upstream.mode == OFFLINE:
        raise UnreachableError("it is set to offline")
    door = resources.doors.to(upstream, resources.settings.outbound_allow)
    if door.whole_only <= time.monotonic() or whole:
        try:
            size = file_facts.size_known(resources, upstream, file)
            remote = RemoteFile(door.asker, file.url, size)
            return core_metadata_of(remote, size, file.project.name, file.version), False
        except NoPartsError:
            door.whole_only = time.monotonic() + WHOLE_ONLY
    if not whole:
        raise NoPartsError
    _fetch_whole(resources, file)
    return _read_blob(resources, file), True


def _fetch_whole(resources: Resources, file: UpstreamFile) -> None:
    wanted = fetching.Wanted(file.project.upstream, file.url, file.filename, file.sha256, file.size)
    growing = fetching.fetch(resources, wanted)
    if growing is not None and not (growing.over.wait(WHOLE_SECONDS) and growing.whole):
        raise growing.error or UnreachableError("it took too long")


def _read_blob(resources: Resources, file: UpstreamFile) -> bytes:
    """Raises BadArchive, and PackhouseError when the file is not here."""
    blobs = resources.blobs
    size = blobs.stat(file.sha256)
    if size is None:
        raise refuse(
            Kind.MISSING, "blob-missing", f"The file {file.filename!r} is not here any more; ask for it again."
        )
    return core_metadata_of(_KeptFile(blobs, file.sha256, size), size, file.project.name, file.version)


class _KeptFile:
    """A blob, wherever it lies, as if it were open for reading: the little that is read comes by ranges."""

    def __init__(self, blobs: Blobs, sha256: str, size: int) -> None:
        self._blobs, self._sha256, self._size = blobs, sha256, size
        self._at = 0

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        """Go to a place."""
        self._at = offset + {SEEK_SET: 0, SEEK_END: self._size}.get(whence, self._at)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes from there on."""
        end = self._size if size < 0 else min(self._at + size, self._size)
        data = b"".join(self._blobs.open(self._sha256, self._at, end)) if self._at < end else b""
        self._at += len(data)
        return data


def prove_next(resources: Resources) -> bool:
    """Compare core metadata that came out of a part of a wheel with those of the whole one; False: none to compare."""
    rows = UpstreamFile.objects.select_related("project", "project__upstream").filter(UNPROVEN, kept=True)
    file = rows.first()
    if file is None:
        return False
    try:
        right = hashlib.sha256(_read_blob(resources, file)).hexdigest() == file.metadata_sha256
    except BadArchive:
        right = False
    except PackhouseError:  # removed, a moment ago most likely
        with write():
            UpstreamFile.objects.filter(pk=file.pk).update(kept=False)
        return True
    if not right:
        observing.metadata_is_wrong(resources, file)
    with write():
        UpstreamFile.objects.filter(pk=file.pk).update(metadata_proven=True)
    return True
