# SPDX-License-Identifier: Apache-2.0
"""Many clients that ask for one address in one moment."""

from __future__ import annotations

import asyncio
import hashlib
import resource
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

SECONDS = 120.0
"""That each of them waits for the next piece."""


class Got(NamedTuple):
    """Status of a reply, and the sha256 of its body."""

    status: int
    digest: bytes


def ask_at_once(url: str, count: int, asked: Callable[[], None] = lambda: None) -> list[Got]:
    """What so many clients get: they connect first, ask in one moment, then `asked` is called."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 1000)), hard))
    return asyncio.run(_ask(url, count, asked))


async def _ask(url: str, count: int, asked: Callable[[], None]) -> list[Got]:
    parts = urlsplit(url)
    connections = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(count)]
    for _, writer in connections:
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
    asked()
    return await asyncio.gather(*(_read(reader, writer) for reader, writer in connections))


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Got:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
    size = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))[15:])
    digest = hashlib.sha256()
    while size:
        piece = await asyncio.wait_for(reader.read(min(size, 256 * 1024)), SECONDS)
        if not piece:
            raise ConnectionError("The reply was cut short.")
        digest.update(piece)
        size -= len(piece)
    writer.close()
    return Got(int(head.split(b" ", 2)[1]), digest.digest())
