# SPDX-License-Identifier: Apache-2.0
"""What an edge remembers, bounded in bytes: S3-FIFO (Yang and others, SOSP 2023).

New things enter a small queue; what is not asked for twice while it passes through that queue never reaches the main
one. So a mirror that reads every page once, or somebody who asks for a hundred thousand names that do not exist,
pushes out nothing that is in use, as it would with LRU; and a hit moves nothing, it only counts.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar, cast

Value = TypeVar("Value")

SMALL_SHARE = 0.1
MOST_USES = 3
MOST_GONE = 16
"""Places of dropped entries that may stand in the queues, beyond as many as there are entries."""

OVERHEAD = 400
"""Bytes an entry costs besides its value."""


class Entry(Generic[Value]):
    """Something remembered. `tick` and `mark` are its owner's notes on how current it is."""

    __slots__ = ("kept", "key", "main", "mark", "size", "tick", "uses", "value")

    def __init__(self, key: Hashable, value: Value, size: int) -> None:
        self.key = key
        self.value = value
        self.size = size + OVERHEAD
        self.uses = 0
        self.kept = True
        self.main = False
        self.tick = -1
        self.mark: object = None


class Memory(Generic[Value]):
    """A bounded memory of at most `limit` bytes. For one thread at a time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.evictions = 0
        """How many things were pushed out so far."""
        self._entries: dict[Hashable, Entry[Value]] = {}
        self._small: deque[Entry[Value]] = deque()
        self._main: deque[Entry[Value]] = deque()
        self._small_size = 0
        self._ghosts: OrderedDict[Hashable, None] = OrderedDict()
        self._gone = 0  # entries that may stand in a queue still

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Entry[Value] | None:
        """What is remembered under a key."""
        entry = self._entries.get(key)
        if entry is not None and entry.uses < MOST_USES:
            entry.uses += 1
        return entry

    def put(self, key: Hashable, value: Value, size: int) -> Entry[Value]:
        """Remember a value of `size` bytes; one larger than half the memory is given back but not kept."""
        self.drop(key)
        entry = Entry(key, value, size)
        if entry.size > self.limit // 2:
            entry.kept = False
            return entry
        self._entries[key] = entry
        self.size += entry.size
        if key in self._ghosts:
            del self._ghosts[key]
            self._to_main(entry)
        else:
            self._small.append(entry)
            self._small_size += entry.size
        while self.size > self.limit:
            self._evict()
        return entry

    def drop(self, key: Hashable) -> None:
        """Forget what is under a key."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._forget(entry)

    def _forget(self, entry: Entry[Value]) -> None:
        """Count an entry out, and let go of its value; its place in a queue goes when most places are such."""
        entry.kept = False
        entry.value = cast("Value", None)  # whoever holds the entry sees that it is another
        self.evictions += 1
        self.size -= entry.size
        if not entry.main:
            self._small_size -= entry.size
        self._gone += 1
        if self._gone > len(self._entries) + MOST_GONE:
            self._small = deque(entry for entry in self._small if entry.kept)
            self._main = deque(entry for entry in self._main if entry.kept)
            self._gone = 0

    def _to_main(self, entry: Entry[Value]) -> None:
        entry.main = True
        entry.uses = 0
        self._main.append(entry)

    def _evict(self) -> None:
        if self._small and (self._small_size > self.limit * SMALL_SHARE or not self._main):
            self._evict_small(self._small.popleft())
        else:
            self._evict_main(self._main.popleft())

    def _evict_small(self, entry: Entry[Value]) -> None:
        if not entry.kept:
            return
        if entry.uses > 1:
            self._small_size -= entry.size
            self._to_main(entry)
            return
        del self._entries[entry.key]
        self._forget(entry)
        self._ghosts[entry.key] = None
        while len(self._ghosts) > len(self._entries) + 16:
            self._ghosts.popitem(last=False)

    def _evict_main(self, entry: Entry[Value]) -> None:
        if not entry.kept:
            return
        if entry.uses:
            entry.uses -= 1
            self._main.append(entry)
            return
        del self._entries[entry.key]
        self._forget(entry)
