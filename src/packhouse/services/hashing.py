# SPDX-License-Identifier: Apache-2.0
"""Files that an upstream lists without a sha256: fetched in the background and hashed, then shown with our sha256.

What else the page says of such a file (its size, an md5) must be right. From then on its sha256 is believed like any
that a page says. Where the bound on what is kept of upstreams leaves no room, the bytes are not kept; they come again
when somebody asks for the file.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING

from django.db.models import Q

from packhouse.catalogue.models import UpstreamFile
from packhouse.catalogue.pulled import newest_incomplete
from packhouse.errors import PackhouseError
from packhouse.services import budget, observing
from packhouse.services.journal import write
from packhouse.services.pulling import goes_out
from packhouse.upstream.errors import UnreachableError, UnusableError
from packhouse.upstream.files import open_file

if TYPE_CHECKING:
    from packhouse.services.resources import Resources
    from packhouse.storage.incoming import Incoming
    from packhouse.upstream.asking import Asker

_log = logging.getLogger(__name__)

ATTEMPTS = 4
"""Times a fetch is begun or gone on with after the connection broke off."""
PAUSE = 0.2
SLOWEST = 64 * 1024
"""Bytes a second below which an upstream is given up."""
LONGEST = 3600.0
"""Seconds a file may take at most."""
RETRY = 300.0
"""Seconds until a file is asked for again after the upstream failed."""
RETRY_LATER = 86_400.0
"""The same where what came was wrong."""


def hash_next(resources: Resources) -> bool:
    """Fetch and hash one file, of those of the project asked for last the one of the newest version; False: none."""
    file = newest_incomplete(Q(sha256=""), resources.clock())
    if file is None:
        return False
    if not goes_out(file.project.name):
        _put_off(resources, file, "the name is ours", RETRY_LATER)
        return True
    try:
        _hash(resources, file)
    except UnreachableError as error:
        _put_off(resources, file, str(error), float(error.retry_after or RETRY))
    except UnusableError as error:
        _put_off(resources, file, str(error), RETRY_LATER)
    except PackhouseError as error:  # no space, most likely
        _put_off(resources, file, error.message, RETRY)
    return True


def _put_off(resources: Resources, file: UpstreamFile, why: str, seconds: float) -> None:
    _log.warning("upstream %s: %s was not hashed: %s", file.project.upstream.name, file.filename, why)
    until = resources.clock().timestamp() + seconds
    with write():
        UpstreamFile.objects.filter(pk=file.pk).update(wait_until=until, missing=why[:200])


def _hash(resources: Resources, file: UpstreamFile) -> None:
    door = resources.doors.to(file.project.upstream, resources.settings.outbound_allow)
    reception = _Reception(resources, file)
    try:
        for attempt in range(ATTEMPTS):
            try:
                reception.go_on(door.asker)
                break
            except UnreachableError:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(PAUSE * 2**attempt)
        reception.judge()
        _keep(resources, file, reception.incoming)
    finally:
        reception.incoming.discard()


class _Reception:
    """A file coming in, in as many attempts as it takes."""

    def __init__(self, resources: Resources, file: UpstreamFile) -> None:
        self._resources = resources
        self._file = file
        self._algorithm, _, self._expected = file.other_digest.partition("=")
        self._validator = ""
        known = file.size if file.size is not None else resources.settings.max_file_size
        self._end = time.monotonic() + min(LONGEST, 60.0 + known / SLOWEST)
        self._begin()

    def _begin(self) -> None:
        self.incoming: Incoming = self._resources.blobs.incoming()
        self._other = hashlib.new(self._algorithm or "md5", usedforsecurity=False)

    def go_on(self, asker: Asker) -> None:
        """Fetch what is missing; from the start when the file is not the one of before, or there are no ranges."""
        left = max(1.0, self._end - time.monotonic())
        begun = self.incoming.size
        with open_file(asker, self._file.url, start=begun, validator=self._validator, seconds=left) as coming:
            if coming.start != begun:
                self.incoming.discard()
                self._begin()
            self._validator = coming.validator
            size = self._file.size if self._file.size is not None else coming.size
            most = self._resources.settings.max_file_size
            if size is not None and size > most:
                raise UnusableError(f"{size} bytes, more than {most}")
            most = most if size is None else size
            for piece in coming.pieces:
                if self.incoming.size + len(piece) > most:
                    raise UnusableError(f"more than {most} bytes")
                self.incoming.write(piece)
                self._other.update(piece)
        if size is not None and self.incoming.size != size:
            raise UnreachableError("the file broke off")

    def judge(self) -> None:
        """Raise UnusableError when what came is not what the page says."""
        if self._expected and self._other.hexdigest() != self._expected:
            found = self._other.hexdigest()
            raise UnusableError(f"bytes with the {self._algorithm} {found[:64]} instead of {self._expected[:64]}")


def _keep(resources: Resources, file: UpstreamFile, incoming: Incoming) -> None:
    """Believe the sha256 from now on, and keep the bytes where there is room for them."""
    limit, size = resources.settings.upstream_storage, incoming.size
    room = limit is None or budget.kept_bytes() + size <= limit
    sha256 = incoming.keep() if room else incoming.digests().sha256
    now = resources.clock()
    with write():
        row = UpstreamFile.objects.select_for_update().get(pk=file.pk)
        if row.sha256:  # the page says it meanwhile
            return
        row.sha256, row.size, row.hashed_here, row.missing = sha256, size, True, ""
        row.kept, row.kept_at = room, now.timestamp() if room else 0.0
        row.save(update_fields=["sha256", "size", "hashed_here", "missing", "kept", "kept_at"])
        observing.changed(resources, file.project_id)
