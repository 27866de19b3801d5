# SPDX-License-Identifier: Apache-2.0
"""Files at the edge: what the origin says of one, and its bytes, small ones from memory and the others from disk."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from packhouse.domain.conditional import read_http_date
from packhouse.domain.headers import Headers
from packhouse.domain.offers import FileAnswer, FileOffer
from packhouse.domain.pulled import parts_of
from packhouse.edge.http import FileRange, GrowingRange, Reply, Request, plain
from packhouse.edge.memory import Memory
from packhouse.storage.blobs import is_sha256
from packhouse.storage.growing import Growing, Nursery

SMALL = 128 * 1024
"""Bytes up to which a blob is kept in memory: to have a file opened and read costs 25 us more."""

BLOB_BYTES = 32 * 1024 * 1024


class KeptFile:
    """A file the origin offered, for an audience ("": everybody), with the kind of page whose mark it hangs on."""

    __slots__ = ("audience", "kind", "offer", "project", "pulled", "until", "whole")

    def __init__(
        self,
        offer: FileOffer,
        audience: str,
        project: str,
        kind: str,
        *,
        pulled: bool = False,
        until: float | None = None,
    ) -> None:
        """`pulled`: its blob may be on its way still, or be removed again; the origin is asked again after `until`."""
        self.pulled = pulled
        self.until = until
        self.offer = offer
        self.audience = audience
        self.project = project
        self.kind = kind
        self.whole: Headers = (*offer.headers, ("content-length", str(offer.size)))
        """The headers of a 200 with all of it."""

    @property
    def cost(self) -> int:
        """Bytes of memory it takes."""
        return 200 + sum(100 + len(name) + len(value) for name, value in self.whole)


class PathOf:
    """Where the blobs of a local store lie (`LocalBlobs.path`)."""

    def __init__(self, root: Path) -> None:
        self._root = f"{root}/sha256"

    def __call__(self, sha256: str) -> str:
        """The path of a blob, there or not."""
        return f"{self._root}/{sha256[:2]}/{sha256[2:4]}/{sha256}"


class Blobs:
    """The blobs of a folder, read only; `path_of` gives where one lies."""

    def __init__(self, path_of: PathOf, limit: int = BLOB_BYTES, nursery: Nursery | None = None) -> None:
        """`nursery` has the files that are being fetched in this process."""
        self._path_of = path_of
        self._nursery = nursery
        self._memory: Memory[bytes] = Memory(limit)

    @staticmethod
    def project_of(filename: str) -> str | None:
        """The normalized name of the project a file's name speaks of."""
        return _project_of(filename.removesuffix(".metadata"))

    def path(self, sha256: str) -> str:
        """Where a blob lies."""
        return str(self._path_of(sha256))

    def bytes(self, sha256: str, size: int) -> bytes | None:
        """A small blob; None when it is not there, or not what it should be."""
        entry = self._memory.get(sha256)
        if entry is not None:
            return entry.value
        try:
            data = Path(self.path(sha256)).read_bytes()
        except OSError:
            return None
        if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
            return None
        self._memory.put(sha256, data, size)
        return data

    def growing(self, offer: FileOffer) -> Growing | None:
        """A large file on its way, which may be sent as it comes."""
        growing = None if self._nursery is None else self._nursery.find(offer.blob)
        return growing if growing is not None and growing.size == offer.size else None

    def is_here(self, offer: FileOffer) -> bool:
        """Whether a pulled file is here, or on its way."""
        return self.sized_path(offer) is not None or self.growing(offer) is not None

    def sized_path(self, offer: FileOffer) -> str | None:
        """Where a large blob lies; None when it is not there, or has another size."""
        path = self.path(offer.blob)
        try:
            size = os.stat(path).st_size  # noqa: PTH116 - on every request
        except OSError:
            return None
        return path if size == offer.size else None


@lru_cache(maxsize=4096)
def _project_of(filename: str) -> str | None:
    found = parts_of(filename)
    return None if found is None else found[0]


def read_hand_off(headers: Headers, project: str, kind: str) -> KeptFile | None:
    """What an origin that handed a file over says of it; None when it did not hand one over."""
    given = dict(headers)
    blob, size = given.get("x-packhouse-blob", ""), given.get("x-packhouse-size", "")
    if not is_sha256(blob) or not size.isdigit():
        return None
    audience = given.get("x-packhouse-audience", "")
    kept = tuple(pair for pair in headers if not pair[0].startswith("x-packhouse-") and pair[0] != "content-length")
    modified = read_http_date(given.get("last-modified", "")) or 0
    offer = FileOffer(blob, int(size), given.get("etag", f'"{blob}"'), modified, kept, public=not audience)
    pulled, until = given.get("x-packhouse-pulled", ""), None
    if pulled:
        until = float(pulled)
    return KeptFile(offer, audience, project, kind, pulled=bool(pulled), until=until)


def asks_for_all(request: Request) -> bool:
    """Whether a request is a plain GET: no range, no condition."""
    headers = request.headers
    return (
        request.method == "GET"
        and "range" not in headers
        and "if-none-match" not in headers
        and "if-modified-since" not in headers
    )


def file_reply(blobs: Blobs, offer: FileOffer, answer: FileAnswer) -> Reply:
    """The reply that an answer makes with the bytes of a blob; 502 when the blob is not what it should be."""
    if answer.status in {304, 416}:
        return Reply(answer.status, answer.headers)
    if answer.start == answer.end:  # HEAD
        whole = blobs.bytes(offer.blob, offer.size) if offer.size <= SMALL else blobs.sized_path(offer)
        return damaged()._replace(body=None) if whole is None else Reply(answer.status, answer.headers)
    if offer.size <= SMALL:
        data = blobs.bytes(offer.blob, offer.size)
        if data is None:
            return damaged()
        return Reply(
            answer.status,
            answer.headers,
            data if answer.end - answer.start == offer.size else data[answer.start : answer.end],
        )
    path = blobs.sized_path(offer)
    growing = blobs.growing(offer) if path is None else None
    if growing is not None:
        body = GrowingRange(growing, blobs.path(offer.blob), answer.start, answer.end)
        return Reply(answer.status, answer.headers, body)
    return (
        damaged() if path is None else Reply(answer.status, answer.headers, FileRange(path, answer.start, answer.end))
    )


DAMAGED = "The stored file is missing or damaged; an administrator may run `packhouse verify`."


def damaged() -> Reply:
    """The reply for a file whose bytes are missing or cut short."""
    return plain(502, f"{DAMAGED}\n")
