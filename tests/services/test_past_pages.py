# SPDX-License-Identifier: Apache-2.0
"""Past pages are made once, from memory after that, and never tell what was purged since."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press

from packhouse.domain.moments import AsOf
from packhouse.domain.page import Page, make_page
from packhouse.domain.permissions import ReadMode
from packhouse.services import file_purging, indexes, journal, releases
from packhouse.services.journal import COMMAND
from packhouse.services.page_memory import PageMemory
from packhouse.services.past_pages import past_page

pytestmark = pytest.mark.django_db


def page(body: bytes) -> Page:
    """A page of this body alone, which no encoding makes smaller."""
    made = make_page(body, index="main", project="foo", kind="html", serial=1, modified=1, audience="")
    return replace(made, gzip=None, zstd=None, br=None)


def point(clock: TickingClock) -> AsOf:
    as_of = AsOf(journal.last_serial(), clock())
    clock.move(hours=1)
    return as_of


def test_a_past_page_is_made_once_and_then_comes_from_memory(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    as_of = point(clock)
    press.wheel("later", "1.0")
    memory = PageMemory()
    for project in ("foo", ""):
        for kind in ("html", "json"):
            made = past_page("main", project, kind, as_of, memory)
            assert made is not None
            with CaptureQueriesContext(connection) as asked:
                assert past_page("main", project, kind, as_of, memory) is made
            assert len(asked) <= 3
    assert len(memory) == 4
    assert past_page("main", "foo", "html", as_of) is not past_page("main", "foo", "html", as_of)  # nothing is kept
    assert len(memory) == 4
    assert past_page("main", "nobody", "html", as_of, memory) is None


def test_what_is_purged_or_closed_since_is_not_told_from_memory(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    press.wheel("foo", "2.0")
    as_of = point(clock)
    memory = PageMemory()

    def versions() -> list[str]:
        made = past_page("main", "foo", "json", as_of, memory)
        return [] if made is None else list(orjson.loads(made.body)["versions"])

    assert versions() == ["1.0", "2.0"]
    releases.delete(COMMAND, "foo", "1.0", clock=clock)
    assert versions() == ["1.0", "2.0"]  # what was is as it was
    file_purging.purge(COMMAND, "foo", "1.0", reason="a secret", clock=clock)
    assert versions() == ["2.0"]
    indexes.set_read(COMMAND, "main", ReadMode.CLOSED, clock=clock)
    closed = past_page("main", "foo", "json", as_of, memory)
    assert closed is not None
    assert closed.audience != ""


def test_the_memory_is_bounded_and_keeps_what_is_used() -> None:
    memory = PageMemory(most=1000)
    pages = {name: page(bytes([65 + number]) * 300) for number, name in enumerate("abcd")}
    for name in "abc":
        memory.put(name, pages[name])
    assert memory.get("a") is pages["a"]
    memory.put("d", pages["d"])
    assert [memory.get(name) is None for name in "abcd"] == [False, True, False, False]
    memory.put("d", pages["d"])
    assert memory.size == sum(pages[name].size for name in "acd") <= 1000
    memory.put("large", page(b"x" * 600))
    assert memory.get("large") is None
    assert len(memory) == 3
