# SPDX-License-Identifier: Apache-2.0
"""One connection of the server of `edge.server`: heads in, replies out, one request at a time.

All of it runs in the event loop. What a client sends while its request is being answered is taken up to `AHEAD`
bytes and then left in the kernel; a body is read only while somebody asks for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from threading import get_ident
from typing import Protocol, cast

from packhouse.domain.headers import Headers
from packhouse.edge.exchanges import DirectExchange, Incoming
from packhouse.edge.heads import HEAD_BYTES, UNSOUND, FaultyError, Heads, Message, refusal_of_beginning
from packhouse.edge.http import AWAY, ClientGoneError, Exchange, FileRange, GrowingRange, Reply, Request, plain
from packhouse.edge.limits import CLOSE
from packhouse.edge.outgoing import Outgoing
from packhouse.edge.pouring import REST, Pouring, open_source, short_of_files
from packhouse.edge.responses import BODILESS

log = logging.getLogger("packhouse.edge")

AHEAD = 64 * 1024
"""Bytes taken in before somebody asks for them."""

HEADER_SECONDS = 10.0
"""A head must be complete within this time; so long an idle connection is kept as well."""

LINGER_SECONDS = 20.0
"""How long somebody whose request was answered already may go on sending it."""


class Host(Protocol):
    """The server around the connections."""

    loop: asyncio.AbstractEventLoop
    thread: int
    heads: Heads
    pouring: Pouring
    now: float
    kept: bytes
    ending: bytes
    draining: bool

    def admit(self, connection: Connection) -> bytes | None:
        """Take one more, or say with what it is to be sent away."""

    def leave(self, connection: Connection) -> None:
        """It is closed."""

    def handle(self, exchange: Exchange) -> None:
        """Answer a request, now or later."""


OPEN, LINGERING, GONE = range(3)


class Connection(asyncio.Protocol):
    """A client's connection; it is the `Peer` of its requests, too."""

    __slots__ = (
        *("_ahead", "_closes", "_exchange", "_handling", "_host", "_looked", "_message", "_out", "_since", "_state"),
        "_transport",
    )

    def __init__(self, host: Host) -> None:
        self._host = host
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._out: Outgoing = cast("Outgoing", None)
        self._exchange: DirectExchange | None = None
        self._message: Message | None = None
        self._ahead = b""
        self._looked = 0  # bytes of `_ahead` in which a head's end was looked for
        self._since = 0.0  # when it began to wait for a head, or to linger
        self._state = OPEN
        self._closes = False  # after the reply under way
        self._handling = False

    # --- who is there

    @property
    def client(self) -> str:
        """See `Peer.client`."""
        name = self._transport.get_extra_info("peername") or ("", 0)
        return f"{name[0]}:{name[1]}"

    @property
    def scheme(self) -> str:
        """See `Peer.scheme`."""
        return "http"

    # --- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._out = Outgoing(self._host.loop, self._transport)
        self._since = self._host.now
        refusal = self._host.admit(self)
        if refusal is not None:
            self._transport.write(refusal)
            self._linger()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._exchange is None and not self._ahead and self._state == OPEN:
            request = self._host.heads.known(data, self)
            if request is not None:
                self._begin(request)
                return
        if self._state == OPEN:
            self._take(data)

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`."""
        if self._exchange is None or self._state != OPEN:
            return False
        self._closes = True
        if self._message is not None and not self._message.ended:
            self._fail_body("The body broke off.")
        return True

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._out.paused = True

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._out.resume()
        self._go_on()
        self._pace()

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._state = GONE
        self._fail_body("The client went away.")
        self._out.stop()
        self._host.leave(self)

    # --- called by the server, and by who answers

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the server."""
        return self._host.loop

    @property
    def thread(self) -> int:
        """The thread of the loop."""
        return self._host.thread

    def call(self, what: Callable[..., None], *arguments: object) -> None:
        """Have something done in the event loop: at once there, soon from elsewhere."""
        if get_ident() == self._host.thread:
            what(*arguments)
        else:
            self._host.loop.call_soon_threadsafe(what, *arguments)

    def look(self, now: float) -> None:
        """Close it when its time is over."""
        if self._state == LINGERING:
            if now - self._since > LINGER_SECONDS:
                self._transport.abort()
        elif self._exchange is None and now - self._since > HEADER_SECONDS:
            self._close()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    def drain(self) -> None:
        """Take no new request; close when the one under way is answered."""
        if self._exchange is None and self._state == OPEN:
            self._close()

    # --- requests

    def _take(self, data: bytes) -> None:
        if self._exchange is not None and self._message is not None and not self._message.ended:
            self._take_body(data)
            return
        self._ahead += data
        self._go_on()
        self._pace()

    def _pace(self) -> None:
        """Leave what comes in the kernel while enough of it was taken; a body has a pace of its own."""
        if self._state == OPEN and self._message is None:
            if len(self._ahead) > AHEAD:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _go_on(self) -> None:
        """Look for requests in what was taken, unless one is under way."""
        while self._exchange is None and self._ahead and self._state == OPEN:
            if self._handling or self._out.paused:
                return
            if not self._looked and self._ahead.startswith(b"\r\n"):  # as some send after a body (RFC 9112 section 2.2)
                self._ahead = self._ahead[2:]
                continue
            end = self._ahead.find(b"\r\n\r\n", max(0, self._looked - 3)) + 4
            if end < 4 or end > HEAD_BYTES:
                self._await_head()
                return
            head, self._ahead, self._looked = self._ahead[:end], self._ahead[end:], 0
            self._read(head)

    def _await_head(self) -> None:
        """Wait for the rest of a head, unless what has come can't be the beginning of one."""
        refusal = refusal_of_beginning(self._ahead, self._looked)
        if refusal is not None:
            self._refuse(refusal)
            return
        if not self._looked:
            self._since = self._host.now
        self._looked = len(self._ahead)

    def _read(self, head: bytes) -> None:
        try:
            request, message, self._closes = self._host.heads.read(head, self)
        except FaultyError:
            self._refuse(UNSOUND)
            return
        self._message = message
        self._begin(request)

    def _begin(self, request: Request) -> None:
        exchange = self._exchange = DirectExchange(self, request)
        if self._message is not None:
            self._begin_body(exchange)
        self._handling = True
        self._handle(exchange)
        self._handling = False

    def _handle(self, exchange: DirectExchange) -> None:
        try:
            self._host.handle(exchange)
        except Exception:
            log.exception("A request failed at the edge.")
            self.send(exchange, plain(500, "500 Internal Server Error\n", CLOSE))

    def _refuse(self, reply: Reply) -> None:
        """Answer what is no request, and hang up."""
        self._closes, self._ahead = True, b""
        exchange = self._exchange = DirectExchange(self, Request("GET", "/", "", []))
        self.send(exchange, reply)

    # --- bodies

    def _begin_body(self, exchange: DirectExchange) -> None:
        ahead, self._ahead = self._ahead, b""
        self._transport.pause_reading()
        headers = exchange.request.headers
        left = None if "transfer-encoding" in headers else int(headers["content-length"])
        exchange.incoming = Incoming(left, "100-continue" in headers.get("expect", "").lower() and not ahead)
        if ahead:
            self._take_body(ahead)

    def _take_body(self, data: bytes) -> None:
        message, incoming = self._message, None if self._exchange is None else self._exchange.incoming
        if message is None or incoming is None or incoming.error is not None:
            return
        left = incoming.left
        if left is not None and len(data) > left:
            data, self._ahead = data[:left], data[left:]
        try:
            pieces = message.feed_body(data)
        except FaultyError:
            self._closes = True
            self._fail_body("The body is not sound.")
            return
        if left is not None:
            incoming.left = left - len(data)
        self._closes = self._closes or message.excess
        incoming.give(pieces, ended=message.ended)
        if incoming.size > AHEAD or message.ended:
            self._transport.pause_reading()

    def _fail_body(self, why: str) -> None:
        if self._exchange is not None and self._exchange.incoming is not None:
            self._exchange.incoming.fail(ClientGoneError(why))

    def read_on(self, exchange: DirectExchange) -> None:
        """Somebody waits for more of the body."""
        if exchange is not self._exchange or self._state != OPEN:
            return
        if exchange.incoming is not None and exchange.incoming.expects:
            exchange.incoming.expects = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._transport.resume_reading()

    # --- replies

    def send(self, exchange: DirectExchange, reply: Reply) -> None:
        """Send a reply, once."""
        if exchange is not self._exchange or exchange.answered or self._state != OPEN:
            return
        if reply is AWAY and not exchange.request.again:
            exchange.request.again = True
            self._handle(exchange)
            return
        status, headers, body = reply
        bodiless = exchange.request.method == "HEAD" or status in BODILESS
        length = len(body) if isinstance(body, bytes) else 0 if body is None else body.end - body.start
        try:
            head, end = self._head(status, headers, None if body is None and bodiless else length)
        except ValueError:
            log.exception("A reply can't be written.")
            self.send(exchange, plain(500, "500 Internal Server Error\n", CLOSE))
            return
        if bodiless or not length or isinstance(body, bytes):
            exchange.answered = True
            self._out.write(head, end, body if isinstance(body, bytes) and not bodiless else None)
            self._finish()
        elif body is not None:
            self._send_file(exchange, reply, head + end, body)

    def _send_file(self, exchange: DirectExchange, reply: Reply, head: bytes, body: FileRange | GrowingRange) -> None:
        source = open_source(body, self._host.pouring)
        if source is None:
            self._host.loop.call_later(REST, self.send, exchange, reply)
            return
        if isinstance(source, Reply):
            self.send(exchange, source)
            return
        exchange.answered = True
        try:
            self._out.transfer(head, source, (body.start, body.end), self._sent_file)
        except OSError:  # no descriptor is left
            source.close()
            exchange.answered = False
            self.send(exchange, short_of_files())

    def _head(self, status: int, headers: Headers | list[tuple[str, str]], length: int | None) -> tuple[bytes, bytes]:
        head, closes = self._host.heads.of_reply(status, headers, length)
        unread = self._message is not None and not self._message.ended
        if closes or unread or self._host.draining:
            self._closes = True
        return head, self._host.ending if self._closes else self._host.kept

    def _sent_file(self, whole: bool) -> None:
        if self._state != OPEN:
            return
        if whole:
            self._finish()
        else:
            self._transport.abort()

    def begin_stream(self, exchange: DirectExchange, status: int, headers: Headers) -> None:
        """Send the head of a reply whose bytes follow by `put`."""
        if exchange is self._exchange and not exchange.answered and self._state == OPEN:
            exchange.answered = True
            try:
                self._transport.write(b"".join(self._head(status, headers, None)))
            except ValueError:
                log.exception("A reply can't be written.")
                self._transport.abort()

    async def put(self, exchange: DirectExchange, chunk: bytes) -> None:
        """Send bytes of such a reply; waits while the client is slow. Raises ClientGoneError."""
        if exchange is not self._exchange or self._state != OPEN:
            raise ClientGoneError("The client went away.")
        await self._out.put(chunk)

    def end_stream(self, exchange: DirectExchange, whole: bool) -> None:
        """The end of such a reply; one that is not whole breaks the connection."""
        if exchange is self._exchange and self._state == OPEN:
            if whole:
                self._finish()
            else:
                self._transport.abort()

    def _finish(self) -> None:
        """The reply is out: on to the next request, or the end."""
        if self._closes:
            self._close()
            return
        paced = self._message is not None or self._ahead
        self._exchange = self._message = None
        self._since = self._host.now
        if paced and not self._handling:
            self._go_on()
            self._pace()

    # --- the end

    def _close(self) -> None:
        """Hang up so that what was written is read: who still sends is heard for a while, and not listened to."""
        unread = self._message is not None and not self._message.ended
        self._fail_body("The reply was sent.")
        self._exchange = self._message = None
        if unread or self._ahead:
            self._linger()
        else:
            self._state = GONE
            self._transport.close()

    def _linger(self) -> None:
        self._state, self._since, self._ahead = LINGERING, self._host.now, b""
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()
