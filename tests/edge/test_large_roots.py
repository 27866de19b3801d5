# SPDX-License-Identifier: Apache-2.0
"""Root pages of large indexes at the edge: which copy is sent, to whom, and when the origin must be asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packhouse.domain.root_copy import ALWAYS_CURRENT, LAG, RootCopy
from packhouse.edge.files import Blobs, PathOf
from packhouse.edge.http import FileRange, Reply, Request
from packhouse.edge.reading import Miss, Reading
from packhouse.storage.pages import SqlitePages
from packhouse.storage.roots import RootFolder, RootShelf, Stand
from packhouse.storage.sqlite import library

TABLES = """
CREATE TABLE catalogue_page (index_name, project, kind, serial, modified, etag, audience, valid_until, body, gzip,
    zstd, br, PRIMARY KEY (index_name, project, kind));
CREATE TABLE catalogue_counter (name PRIMARY KEY, value);
CREATE TABLE catalogue_index (name PRIMARY KEY, serial, audience);
INSERT INTO catalogue_counter VALUES ('serial', 1), ('access', 10);
INSERT INTO catalogue_index VALUES ('main', 7, '');
"""
JSON = "application/vnd.pypi.simple.v1+json"
NOW = 1_800_000_000.0
FEW, MANY = ALWAYS_CURRENT, ALWAYS_CURRENT + 1


class World:
    """An index of 7 journal entries, and copies of its root page; the clock stands at `now`."""

    def __init__(self, folder: Path) -> None:
        file = folder / "catalogue.db"
        self.database: Any = library.connect(str(file), isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.executescript(TABLES)
        self.now = NOW
        self.pages = SqlitePages(file)
        self.folder = RootFolder(folder, "main")
        self.folder.folder.mkdir(parents=True)
        blobs = Blobs(PathOf(folder / "blobs"))
        self.reading = Reading(self.pages, blobs, clock=lambda: self.now, shelf=RootShelf(folder))

    def copies(self, serial: int, projects: int, seen: float = NOW) -> None:
        copies = {
            kind: RootCopy(
                "main", kind, serial, 1_700_000_000 + serial, f"{kind}{serial}", 30, 100, f"{kind}-{serial}.gz"
            )
            for kind in ("html", "json")
        }
        files = {copy.name: b"x" * 30 for copy in copies.values()}
        self.folder.write(Stand(serial, projects, seen, copies), files, {})

    def commit(self, serial: int, audience: str = "") -> None:
        self.database.execute("UPDATE catalogue_index SET serial = ?, audience = ?", (serial, audience))

    def ask(self, method: str = "GET", **headers: str) -> Reply | Miss | None:
        given = {"accept-encoding": "gzip"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.reading.answer(Request(method, "/simple/", "", list(given.items())))

    def serial_sent(self, **headers: str) -> str | None:
        """The serial of the copy sent; None when the origin is asked."""
        found = self.ask(**headers)
        return dict(found.headers)["x-pypi-last-serial"] if isinstance(found, Reply) else None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.pages.close()
    world.database.close()


def test_without_a_copy_the_origin_is_asked(world: World) -> None:
    assert isinstance(world.ask(), Miss)


def test_a_current_copy_is_sent_from_its_file(world: World) -> None:
    world.copies(7, FEW)
    found = world.ask(accept=JSON)
    assert isinstance(found, Reply)
    headers = dict(found.headers)
    assert found.status == 200
    assert found.body == FileRange(str(world.folder.folder / "json-7.gz"), 0, 30)
    assert headers["content-encoding"] == "gzip"
    assert headers["content-length"] == "30"
    assert headers["content-type"] == JSON
    assert headers["etag"] == '"json7-j-gzip"'


def test_head_and_304_have_no_body(world: World) -> None:
    world.copies(7, FEW)
    head, known = world.ask("HEAD"), world.ask(if_none_match='"html7-h-gzip"')
    assert isinstance(head, Reply)
    assert isinstance(known, Reply)
    assert (head.status, head.body, dict(head.headers)["content-length"]) == (200, None, "30")
    assert (known.status, known.body) == (304, None)


def test_who_takes_no_gzip_is_answered_by_the_origin(world: World) -> None:
    world.copies(7, FEW)
    assert world.ask(accept_encoding="identity") is None
    assert world.ask(accept_encoding="zstd") is None


def test_the_root_of_a_small_index_is_current_at_the_commit(world: World) -> None:
    world.copies(7, FEW)
    assert world.serial_sent() == "7"
    world.commit(8)
    assert world.serial_sent() is None
    world.copies(8, FEW)
    assert world.serial_sent() == "8"


def test_the_root_of_a_large_index_may_lag_a_little_and_says_of_which_serial_it_is(world: World) -> None:
    world.copies(7, MANY)
    world.commit(8)
    world.now = NOW + LAG - 0.1
    assert world.serial_sent() == "7"
    world.now = NOW + LAG
    assert world.serial_sent() is None


def test_the_lag_counts_from_when_the_copy_was_last_known_to_be_current(world: World) -> None:
    world.copies(7, MANY, NOW - 3600)
    assert world.serial_sent() == "7"  # nothing changed since
    world.commit(8)
    assert world.serial_sent() is None
    os.utime(world.folder.folder / "current", (NOW - 1, NOW - 1))
    assert world.serial_sent() == "7"


def test_no_cache_gets_the_current_one(world: World) -> None:
    world.copies(7, MANY)
    assert world.serial_sent(cache_control="no-cache") == "7"
    world.commit(8)
    assert world.serial_sent() == "7"
    assert world.serial_sent(cache_control="max-age=0, No-Cache") is None
    world.copies(8, MANY)
    assert world.serial_sent(cache_control="no-cache") == "8"


def test_an_index_that_was_closed_is_closed_with_the_next_request(world: World) -> None:
    world.copies(7, MANY)
    assert world.serial_sent() == "7"
    world.commit(8, audience="secret")
    assert world.serial_sent() is None
    assert world.serial_sent(authorization="Basic abc") is None


def test_readers_of_a_closed_index_get_it_once_the_origin_let_them_through(world: World) -> None:
    world.commit(7, audience="secret")
    world.copies(7, MANY)
    missed = world.ask(authorization="Basic abc")
    assert isinstance(missed, Miss)
    given = (("x-packhouse-audience", "secret"),)
    replaced = missed.watch.replaced(200, given)
    assert isinstance(replaced, Reply)
    assert dict(replaced.headers)["cache-control"].startswith("private")
    assert world.serial_sent(authorization="Basic abc") == "7"
    assert world.serial_sent(authorization="Basic other") is None
    assert world.serial_sent() is None
    world.database.execute("UPDATE catalogue_counter SET value = 11 WHERE name = 'access'")
    assert world.serial_sent(authorization="Basic abc") is None


def test_an_index_that_is_gone_is_the_origins_to_refuse(world: World) -> None:
    world.copies(7, FEW)
    world.database.execute("DELETE FROM catalogue_index")
    assert not isinstance(world.ask(), Reply)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"serial": 1}'])
def test_what_cant_be_read_is_no_copy(world: World, damage: bytes) -> None:
    world.copies(7, FEW)
    (world.folder.folder / "current").write_bytes(damage)
    assert world.serial_sent() is None
