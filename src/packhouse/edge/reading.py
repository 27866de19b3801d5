# SPDX-License-Identifier: Apache-2.0
"""The read plane: pages and files from memory, as current as the last commit.

Whatever is kept is kept with the mark of the page it hangs on. Each request asks the page table whether anything was
committed; if so, each thing kept is compared with its mark once more before it is used again. What is not kept goes
to the origin, which alone decides; what its answers allow to be kept is learnt by watching them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from packhouse.domain.conditional import not_modified
from packhouse.domain.headers import DEFAULT_RULES, CacheRules
from packhouse.domain.negotiation import IDENTITY, Representation, choose_encoding, choose_representation
from packhouse.domain.offers import answer_file
from packhouse.domain.page import Page, Ready, answer_page
from packhouse.domain.root_copy import LAG, RootCopy, answer_root, may_lag, wants_newest
from packhouse.edge.files import SMALL, Blobs, KeptFile, asks_for_all, damaged, file_reply
from packhouse.edge.http import FileRange, Reply, Request
from packhouse.edge.learning import Allowed, FileWatch, PageWatch, Unknown, right_of, until
from packhouse.edge.limits import not_found
from packhouse.edge.memory import MOST_USES, Entry, Memory
from packhouse.edge.past import PastPages, PastWatch, past_reply
from packhouse.edge.responses import Watch
from packhouse.edge.routes import FileTarget, PageTarget, PastTarget, target_of
from packhouse.errors import PackhouseError
from packhouse.storage.pages import Mark, PageReader, RootState
from packhouse.storage.roots import RootShelf, Stand
from packhouse.storage.tally import Tally, is_download

DEFAULT_BYTES = 64 * 1024 * 1024
MOST_HOT = 4096
AGAIN_BYTES = 8192
"""Bytes of core metadata whose reply is remembered as it is, beside the memory for blobs."""

NOT_FOUND = not_found()
NOT_FOUND_HEAD = NOT_FOUND._replace(body=None)


class Hot(NamedTuple):
    """A public page in the form asked for by an address and two headers: nothing is left to be chosen."""

    entry: Entry[Kept]
    target: PageTarget
    page: Page
    ready: Ready


class Again(NamedTuple):
    """What was answered to headers that a server knows again; `known` lives on, so its id is its own."""

    known: object
    entry: Entry[Kept]
    value: Kept
    reply: Reply


Kept = Page | KeptFile | Unknown | Allowed


@dataclass(frozen=True, slots=True)
class Miss:
    """What the origin must answer: equal keys may wait for one another, `watch` learns from the answer."""

    key: Hashable
    watch: Watch


class Reading:
    """Answers what it may from memory. Safe to use from several threads, one at a time gets on."""

    def __init__(
        self,
        reader: PageReader,
        blobs: Blobs,
        *,
        limit: int = DEFAULT_BYTES,
        rules: CacheRules = DEFAULT_RULES,
        clock: Callable[[], float] = time.time,
        shelf: RootShelf | None = None,
        tally: Tally | None = None,
        past: PastPages | None = None,
    ) -> None:
        """`limit`: bytes; `clock`: unix seconds; `shelf`: large root pages; `tally`: downloads; `past`: see there."""
        self._reader = reader
        self._blobs = blobs
        self._memory: Memory[Kept] = Memory(limit)
        self._rules = rules
        self._clock = clock
        self._shelf = shelf
        self._tally = tally
        self._past = past
        self._roots: dict[str, tuple[int, RootState | None]] = {}
        self._tick = 0
        self._access: int | None = None
        self._evictions = 0
        self._hot: dict[tuple[str, str | None, str | None], Hot] = {}
        self._again: dict[tuple[str, int], Again] = {}
        self._lock = threading.RLock()

    def again(self, request: Request) -> Reply | None:
        """The reply that the very same request got before, when it is still the one; None: `answer` it."""
        found = self._again.get((request.path, id(request.known)))
        if found is None or request.query or request.method != "GET":
            return None
        _, entry, value, reply = found
        with self._lock:
            try:
                self._look_for_commits(request)
            except PackhouseError:
                return None
            if entry.tick != self._tick or entry.value is not value:
                return None
            if entry.uses < MOST_USES:
                entry.uses += 1
        return reply

    def answer(self, request: Request) -> Reply | Miss | None:
        """The reply, or a Miss to hand over, or None for what is none of our business."""
        if request.method not in {"GET", "HEAD"}:
            return None
        with self._lock:
            try:
                self._look_for_commits(request)
                return self._hot_page(request) or self._look(request)
            except PackhouseError:  # the page table can't be read: the origin will say it in its own way
                return None

    def _look_for_commits(self, request: Request) -> None:
        if self._reader.moved(ask=wants_newest(request.headers)):
            self._tick += 1
            self._access = None

    def stop(self) -> None:
        """Answer nothing more."""
        self._reader.leave()

    def _look(self, request: Request) -> Reply | Miss | None:
        target = target_of(request.path)
        if isinstance(target, PageTarget):
            return self._page(request, target)
        if isinstance(target, PastTarget):
            return self._past_page(request, target)
        return None if target is None else self._file(request, target)

    def _access_now(self) -> int:
        if self._access is None:
            self._access = self._reader.access_generation()
        return self._access

    # --- pages

    def _page(self, request: Request, target: PageTarget) -> Reply | Miss | None:
        headers = request.headers
        representation = choose_representation(headers.get("accept"), request.query)
        if representation is None:
            return None
        if target.project and self._is_unknown(target):
            return NOT_FOUND if request.method == "GET" else NOT_FOUND_HEAD
        stand = None if target.project or self._shelf is None else self._shelf.find(target.index)
        if stand is not None:
            return self._root(request, target, representation, stand)
        page = self._current_page(target, representation.kind)
        if page is None:
            return self._miss_page(request, target, representation.kind)
        if page.audience and not self._is_allowed(headers, page.audience):
            return self._miss_page(request, target, representation.kind)
        self._heat(request, target, page, representation)
        status, sent, body = answer_page(
            page, request.method, headers, representation, now=self._clock(), rules=self._rules
        )
        return Reply(status, sent, body or None)

    def _root(
        self, request: Request, target: PageTarget, representation: Representation, stand: Stand
    ) -> Reply | Miss | None:
        """A root page so large that it lies in a file, when that is current or may lag a little."""
        state = self._root_state(target.index)
        if state is None:
            return None
        serial, audience = state
        kind, headers, now = representation.kind, request.headers, self._clock()
        lags = serial != stand.serial and not (may_lag(stand.projects, headers) and now - stand.seen < LAG)
        if lags or (audience and not self._is_allowed(headers, audience)):
            return self._miss_page(request, target, kind)
        copy = stand.copies[kind]
        answer = answer_root(
            copy, request.method, headers, representation, audience=audience, now=now, rules=self._rules
        )
        if answer.encoding == IDENTITY:  # seldom asked for: the origin unpacks it
            return None
        body = None if answer.encoding is None else FileRange(self._shelf_path(copy), 0, copy.packed)
        return Reply(answer.status, answer.headers, body)

    def _shelf_path(self, copy: RootCopy) -> str:
        return "" if self._shelf is None else self._shelf.path(copy)

    def _root_state(self, index: str) -> RootState | None:
        """What the catalogue says of an index's root page now."""
        known = self._roots.get(index)
        if known is None or known[0] != self._tick:
            known = self._roots[index] = (self._tick, self._reader.root_state(index))
        return known[1]

    def _hot_page(self, request: Request) -> Reply | None:
        """The short way to a page that was asked for in just this form before; None: take the long way."""
        headers = request.headers
        hot = self._hot.get((request.path, headers.get("accept"), headers.get("accept-encoding")))
        if hot is None or request.query:
            return None
        entry, target, page, ready = hot
        if entry.value is not page or (entry.tick != self._tick and not self._is_current(entry, target, page.kind)):
            return None
        if entry.uses < MOST_USES:
            entry.uses += 1
        conditional = "if-none-match" in headers or "if-modified-since" in headers
        if conditional and not_modified(headers, ready.etag, page.modified, self._clock()):
            reply = Reply(304, ready.not_modified)
        else:
            reply = Reply(200, ready.headers, None if request.method == "HEAD" else ready.body)
        self._note_again(request, entry, reply)
        return reply

    def _note_again(self, request: Request, entry: Entry[Kept], reply: Reply) -> None:
        """Remember a reply that anybody may have until something is committed."""
        if request.known is not None and request.method == "GET":
            if len(self._again) >= MOST_HOT:
                self._again.clear()
            self._again[request.path, id(request.known)] = Again(request.known, entry, entry.value, reply)

    def _heat(self, request: Request, target: PageTarget, page: Page, representation: Representation) -> None:
        """Remember the short way to a page that anybody may read at any time."""
        entry = self._memory.get((target.index, target.project, representation.kind))
        if entry is None or request.query or page.audience or page.valid_until is not None:
            return
        if len(self._hot) >= MOST_HOT or self._memory.evictions != self._evictions:
            self._hot.clear()  # nothing that was pushed out of the memory may live on here
            self._again.clear()
            self._evictions = self._memory.evictions
        headers = request.headers
        accept_encoding = headers.get("accept-encoding")
        ready = page.ready(representation, choose_encoding(accept_encoding, page.encodings), self._rules)
        self._hot[request.path, headers.get("accept"), accept_encoding] = Hot(entry, target, page, ready)

    def _current_page(self, target: PageTarget, kind: str) -> Page | None:
        key = (target.index, target.project, kind)
        entry = self._memory.get(key)
        if entry is not None and self._is_current(entry, target, kind):
            page = entry.value
            if isinstance(page, Page) and page.is_valid(self._clock()):
                return page
        found = self._reader.page(target.index, target.project, kind)
        if found is None or not found.is_valid(self._clock()):
            self._memory.drop(key)
            return None
        mark = (found.serial, found.modified, found.etag, found.audience)
        self._note(self._memory.put(key, found, found.size), mark)
        return found

    def _note(self, entry: Entry[Kept], mark: Mark) -> None:
        entry.tick = self._tick
        entry.mark = mark

    def _is_current(self, entry: Entry[Kept], target: PageTarget, kind: str) -> bool:
        """Whether the page a thing hangs on is the one it was kept with."""
        if entry.tick == self._tick:
            return True
        if self._reader.page_mark(target.index, target.project, kind) != entry.mark:
            return False
        entry.tick = self._tick
        return True

    def _miss_page(self, request: Request, target: PageTarget, kind: str) -> Miss:
        watch = PageWatch(self, request, target, self._names(target), self._access_now())
        return Miss((target, kind, request.headers.get("authorization")), watch)

    def _past_page(self, request: Request, target: PastTarget) -> Reply | Miss | None:
        representation = choose_representation(request.headers.get("accept"), request.query)
        if representation is None:
            return None
        kind, present = representation.kind, PageTarget(target.index, target.project)
        entry = self._memory.get((target, kind))
        if entry is not None and isinstance(entry.value, Page) and self._is_current(entry, present, kind):
            page = entry.value
            if not page.audience or self._is_allowed(request.headers, page.audience):
                return past_reply(page, request, representation, self._clock())
        mark = self._reader.page_mark(target.index, target.project, kind)
        watch = PastWatch(self, self._past, request, (target, kind), mark)
        return Miss((target, kind, request.headers.get("authorization")), watch)

    def keep_past(self, target: PastTarget, kind: str, page: Page, mark: Mark) -> None:
        """Remember a page of a past state; the mark as it was before the origin was asked."""
        with self._lock:
            self._memory.put((target, kind), page, page.size).mark = mark

    # --- names nobody has

    def _names(self, target: PageTarget) -> int | None:
        return self._reader.page_serial(target.index, "", "names")

    def _is_unknown(self, target: PageTarget) -> bool:
        entry = self._memory.get(target)
        if entry is None or not isinstance(entry.value, Unknown):
            return False
        names, access, end = entry.value
        if end is not None and self._clock() >= end:
            self._memory.drop(target)
            return False
        if entry.tick != self._tick:
            if (names, access) != (self._names(target), self._access_now()):
                self._memory.drop(target)
                return False
            entry.tick = self._tick
        return True

    def keep_unknown(self, target: PageTarget, unknown: Unknown) -> None:
        """Remember a 404; both numbers as they were before the origin was asked."""
        with self._lock:
            self._memory.put(target, unknown, 0)

    # --- credentials

    def _is_allowed(self, headers: Mapping[str, str], audience: str) -> bool:
        credential = headers.get("authorization")
        if credential is None:
            return False
        entry = self._memory.get(right_of(credential, audience))
        if entry is None or not isinstance(entry.value, Allowed):
            return False
        access, end = entry.value
        return access == self._access_now() and (end is None or self._clock() < end)

    def keep_allowed(self, request: Request, told: Mapping[str, str], access: int) -> None:
        """Remember that the origin let a credential through, as its headers say; `access` as it was before."""
        credential, audience = request.headers.get("authorization"), told.get("x-packhouse-audience")
        if credential is None or not audience:
            return
        with self._lock:
            self._memory.put(right_of(credential, audience), Allowed(access, until(told)), 0)

    # --- files

    def _file(self, request: Request, target: FileTarget) -> Reply | Miss:
        entry = self._memory.get(target)
        if entry is not None and isinstance(entry.value, KeptFile):
            kept = entry.value
            current = self._is_current(entry, PageTarget(target.index, kept.project), kept.kind)
            if not current or (kept.pulled and not self._is_good(kept)):
                self._memory.drop(target)
            elif not kept.audience or self._is_allowed(request.headers, kept.audience):
                reply = self.send_file(kept, request, target)
                if reply.status != 502:
                    if _is_same_for_all(kept, target, reply) and not request.query:
                        self._note_again(request, entry, reply)
                    return reply
                self._memory.drop(target)  # not here, or not what it should be; the origin may have it
        return Miss((target, request.headers.get("authorization")), self._watch_file(request, target))

    def _is_good(self, kept: KeptFile) -> bool:
        """Whether a pulled file is here still, and its upstream need not be asked."""
        fresh = kept.until is None or self._clock() < kept.until
        return fresh and self._blobs.is_here(kept.offer)

    def _watch_file(self, request: Request, target: FileTarget) -> Watch:
        return FileWatch(self, request, target, self._file_marks(target), self._access_now())

    def _file_marks(self, target: FileTarget) -> tuple[str, str, Mark] | None:
        """The project a file's name speaks of, and the kind and mark of a page of it; None when there is none."""
        project = None if target.moment else self._blobs.project_of(target.filename)
        if project is None:  # of the past nothing is kept here: the origin answers for each
            return None
        for kind in ("json", "html"):
            mark = self._reader.page_mark(target.index, project, kind)
            if mark is not None:
                return project, kind, mark
        return None

    def keep_file(self, target: FileTarget, kept: KeptFile, mark: Mark) -> None:
        """Remember what the origin offered; the mark as it was before it was asked."""
        with self._lock:
            entry = self._memory.put(target, kept, kept.cost)
            entry.mark = mark

    def send_file(self, kept: KeptFile, request: Request, target: FileTarget) -> Reply:
        """The reply with the bytes of a file, or the part asked for; counted when it is a download."""
        if kept.offer.size <= SMALL and asks_for_all(request):
            data = self._blobs.bytes(kept.offer.blob, kept.offer.size)
            start, reply = 0, damaged() if data is None else Reply(200, kept.whole, data)
        else:
            answer = answer_file(kept.offer, request.method, request.headers, now=self._clock())
            start, reply = answer.start, file_reply(self._blobs, kept.offer, answer)
        if self._tally is not None and is_download(request.method, target.filename, reply.status, start):
            self._tally.count(target.index, target.filename, request.headers.get("user-agent", ""))
        return reply


def _is_same_for_all(kept: KeptFile, target: FileTarget, reply: Reply) -> bool:
    """Whether a reply is small core metadata that anybody may have: no download, which has to be counted."""
    small = reply.status == 200 and isinstance(reply.body, bytes) and len(reply.body) <= AGAIN_BYTES
    return small and not kept.audience and not kept.pulled and target.filename.endswith(".metadata")
