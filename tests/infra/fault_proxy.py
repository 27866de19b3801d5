# SPDX-License-Identifier: Apache-2.0
"""A small proxy before a server of ours that can be told to fail: silent, slow, refusing, or answering by errors.

It runs in a thread of the process that starts it. Before an HTTP server it counts requests by method, if asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import httptools

Mode = Literal["well", "silent", "slow", "failing", "away"]
PIECE = 65536
SLOW_SECONDS = 0.25
"""How long each piece of an answer waits in a slow time."""
_TOLD = b"<Error><Code>InternalError</Code><Message>It fails on purpose.</Message></Error>"
REFUSAL = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_TOLD), _TOLD)
)


@dataclass
class FaultProxy:
    """One that runs. `target` is a port of the loopback, or the path of a unix socket."""

    target: int | str
    counting: bool = False
    port: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    """Requests of HTTP by method."""
    mode: Mode = "well"

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._well = asyncio.Event()
        self._well.set()

    def set(self, mode: Mode) -> None:
        """From now on behave so; connections of a better time are broken, but not by silence."""
        done = threading.Event()

        def change() -> None:
            self.mode = mode
            (self._well.clear if mode == "silent" else self._well.set)()
            if mode in {"failing", "away"}:
                for writer in list(self._writers):
                    writer.transport.abort()
            done.set()

        self._loop.call_soon_threadsafe(change)
        done.wait(10)

    def run(self, started: threading.Event) -> None:
        """What its thread does."""
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self.mode == "away":
                writer.transport.abort()
            elif self.mode == "failing":
                await self._refuse(reader, writer)
            else:
                await self._pass(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.transport.abort() if self.mode == "away" else writer.close()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer by an error before the body has come, as a server in trouble may."""
        await reader.read(PIECE)
        writer.write(REFUSAL)
        await writer.drain()
        with contextlib.suppress(TimeoutError):  # what is on its way may come, or it would be a reset
            while await asyncio.wait_for(reader.read(PIECE), 1.0):
                pass

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._well.wait()
        if isinstance(self.target, int):
            back, out = await asyncio.open_connection("127.0.0.1", self.target)
        else:
            back, out = await asyncio.open_unix_connection(self.target)
        self._writers.add(out)
        parser = _parser(self.requests) if self.counting else None
        try:
            await asyncio.gather(self._copy(reader, out, parser), self._copy(back, writer, None))
        finally:
            self._writers.discard(out)
            out.close()

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, parser: httptools.HttpRequestParser | None
    ) -> None:
        while piece := await source.read(PIECE):
            await self._well.wait()
            if self.mode == "slow":
                await asyncio.sleep(SLOW_SECONDS)
            if parser is not None:
                parser.feed_data(piece)
            sink.write(piece)
            await sink.drain()
        with contextlib.suppress(OSError, RuntimeError):
            sink.write_eof()


def _parser(counts: Counter[str]) -> httptools.HttpRequestParser:
    """A parser of requests that counts each by its method."""

    class Counting:
        def on_message_complete(self) -> None:
            counts[parser.get_method().decode()] += 1

    parser = httptools.HttpRequestParser(Counting())
    return parser


@contextmanager
def fault_proxy(target: int | str, *, counting: bool = False) -> Iterator[FaultProxy]:
    """Start one; it ends with the block."""
    proxy = FaultProxy(target, counting)
    started = threading.Event()
    thread = threading.Thread(target=proxy.run, args=(started,), daemon=True)
    thread.start()
    assert started.wait(10), "the proxy does not start"
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)
