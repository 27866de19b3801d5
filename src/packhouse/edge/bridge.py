# SPDX-License-Identifier: Apache-2.0
"""The hand-over: requests for the origin, a WSGI callable that runs in bounded pools of threads of this process.

Four pools: for pages people read and small uploads, for what installers read, which may wait for an upstream, for
forms, for long bodies; so neither a flood of sign-ins, slow uploads nor a dead upstream starve the others. The body
of a form is read whole before a place in a pool is taken, that of an upload until `SMALL` bytes of it came: who sends
nothing holds neither. What is read ahead is bounded for all requests together.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from packhouse.domain.addresses import MAX_FORM
from packhouse.edge.body import Body
from packhouse.edge.environ import environ, request_id
from packhouse.edge.http import Exchange, Reply, SlowBodyError, plain
from packhouse.edge.nodes import NodeWatch
from packhouse.edge.proxies import ANYBODY, Proxies
from packhouse.edge.responses import NO_WATCH, Answer, FileWrapper, Watch

log = logging.getLogger("packhouse.edge")

Application = Callable[..., Iterable[bytes]]

SMALL = 64 * 1024
AHEAD = 64 * 1024 * 1024
"""Bytes of bodies that may be read ahead of the origin, of all requests together."""

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


class Room:
    """A number of bytes of which parts are taken and given back."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take a part; False when there is not so much."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """Give a part back."""
        with self._lock:
            self._left += size


class Bridge:
    """Hands requests over to an origin of this process.

    `threads`, `read_threads`, `form_threads` and `upload_threads` bound what runs at once, `progress_seconds` how long
    a body may bring nothing, `ahead` the bytes read before the origin is asked; `streams` says which paths take bodies
    larger than a form's.
    """

    def __init__(
        self,
        application: Application,
        proxies: Proxies,
        *,
        threads: int = 8,
        read_threads: int = 32,
        form_threads: int = 4,
        upload_threads: int = 64,
        progress_seconds: float = 30.0,
        ahead: int = AHEAD,
        streams: Callable[[str], bool] = lambda _path: True,
        secret: str = "",
    ) -> None:
        self._application = application
        self._proxies = proxies
        self._progress_seconds = progress_seconds
        self._secret = secret
        self._ahead = Room(ahead)
        self._streams = streams
        self._pages = Pool("origin", threads, threads * 64)
        self._reads = Pool("read", read_threads, threads * 64)
        self._forms = Pool("form", form_threads, form_threads * 32)
        self._uploads = Pool("upload", upload_threads, upload_threads * 8)
        self._loop: asyncio.AbstractEventLoop
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to work, with the loop of this process."""
        self._loop = loop

    def stop(self) -> None:
        """Take no more work."""
        self._pages.stop()
        self._reads.stop()
        self._forms.stop()
        self._uploads.stop()

    def hand_over(self, exchange: Exchange, watch: Watch = NO_WATCH) -> None:
        """Have the origin answer; from any thread; never blocks."""
        if _has_body(exchange):
            self._loop.call_soon_threadsafe(self._begin_receiving, exchange, watch)
            return
        pool = self._pages if watch is NO_WATCH else self._reads
        if pool.take():
            pool.run(lambda: self._answer(exchange, watch, None))
        else:
            watch.done()
            exchange.reply(_busy())

    def _begin_receiving(self, exchange: Exchange, watch: Watch) -> None:
        task = self._loop.create_task(self._receive(exchange, watch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receive(self, exchange: Exchange, watch: Watch) -> None:
        """Read the beginning of a body, then let the origin go on with it."""
        headers = exchange.request.headers
        length = int(headers["content-length"]) if "content-length" in headers else None
        body = Body(exchange, self._loop, length, self._progress_seconds)
        streamed = self._streams(exchange.request.path)
        if not streamed and length is not None and length > MAX_FORM:
            _refuse(exchange, watch, body, _too_large())
            return
        most = SMALL if streamed else MAX_FORM + 1
        wanted = most if length is None else max(1, min(length, most))
        if not self._ahead.take(wanted):
            _refuse(exchange, watch, body, _busy())
            return
        # Who expects a 100 with an upload wants to hear the origin first; reading is what sends the 100.
        waits = streamed and "100-continue" in headers.get("expect", "").lower()
        refusal = None if waits else await _fetched(body, wanted)
        if refusal is None and not streamed and not body.ended:
            refusal = _too_large()
        pool = self._pool(streamed, body)
        if refusal is None and not pool.take():
            refusal = _busy()
        if refusal is not None:
            self._ahead.give_back(wanted)
            _refuse(exchange, watch, body, refusal)
            return
        pool.run(lambda: self._answer_received(exchange, watch, body, wanted))

    def _pool(self, streamed: bool, body: Body) -> Pool:
        if not body.ended:
            return self._uploads
        return self._pages if streamed else self._forms

    def _answer_received(self, exchange: Exchange, watch: Watch, body: Body, ahead: int) -> None:
        try:
            self._answer(exchange, watch, body)
        finally:
            self._ahead.give_back(ahead)

    def _answer(self, exchange: Exchange, watch: Watch, body: Body | None) -> None:
        """Run the origin, in a thread of a pool."""
        request = exchange.request
        secret = self._secret if watch.takes_files else ""
        inward = isinstance(watch, NodeWatch)
        proxies = ANYBODY if inward else self._proxies
        env = environ(request, proxies.source(request), request_id(request), secret)
        if inward:
            env["HTTP_X_PACKHOUSE_NODE"] = "1"  # it has shown that it is one
        env["wsgi.input"] = body or _EMPTY
        env["wsgi.input_terminated"] = True
        env["wsgi.file_wrapper"] = FileWrapper
        env["packhouse.lingers"] = True  # what of the body is not read after the answer, is read here
        answer = Answer(exchange, watch, self._loop, env, inward=inward)
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


async def _fetched(body: Body, size: int) -> Reply | None:
    """Read ahead; the reply to a body that did not come."""
    try:
        await body.fetch(size)
    except OSError as error:
        return _of_broken_body(error)
    return None


def _refuse(exchange: Exchange, watch: Watch, body: Body, reply: Reply) -> None:
    """Answer without the origin; the rest of the body is read and forgotten."""
    watch.done()
    exchange.reply(reply)
    body.linger()


def _busy() -> Reply:
    return plain(503, "The server is busy; try again.\n", ("retry-after", RETRY_SECONDS))


def _too_large() -> Reply:
    text = f"The body is larger than {MAX_FORM} bytes, the most that is taken here; send less.\n"
    return plain(413, text, ("connection", "close"))


def _of_broken_body(error: OSError) -> Reply:
    if isinstance(error, SlowBodyError):
        return plain(408, "The request's body came too slowly; send it again.\n", ("connection", "close"))
    return plain(400, "The request's body broke off; send it again.\n", ("connection", "close"))
