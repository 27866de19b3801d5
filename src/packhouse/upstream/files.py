# SPDX-License-Identifier: Apache-2.0
"""The files of an upstream: from the start or from where an earlier attempt broke off, and what HEAD says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from packhouse.upstream.asking import Asker
from packhouse.upstream.errors import UnusableError

_BYTES = {"Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Coming:
    """A file on its way: its bytes from `start` on, `size` of all of it where known, its strong validator ("")."""

    start: int
    size: int | None
    validator: str
    pieces: Iterator[bytes]


@contextmanager
def open_file(
    asker: Asker, url: str, *, start: int = 0, validator: str = "", seconds: float | None = None
) -> Iterator[Coming]:
    """Begin to fetch a file; with a validator of before and `start`, the rest alone if it is still the same.

    All of it may take `seconds`, when given.

    Raises UnreachableError, or UnusableError for a status other than 200 and 206.
    """
    headers = dict(_BYTES)
    if start and validator:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    with asker.ask(url, headers, seconds=seconds) as answered:
        if answered.status not in {200, 206}:
            raise UnusableError(f"status {answered.status}")
        said = answered.headers
        begin, size = 0, _number(said.get("content-length", ""))
        if answered.status == 206:
            begin, size = _of_range(said.get("content-range", ""))
            if begin != start or not start:
                raise UnusableError("another part than was asked for")
        yield Coming(begin, size, _validator(said), answered.body)


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a file, the `size` of all of it (None: not said), and its validator ("")."""

    data: bytes
    size: int | None
    validator: str


def read_part(asker: Asker, url: str, start: int, end: int, seconds: float) -> Part | None:
    """The bytes from `start` up to, not including, `end`; None when the whole file would come instead.

    Raises UnreachableError, or UnusableError for another status, or another part.
    """
    headers = _BYTES | {"Range": f"bytes={start}-{end - 1}"}
    with asker.ask(url, headers, seconds=seconds) as answered:
        if answered.status == 200:
            return None
        said = answered.headers
        begin, size = _of_range(said.get("content-range", ""))
        if answered.status != 206 or begin != start:
            raise UnusableError(f"status {answered.status}, or another part than was asked for")
        body = bytearray()
        for piece in answered.body:
            body += piece
            if len(body) > end - start:
                raise UnusableError("more than was asked for")
        if len(body) != end - start:
            raise UnusableError("less than was asked for")
        return Part(bytes(body), size, _validator(said))


def _validator(said: Mapping[str, str]) -> str:
    """A strong validator of a file, or when it was changed; "" for neither."""
    etag = said.get("etag", "")
    return etag if etag.startswith('"') else said.get("last-modified", "")


def size_of(asker: Asker, url: str) -> int | None:
    """The size of a file as HEAD has it, in bytes; None when it is not said. Raises as `open_file` does."""
    with asker.ask(url, _BYTES, method="HEAD") as answered:
        if answered.status != 200:
            raise UnusableError(f"status {answered.status}")
        return _number(answered.headers.get("content-length", ""))


def read_small(asker: Asker, url: str, most: int, seconds: float) -> bytes:
    """All of a small file; UnusableError when it has more than `most` bytes."""
    with asker.ask(url, _BYTES, seconds=seconds) as answered:
        if answered.status != 200:
            raise UnusableError(f"status {answered.status}")
        body = bytearray()
        for piece in answered.body:
            body += piece
            if len(body) > most:
                raise UnusableError(f"more than {most} bytes")
        return bytes(body)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _of_range(text: str) -> tuple[int, int | None]:
    """Where a Content-Range begins, -1 when it makes no sense, and the size of the whole."""
    unit, _, rest = text.partition(" ")
    span, _, size = rest.partition("/")
    begin = _number(span.partition("-")[0])
    return (begin if unit == "bytes" and begin is not None else -1), _number(size)
