# SPDX-License-Identifier: Apache-2.0
"""What upstreams are asked about a file besides its bytes: its core metadata, and its size."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from packhouse.catalogue.models import Upstream, UpstreamFile
from packhouse.services import observing
from packhouse.services.journal import write
from packhouse.services.pulling import OFFLINE, once_for_all, upstream_error
from packhouse.upstream.errors import UnreachableError, UnusableError
from packhouse.upstream.files import read_small, size_of

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

METADATA = 10 * 1024 * 1024
"""Bytes that core metadata may have."""
METADATA_SECONDS = 20.0


def fetch_metadata(resources: Resources, upstream: Upstream, file: UpstreamFile) -> None:
    """See to it that the core metadata of a file is here; one asks, in whatever process of whatever server.

    Raises PackhouseError (UPSTREAM) when it does not come; one whose digest is wrong is never offered again.
    """
    if resources.blobs.stat(file.metadata_sha256) is not None:
        return
    if upstream.mode == OFFLINE:
        raise upstream_error(upstream, f"'{file.filename}.metadata'", "it is set to offline")

    def is_needed() -> bool:
        return resources.blobs.stat(file.metadata_sha256) is None

    once_for_all(
        resources,
        f"metadata/{file.metadata_sha256}",
        is_needed,
        lambda: _fetch_metadata(resources, upstream, file),
        METADATA_SECONDS,
    )


def _fetch_metadata(resources: Resources, upstream: Upstream, file: UpstreamFile) -> None:
    door = resources.doors.to(upstream, resources.settings.outbound_allow)
    try:
        data = read_small(door.asker, f"{file.url}.metadata", METADATA, METADATA_SECONDS)
    except (UnreachableError, UnusableError) as error:
        raise upstream_error(upstream, f"'{file.filename}.metadata'", str(error)) from error
    if hashlib.sha256(data).hexdigest() != file.metadata_sha256:
        observing.metadata_is_wrong(resources, file)
        raise upstream_error(upstream, f"'{file.filename}.metadata'", "its digest is not the one the page says")
    resources.blobs.put(data)
    with write():
        UpstreamFile.objects.filter(pk=file.pk).update(metadata_kept=True)


def learn_size(resources: Resources, upstream: Upstream, file: UpstreamFile) -> int:
    """The size of a file as HEAD says it (decisions 22), which is believed only until the file is here.

    Raises PackhouseError (UPSTREAM).
    """
    if upstream.mode == OFFLINE:
        if file.size is None:
            raise upstream_error(upstream, f"the size of {file.filename!r}", "it is set to offline")
        return file.size
    door = resources.doors.to(upstream, resources.settings.outbound_allow)
    try:
        size = size_of(door.asker, file.url)
    except (UnreachableError, UnusableError) as error:
        raise upstream_error(upstream, repr(file.filename), str(error)) from error
    if size is None:
        raise upstream_error(upstream, repr(file.filename), "it says no size")
    resources.doors.sizes.keep(file.url, size)
    return size


def size_known(resources: Resources, upstream: Upstream, file: UpstreamFile) -> int:
    """The size of a file as its page says it, or HEAD did, or does. Raises PackhouseError (UPSTREAM)."""
    known = file.size if file.size is not None else resources.doors.sizes.of(file.url)
    return known if known is not None else learn_size(resources, upstream, file)
