# SPDX-License-Identifier: Apache-2.0
"""Root pages of servers with many projects: copies in the data folder, made new piece by piece.

The names are cut into segments of some hundred. A copy remembers of which serial it is; the projects changed since
are found by their own serials, and only their segments are read, rendered and compressed again. So an upload writes
nothing for the root page but the serial of the index, and holds no lock for it.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_right
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

from packhouse import __version__
from packhouse.catalogue.listings import RootRow, Sources, changed_names, root_range
from packhouse.catalogue.models import Index, JournalEntry, Project
from packhouse.catalogue.rows import snapshot
from packhouse.domain.joined_gzip import Joining, Piece, make_piece
from packhouse.domain.listing import RootEntry
from packhouse.domain.root_copy import ALWAYS_CURRENT, LAG, RootCopy
from packhouse.domain.simple import ROOT_BETWEEN, ROOT_TAIL, root_entries, root_head
from packhouse.services.indexes import MAIN
from packhouse.storage.roots import RootFolder, RootShelf, Stand, folders

_log = logging.getLogger(__name__)

KINDS = ("html", "json")
MANY = 2_000
"""Projects of a server up to which root pages are made whole and stored like any other page."""
SEGMENT = 500
"""Projects of a segment; one that has twice as many is divided."""
FORMAT = 2
PAUSE = 1.0
"""Seconds between two refreshes in the background."""


@dataclass(slots=True)
class _Segment:
    """A range of names: from `start` to the next segment's; `rows` counts the projects in it, shown or not."""

    start: str
    rows: int
    shown: int
    pieces: dict[str, Piece]
    digests: dict[str, str]
    places: dict[str, int] = field(default_factory=dict)

    def plain(self) -> list[Any]:
        """What the book keeps of it: all but the compressed bytes, which are in the files."""
        kinds = [
            [self.places[kind], len(piece.packed), piece.length, piece.crc, piece.shift, self.digests[kind]]
            for kind, piece in ((kind, self.pieces[kind]) for kind in KINDS)
        ]
        return [self.start, self.rows, self.shown, *kinds]


def are_many(many: int = MANY) -> bool:
    """Whether this server has so many projects that root pages are made in pieces."""
    return Project.objects.values("pk")[many : many + 1].exists()


def root_copy(index: str, kind: str, data: Path, *, lag: bool = False) -> tuple[RootCopy, str] | None:
    """A ready root page and the path of its gzip form, made now unless there is one that will do; None: no index.

    It is current, or with `lag` at most `LAG` seconds behind where the index is that large.
    """
    shelf = RootShelf(data)
    stand = shelf.find(index)
    if stand is None or not _will_do(stand, index, lag=lag):
        stand = refresh(RootFolder(data, index))
    if stand is None:
        return None
    copy = stand.copies[kind]
    return copy, shelf.path(copy)


def _will_do(stand: Stand, index: str, *, lag: bool) -> bool:
    if lag and stand.projects > ALWAYS_CURRENT and time.time() - stand.seen < LAG:
        return True
    return Index.objects.filter(name=index, serial=stand.serial).exists()


def refresh(folder: RootFolder, size: int = SEGMENT) -> Stand | None:
    """Bring the copies of an index up to date; None (and no copies) when there is no such index.

    New segments are made of `size` projects.
    """
    with folder.locked():
        seen = time.time()
        with snapshot():
            index = Index.objects.filter(name=folder.index).first()
            if index is None:
                folder.remove()
                return None
            sources = Sources.of(index.pk)
            book = folder.book()
            before = RootShelf(folder.folder.parents[2]).find(folder.index)
            if book is None or before is None or not _goes_on(book, index, sources):
                segments = _from_nothing(sources, size)
            elif book["serial"] == index.serial:
                folder.touch(seen)
                return before._replace(seen=seen)
            else:
                try:
                    segments = _from_before(folder, before, book, size)
                except OSError:  # somebody removed a file
                    segments = _from_nothing(sources, size)
            at = _time_of(index.serial)
        return _write(folder, index, seen, before, segments, {**sources._asdict(), "at": at})


def _goes_on(book: dict[str, Any], index: Index, sources: Sources) -> bool:
    """Whether a book was made by this program, of the same indexes and upstreams, and in this history.

    A backup may have been restored since.
    """
    same = (book.get("format"), book.get("version")) == (FORMAT, __version__) and _sources(book) == sources
    return same and book["serial"] <= index.serial and book["at"] == _time_of(book["serial"])


def _sources(book: dict[str, Any]) -> Sources:
    return Sources(book.get("own", []), book.get("upstreams", []))


def _time_of(serial: int) -> str:
    """The time of a journal entry, "" without one."""
    at = JournalEntry.objects.filter(serial=serial).values_list("at", flat=True).first()
    return "" if at is None else at.isoformat()


def _from_nothing(sources: Sources, size: int) -> list[_Segment]:
    segments: list[_Segment] = []
    start, more = "", True
    while more:
        rows = root_range(sources, start, limit=size + 1)
        more = len(rows) > size
        segments.append(_segment("" if not segments else start, rows[:size]))
        start = rows[size].name if more else ""
    return segments


