# SPDX-License-Identifier: Apache-2.0
"""The bounded memory of an edge."""

from __future__ import annotations

import random
import weakref

from packhouse.edge.memory import OVERHEAD, Memory

SIZE = 1000 - OVERHEAD


def test_what_is_put_is_found_until_dropped() -> None:
    memory: Memory[str] = Memory(10_000)
    memory.put("a", "A", SIZE)
    found = memory.get("a")
    assert found is not None
    assert (found.value, memory.size, len(memory)) == ("A", 1000, 1)
    memory.drop("a")
    memory.drop("a")
    assert (memory.get("a"), memory.size, len(memory)) == (None, 0, 0)


def test_it_stays_within_its_limit() -> None:
    memory: Memory[int] = Memory(20_000)
    rng = random.Random(1)
    for step in range(20_000):
        key = rng.randrange(300) if step % 3 else f"once {step}"
        if memory.get(key) is None:
            memory.put(key, step, rng.randrange(3000))
        if step % 50 == 0:
            memory.drop(rng.randrange(300))
        assert memory.size <= memory.limit
    assert memory.size == sum(entry.size for entry in memory._entries.values())
    assert len(memory._ghosts) <= len(memory) + 16


def test_something_larger_than_half_of_it_is_not_kept() -> None:
    memory: Memory[str] = Memory(10_000)
    entry = memory.put("root", "page", 6000)
    assert (entry.value, entry.kept, memory.get("root"), memory.size) == ("page", False, None, 0)


def test_a_scan_pushes_out_nothing_that_is_in_use() -> None:
    memory: Memory[int] = Memory(100_000)
    for _ in range(3):
        for key in range(50):
            if memory.get(key) is None:
                memory.put(key, key, SIZE)
    for key in range(50):
        memory.get(key)
    for name in range(10_000):  # a mirror, or somebody asking for names that don't exist
        memory.put(f"scanned {name}", name, SIZE)
    assert sum(memory.get(key) is not None for key in range(50)) == 50


def test_what_comes_back_soon_after_it_was_pushed_out_stays_longer() -> None:
    memory: Memory[int] = Memory(10_000)
    for key in range(12):
        memory.put(key, key, SIZE)
    assert memory.get(0) is None
    memory.put(0, 0, SIZE)
    for key in range(100, 150):
        memory.put(key, key, SIZE)
    assert memory.get(0) is not None


def test_putting_again_replaces() -> None:
    memory: Memory[str] = Memory(10_000)
    memory.put("a", "A", SIZE)
    memory.put("a", "B", SIZE + 500)
    found = memory.get("a")
    assert found is not None
    assert (found.value, memory.size) == ("B", 1500)


class Large:
    """A value that can be watched."""


def test_what_is_replaced_or_dropped_again_and_again_is_let_go_of() -> None:
    memory: Memory[Large] = Memory(1_000_000)
    watched: list[weakref.ref[Large]] = []
    held = []
    for step in range(5000):
        held.append(memory.put("dropped" if step % 3 else "replaced", Large(), SIZE))
        watched.append(weakref.ref(held[-1].value))
        if step % 3 == 1:
            memory.drop("dropped")
    assert sum(one() is not None for one in watched) == len(memory) <= 2
    assert len(memory._small) + len(memory._main) <= 64
    assert sum(entry.kept for entry in held) == len(memory)
