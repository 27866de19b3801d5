# SPDX-License-Identifier: Apache-2.0
"""The hand-over: requests for the origin, a WSGI callable that runs in bounded pools of threads of this process.

Two pools: one for ordinary requests, one for long bodies, so that uploads can't starve pages. A body of up to
`SMALL` bytes is read before a thread is taken, a longer one until so much of it came: who sends nothing holds none.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from packhouse.edge.body import Body
from packhouse.edge.environ import environ, request_id
from packhouse.edge.http import Exchange, Reply, SlowBodyError, plain
from packhouse.edge.proxies import Proxies
from packhouse.edge.responses import NO_WATCH, Answer, FileWrapper, Watch

log = logging.getLogger("packhouse.edge")

Application = Callable[..., Iterable[bytes]]

SMALL = 64 * 1024
RETRY_SECONDS = "5"


class Pool:
    """Threads for requests, and a bound on how many may wait for one."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threading.BoundedSemaphore(threads + waiting)

    def take(self) -> bool:
        """Take a place, to be given back by `run`'s end or by `give_back`; False when there is none."""
        return self._room.acquire(blocking=False)

    def give_back(self) -> None:
        """Give a place back."""
        self._room.release()

    def run(self, work: Callable[[], None]) -> None:
        """Run in a thread, then give the place back."""

        def place() -> None:
            try:
                work()
            except BaseException:
                log.exception("A request failed between edge and origin.")
            finally:
                self.give_back()

        self._executor.submit(place)

    def stop(self) -> None:
        """Take no more work."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Bridge:
    """Hands requests over to an origin of this process.

    `threads` and `upload_threads` bound what runs at once, `progress_seconds` how long a body may bring nothing.
    """

    def __init__(
        self,
        application: Application,
        proxies: Proxies,
        *,
        threads: int = 8,
        upload_threads: int = 32,
        progress_seconds: float = 30.0,
        secret: str = "",
    ) -> None:
        self._application = application
        self._proxies = proxies
        self._progress_seconds = progress_seconds
        self._secret = secret
        self._pages = Pool("origin", threads, threads * 64)
        self._uploads = Pool("upload", upload_threads, upload_threads * 8)
        self._loop: asyncio.AbstractEventLoop
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to work, with the loop of this process."""
        self._loop = loop

    def stop(self) -> None:
        """Take no more work."""
        self._pages.stop()
        self._uploads.stop()

    def hand_over(self, exchange: Exchange, watch: Watch = NO_WATCH) -> None:
        """Have the origin answer; from any thread; never blocks."""
        if _has_body(exchange):
            self._loop.call_soon_threadsafe(self._begin_receiving, exchange, watch)
        elif self._pages.take():
            self._pages.run(lambda: self._answer(exchange, watch, None))
        else:
            _refuse_busy(exchange, watch)

    def _begin_receiving(self, exchange: Exchange, watch: Watch) -> None:
        task = self._loop.create_task(self._receive(exchange, watch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receive(self, exchange: Exchange, watch: Watch) -> None:
        """Read the beginning of a body, then let the origin go on with it."""
        headers = exchange.request.headers
        length = int(headers["content-length"]) if "content-length" in headers else None
        body = Body(exchange, self._loop, length, self._progress_seconds)
        small = length is not None and length <= SMALL
        pool = self._pages if small else self._uploads
        if not pool.take():
            _refuse_busy(exchange, watch)
            body.linger()
            return
        try:
            # Who expects a 100 wants to hear the origin first; reading is what sends the 100.
            if "100-continue" not in headers.get("expect", "").lower():
                await body.fetch(SMALL)
        except OSError as error:
            pool.give_back()
            watch.done()
            exchange.reply(_of_broken_body(error))
            exchange.abandon()
            return
        pool.run(lambda: self._answer(exchange, watch, body))

    def _answer(self, exchange: Exchange, watch: Watch, body: Body | None) -> None:
        """Run the origin, in a thread of a pool."""
        request = exchange.request
        secret = self._secret if watch.takes_files else ""
        env = environ(request, self._proxies.source(request), request_id(request), secret)
        env["wsgi.input"] = body or _EMPTY
        env["wsgi.input_terminated"] = True
        env["wsgi.file_wrapper"] = FileWrapper
        answer = Answer(exchange, watch, self._loop, env)
        try:
            answer.give(self._application)
        except Exception:
            log.exception("The origin failed with %s %s.", request.method, request.path[:200])
            answer.fail()
        finally:
            watch.done()
            if body is not None:
                self._loop.call_soon_threadsafe(body.linger)


class _Empty:
    """The body of a request without one."""

    def read(self, _size: int = -1) -> bytes:
        return b""

    readline = read

    def readlines(self, _hint: int = -1) -> list[bytes]:
        return []

    def __iter__(self) -> Any:
        return iter(())


_EMPTY = _Empty()


def _has_body(exchange: Exchange) -> bool:
    headers = exchange.request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _refuse_busy(exchange: Exchange, watch: Watch) -> None:
    watch.done()
    exchange.reply(plain(503, "The server is busy; try again.\n", ("retry-after", RETRY_SECONDS)))


def _of_broken_body(error: OSError) -> Reply:
    if isinstance(error, SlowBodyError):
        return plain(408, "The request's body came too slowly; send it again.\n", ("connection", "close"))
    return plain(400, "The request's body broke off; send it again.\n", ("connection", "close"))