def _from_before(folder: RootFolder, before: Stand, book: dict[str, Any], size: int) -> list[_Segment]:
    """The segments, those in which something changed made again."""
    files = {kind: folder.read(before.copies[kind].name) for kind in KINDS}
    kept, sources = book["segments"], _sources(book)
    starts = [told[0] for told in kept]
    changed = {bisect_right(starts, name) - 1 for name in changed_names(sources, book["serial"])}
    segments: list[_Segment] = []
    for number, told in enumerate(kept):
        if number in changed:
            end = starts[number + 1] if number + 1 < len(starts) else None
            segments += _cut(told[0], root_range(sources, told[0], end), size)
        else:
            segments.append(_kept(told, files))
    return segments


def _cut(start: str, rows: list[RootRow], size: int) -> list[_Segment]:
    """One segment, or several when it grew too long."""
    if len(rows) <= 2 * size:
        return [_segment(start, rows)]
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    return [_segment(start if at == 0 else part[0].name, part) for at, part in enumerate(parts)]


def _segment(start: str, rows: list[RootRow]) -> _Segment:
    shown = [RootEntry(row.name, row.display_name, row.serial) for row in rows if row.shown]
    plain = {kind: root_entries(kind, shown) for kind in KINDS}
    return _Segment(
        start,
        len(rows),
        len(shown),
        {kind: make_piece(data) for kind, data in plain.items()},
        {kind: sha256(data).hexdigest()[:32] for kind, data in plain.items()},
    )


def _kept(told: list[Any], files: dict[str, bytes]) -> _Segment:
    start, rows, shown, *kinds = told
    pieces, digests = {}, {}
    for kind, (place, packed, length, crc, shift, digest) in zip(KINDS, kinds, strict=True):
        pieces[kind] = Piece(files[kind][place : place + packed], length, crc, shift)
        digests[kind] = digest
    return _Segment(start, rows, shown, pieces, digests)


def _write(
    folder: RootFolder, index: Index, seen: float, before: Stand | None, segments: list[_Segment], told: dict[str, Any]
) -> Stand:
    """Join the segments, put the files in place."""
    made = {kind: _joined(kind, index, segments, before, seen) for kind in KINDS}
    stand = Stand(index.serial, sum(segment.shown for segment in segments), seen, {k: c for k, (c, _) in made.items()})
    about = {"format": FORMAT, "version": __version__, "serial": index.serial}
    book = told | about | {"segments": [segment.plain() for segment in segments]}
    folder.write(stand, {copy.name: data for copy, data in made.values()}, book)
    return stand


def _joined(
    kind: str, index: Index, segments: list[_Segment], before: Stand | None, seen: float
) -> tuple[RootCopy, bytes]:
    """The gzip form of a kind, and what is told of it. Notes in the segments where they stand."""
    head, between = root_head(kind, index.serial), make_piece(ROOT_BETWEEN[kind])
    whole, identity, first = Joining(), sha256(head), True
    whole.add(make_piece(head))
    for segment in segments:
        if segment.shown and not first:
            whole.add(between)
        first = first and not segment.shown
        segment.places[kind] = whole.place
        whole.add(segment.pieces[kind])
        identity.update(f"{segment.start}\n{segment.digests[kind]}\n".encode())
    whole.add(make_piece(ROOT_TAIL[kind]))
    data, etag = whole.finish(), identity.hexdigest()[:32]
    modified = _modified(before, kind, etag, seen)
    name = f"{kind}-{etag}.gz"
    return RootCopy(index.name, kind, index.serial, modified, etag, len(data), whole.length, name), data


def _modified(before: Stand | None, kind: str, etag: str, seen: float) -> int:
    """The time of the last change of the bytes (unix seconds), later than that of the bytes before."""
    if before is None or kind not in before.copies:
        return int(seen)
    known = before.copies[kind]
    return known.modified if known.etag == etag else max(known.modified + 1, int(seen))


def discard_foreign(data: Path) -> None:
    """Forget copies that a run of the machine before this one left, or that tell another history; at a start."""
    for folder in folders(data):
        book = folder.book()
        index = Index.objects.filter(name=folder.index).first()
        if book is None or index is None or not _goes_on(book, index, Sources.of(index.pk)):
            folder.remove()


class Refresher:
    """Keeps the copies there are close behind the journal, without taking more than a tenth of a processor for it.

    Its first turn makes that of the main index when the server has more than `many` projects.
    """

    def __init__(self, data: Path, many: int = MANY) -> None:
        self._data = data
        self._many = many
        self._shelf = RootShelf(data)
        self._next = 0.0
        self._first = True

    def catch_up(self, stop: Event) -> None:
        """Bring up to date what is behind, unless that was done a moment ago."""
        began = time.monotonic()
        if began < self._next or stop.is_set():
            return
        behind = [folder for folder in folders(self._data) if self._is_behind(folder.index)]
        if self._first:  # after a start of the machine none is left, and to make one of very many takes its time
            self._first = False
            behind += [RootFolder(self._data, MAIN)] if self._shelf.find(MAIN) is None and are_many(self._many) else []
        for folder in behind:
            refresh(folder)
        took = time.monotonic() - began
        self._next = began + (max(PAUSE, 10 * took) if behind else 0)

    def _is_behind(self, index: str) -> bool:
        stand = self._shelf.find(index)
        return stand is not None and not Index.objects.filter(name=index, serial=stand.serial).exists()
