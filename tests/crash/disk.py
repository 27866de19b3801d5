# SPDX-License-Identifier: Apache-2.0
"""What a power cut leaves of a folder, from the log of `shim.c`.

The strictest disk there is: bytes count when an fsync of their file that began after them has ended, names when one of
their folder has. `settle` with a `random` gives what a real disk might have kept besides: for each folder the first
few of the changes to it, for each file any of the writes to it, the last of them torn.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

HEAD = struct.Struct("=cQQII")
SECTOR = 512


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the log: what was done, to which inode, a number (an offset, a size, an fsync's), two texts."""

    kind: str
    inode: int
    number: int
    first: bytes
    second: bytes


def read_log(file: Path) -> Iterator[Record]:
    """Every record that is whole."""
    raw, at = memoryview(file.read_bytes()), 0
    while at + HEAD.size <= len(raw):
        kind, inode, number, first, second = HEAD.unpack_from(raw, at)
        middle, end = at + HEAD.size + first, at + HEAD.size + first + second
        if end > len(raw):
            return
        yield Record(kind.decode(), inode, number, bytes(raw[at + HEAD.size : middle]), bytes(raw[middle:end]))
        at = end


def in_order(records: list[Record]) -> list[Record]:
    """The records with each folder made before what was put into it.

    A record is written after the call it tells of: between the two another thread may find the new folder, put
    something into it and write that down first.
    """
    used: dict[bytes, int] = {}
    for at, record in enumerate(records):
        for path in (record.first, record.second) if record.kind in "CDLRU" else ():
            used.setdefault(path.rpartition(b"/")[0], at)
    made: dict[bytes, int] = {}
    for at, record in enumerate(records):
        if record.kind == "D":
            made.setdefault(record.first, at)
    moved: dict[int, list[Record]] = {}
    late = set()
    for path in sorted(made, key=lambda path: -path.count(b"/")):  # what is inside first: it takes its folder along
        first, folder = used.get(path, made[path]), path.rpartition(b"/")[0]
        if first < made[path]:
            moved.setdefault(first, []).insert(0, records[made[path]])
            late.add(made[path])
            used[folder] = min(used.get(folder, first), first)
    ordered: list[Record] = []
    for at, record in enumerate(records):
        ordered += moved.get(at, [])
        ordered += [] if at in late else [record]
    return ordered


def pack_mark(text: str) -> bytes:
    """A record that says something in the log: an event of the ledger."""
    data = text.encode()
    return HEAD.pack(b"M", 0, 0, len(data), 0) + data


@dataclass(eq=False)
class Node:
    """A file or a folder: what is durable of it, and the changes that are not yet."""

    path: str
    durable: bytearray = field(default_factory=bytearray)
    writes: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, bytes), or (size, None)
    names: dict[str, Node] = field(default_factory=dict)
    changes: list[list[tuple[str, Node | None]]] = field(default_factory=list)  # names that come (a node) or go (None)
    is_folder: bool = False

    def settle(self, writes: int, changes: int) -> None:
        """Make the first so many of both durable."""
        for at, data in self.writes[:writes]:
            _apply(self.durable, at, data)
        del self.writes[:writes]
        for change in self.changes[:changes]:
            _rename(self.names, change)
        del self.changes[:changes]


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    if data is None:
        del content[at:]
        content.extend(bytes(at - len(content)))
    else:
        content.extend(bytes(max(0, at - len(content))))
        content[at : at + len(data)] = data


def _rename(names: dict[str, Node], change: list[tuple[str, Node | None]]) -> None:
    for name, node in change:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Disk:
    """The state of a folder after some records. `ignored` says of which paths an fsync does nothing."""

    def __init__(self, root: Path, ignored: Callable[[str], bool] = lambda _path: False) -> None:
        self._root = Node(str(root), is_folder=True)
        self._live = {str(root): self._root}
        self._inodes = {root.stat().st_ino: self._root}
        self._ignored = ignored
        self._begun: dict[int, tuple[Node, int, int]] = {}

    def take(self, record: Record) -> None:
        """Go on by one record."""
        kind, path = record.kind, record.first.decode() if record.kind in "CDLRU" else ""
        if kind in {"C", "D"}:
            node = Node(path, is_folder=kind == "D")
            self._inodes[record.inode] = node
            self._appear(path, node)
        elif kind == "U":
            self._live.pop(path, None)
            self._change(path, None)
        elif kind in {"L", "R"}:
            self._move(path, record.second.decode(), keep=kind == "L")
        elif record.inode in self._inodes:
            self._touch(kind, self._inodes[record.inode], record)

    def _touch(self, kind: str, node: Node, record: Record) -> None:
        if kind == "W":
            node.writes.append((record.number, record.first))
        elif kind == "T":
            node.writes.append((record.number, None))
        elif kind == "b":
            self._begun[record.number] = (node, len(node.writes), len(node.changes))
        elif kind == "e":
            self._settle(*self._begun.pop(record.number))

    def _settle(self, node: Node, writes: int, changes: int) -> None:
        """An fsync ended. One that ended meanwhile has taken a part of what this one saw already."""
        if not self._ignored(node.path):
            self._begun = {
                number: (other, w - writes if other is node else w, c - changes if other is node else c)
                for number, (other, w, c) in self._begun.items()
            }
            node.settle(max(0, writes), max(0, changes))

    def _appear(self, path: str, node: Node) -> None:
        self._live[path] = node
        self._change(path, node)

    def _move(self, source: str, target: str, *, keep: bool) -> None:
        node = self._live[source] if keep else self._live.pop(source)
        self._live[target] = node
        old, new = source.rpartition("/"), target.rpartition("/")
        if keep:
            self._change(target, node)
        elif old[0] == new[0]:
            self._live[new[0]].changes.append([(old[2], None), (new[2], node)])
        else:
            self._change(source, None)
            self._change(target, node)

    def _change(self, path: str, node: Node | None) -> None:
        folder, _, name = path.rpartition("/")
        self._live[folder].changes.append([(name, node)])

    def leave(self, target: Path, chance: random.Random | None = None) -> None:
        """Write what a power cut now would leave into `target`, a folder that is not there yet."""
        _leave(self._root, target, chance)


def _leave(node: Node, target: Path, chance: random.Random | None) -> None:
    if not node.is_folder:
        target.write_bytes(_content(node, chance))
        target.chmod(0o600)
        return
    target.mkdir(mode=0o700)
    names = dict(node.names)
    kept = chance.randint(0, len(node.changes)) if chance else 0
    for change in node.changes[:kept]:
        _rename(names, change)
    for name, child in names.items():
        if not name.endswith("-shm"):  # shared memory, made anew by whoever opens the database first
            _leave(child, target / name, chance)


def _content(node: Node, chance: random.Random | None) -> bytes:
    content = bytearray(node.durable)
    for at, data in node.writes if chance else ():
        if chance is not None and chance.random() < 0.5:
            torn = data and chance.random() < 0.3
            _apply(content, at, data[: chance.randrange(0, len(data), SECTOR)] if torn and data else data)
    return bytes(content)
