# SPDX-License-Identifier: Apache-2.0
"""The simple pages of an upstream, decoded: asked for with what is known of them, and never larger than a limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from packhouse.domain.simple_reader import MAX_PAGE
from packhouse.upstream.asking import Answered, Asker
from packhouse.upstream.errors import UnreachableError, UnusableError

ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"  # as pip has it
)
SECONDS = 60.0
"""Seconds a whole page may take."""
STALE_SECONDS = 10.0
"""The same where there is an older copy to be given instead."""
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page as it came: decoded bytes, its Content-Type, the address it came from in the end, its ETag ("")."""

    body: bytes
    content_type: str
    url: str
    etag: str = ""


@dataclass(frozen=True, slots=True)
class SamePage:
    """The page is what it was."""


@dataclass(frozen=True, slots=True)
class NoPage:
    """The upstream has no such page; `status` is 404 or 410."""

    status: int


PageAnswer = FoundPage | SamePage | NoPage


def fetch_page(asker: Asker, url: str, *, etag: str = "", seconds: float = SECONDS, most: int = MAX_PAGE) -> PageAnswer:
    """Ask for a page, only if it is no longer the one with this ETag; `most` is in bytes, decoded.

    Raises UnreachableError or UnusableError (a refusal of ours, or theirs with 401, 403, 451 and the like).
    """
    headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip"} | ({"If-None-Match": etag} if etag else {})
    with asker.ask(url, headers, seconds=seconds) as answered:
        if answered.status == 304 and etag:
            return SamePage()
        if answered.status in {404, 410}:
            return NoPage(answered.status)
        if answered.status != 200:
            raise UnusableError(f"status {answered.status}")
        body = b"".join(decoded(answered, most))
        said = answered.headers
        return FoundPage(body, said.get("content-type", ""), answered.url, said.get("etag", ""))


def decoded(answered: Answered, most: int) -> Iterator[bytes]:
    """The body without its Content-Encoding (gzip or none), given up as soon as it has more than `most` bytes."""
    coding = answered.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", "", "gzip", "x-gzip"}:
        raise UnusableError("an encoding that was not asked for")
    pieces = _gunzipped(answered.body) if coding.endswith("gzip") else answered.body
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise UnusableError(f"more than {most} bytes")
        yield piece


def _gunzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    running = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        for piece in pieces:
            left = piece
            while left and not running.eof:
                yield running.decompress(left, _PIECE)
                left = running.unconsumed_tail
        while not running.eof and (rest := running.decompress(b"", _PIECE)):
            yield rest
    except zlib.error as error:
        raise UnusableError("no gzip") from error
    if not running.eof:
        raise UnreachableError("the page broke off")
