# SPDX-License-Identifier: Apache-2.0
"""The read plane over a real page table and real blobs, with the origin's part played by the test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from packhouse.domain.headers import Headers, error_headers, file_headers, surrogate_keys
from packhouse.domain.page import Page, make_page
from packhouse.edge.files import Blobs, PathOf
from packhouse.edge.http import AWAY, FileRange, Reply, Request
from packhouse.edge.reading import Miss, Reading
from packhouse.storage.blobs import LocalBlobs
from packhouse.storage.pages import SqlitePages
from packhouse.storage.sqlite import library

TABLES = """
CREATE TABLE catalogue_page (index_name, project, kind, serial, modified, etag, audience, valid_until, body, gzip,
    zstd, br, PRIMARY KEY (index_name, project, kind));
CREATE TABLE catalogue_counter (name PRIMARY KEY, value);
INSERT INTO catalogue_counter VALUES ('serial', 1), ('access', 10);
"""
JSON = "application/vnd.pypi.simple.v1+json"
SMALL = b"small wheel" * 10
LARGE = b"large wheel" * 100_000
CREDENTIAL = "Basic abc"


class World:
    """A catalogue, a blob store and the edge over them; the clock stands at `now`."""

    def __init__(self, folder: Path) -> None:
        file = folder / "catalogue.db"
        self.database: Any = library.connect(str(file), isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.executescript(TABLES)
        self.blobs = LocalBlobs(folder / "blobs")
        self.now = 1_800_000_000.0
        self.pages = SqlitePages(file)
        self.reading = Reading(self.pages, Blobs(PathOf(folder / "blobs")), clock=lambda: self.now)

    def store(self, page: Page) -> None:
        names = [field.name for field in fields(page) if not field.name.startswith("_")]
        marks = ", ".join("?" * len(names))
        values = [getattr(page, name) for name in names]
        self.database.execute(f"INSERT OR REPLACE INTO catalogue_page VALUES ({marks})", values)  # noqa: S608

    def page(self, text: str = "page", serial: int = 7, project: str = "foo", **more: Any) -> None:
        for kind in ("html", "json"):
            made = make_page(
                f"{text} {kind}".encode() * 50,
                index=more.get("index", "main"),
                project=project,
                kind=kind,
                serial=serial,
                modified=1_700_000_000 + serial,
                audience=more.get("audience", ""),
                valid_until=more.get("valid_until"),
            )
            self.store(made)

    def names(self, serial: int) -> None:
        self.store(make_page(b"", index="main", project="", kind="names", serial=serial, modified=0))

    def move_access(self) -> None:
        self.database.execute("UPDATE catalogue_counter SET value = value + 1 WHERE name = 'access'")

    def ask(self, path: str, method: str = "GET", query: str = "", **headers: str) -> Reply | Miss | None:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.reading.answer(Request(method, path, query, list(given.items())))

    def reply(self, path: str, method: str = "GET", query: str = "", **headers: str) -> Reply:
        found = self.ask(path, method, query, **headers)
        assert isinstance(found, Reply)
        return found

    def miss(self, path: str, method: str = "GET", **headers: str) -> Miss:
        found = self.ask(path, method, **headers)
        assert isinstance(found, Miss)
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.pages.close()
    world.database.close()


def hand_off(data: bytes, filename: str, audience: str = "") -> Headers:
    """What the origin says of a file it hands over."""
    sha256 = hashlib.sha256(data).hexdigest()
    offered = file_headers(
        filename=filename,
        sha256=sha256,
        modified=1_700_000_000,
        keys=surrogate_keys("main", "foo"),
        public=not audience,
    )
    ours = (
        ("x-packhouse-blob", sha256),
        ("x-packhouse-size", str(len(data))),
        ("x-packhouse-audience", audience),
    )
    return (*offered, *ours)


def file_path(data: bytes, filename: str = "foo-1.0-py3-none-any.whl") -> str:
    return f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"


# --- pages


def test_a_stored_page_is_answered_with_its_bytes_in_the_form_asked_for(world: World) -> None:
    world.page()
    html = world.reply("/simple/foo/")
    assert (html.status, html.body) == (200, b"page html" * 50)
    assert world.reply("/simple/foo/", accept=JSON).body == b"page json" * 50
    assert world.reply("/simple/foo/", query="format=" + JSON.replace("+", "%2B")).body == b"page json" * 50
    zipped = dict(world.reply("/simple/foo/", accept_encoding="gzip").headers)
    assert zipped["content-encoding"] == "gzip"


def test_hostile_166_head_and_304(world: World) -> None:
    world.page()
    whole = world.reply("/simple/foo/")
    head = world.reply("/simple/foo/", "HEAD")
    assert (head.status, head.headers, head.body) == (200, whole.headers, None)
    known = world.reply("/simple/foo/", if_none_match=dict(whole.headers)["etag"])
    assert (known.status, known.body) == (304, None)


def test_a_commit_is_seen_by_the_next_request(world: World) -> None:
    for serial in range(7, 20):
        world.page(f"page {serial}", serial)
        assert world.reply("/simple/foo/").body == f"page {serial} html".encode() * 50


def test_a_page_deleted_is_asked_of_the_origin(world: World) -> None:
    world.page()
    world.reply("/simple/foo/")
    world.database.execute("DELETE FROM catalogue_page")
    world.miss("/simple/foo/")


def test_a_page_that_became_private_is_not_answered_from_memory(world: World) -> None:
    world.page()
    world.reply("/simple/foo/")
    world.page(audience="secret")
    world.miss("/simple/foo/")


def test_a_page_is_not_answered_after_its_moment(world: World) -> None:
    world.page(valid_until=world.now + 60)
    world.reply("/simple/foo/")
    world.now += 60
    world.miss("/simple/foo/")


def test_indexes_are_apart(world: World) -> None:
    world.page("dev", index="dev")
    world.miss("/simple/foo/")
    assert world.reply("/index/dev/simple/foo/").body == b"dev html" * 50


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "DELETE"])
def test_other_methods_are_the_origins(world: World, method: str) -> None:
    world.page()
    assert world.ask("/simple/foo/", method) is None


@pytest.mark.parametrize("path", ["/", "/simple/Foo/", "/simple/foo", "/@serial-3/simple/Foo/"])
def test_other_addresses_are_the_origins(world: World, path: str) -> None:
    assert world.ask(path) is None


def test_N7_what_can_not_be_sent_is_refused_by_the_origin(world: World) -> None:
    world.page()
    assert world.ask("/simple/foo/", accept="application/vnd.pypi.simple.v9+json") is None


def test_a_catalogue_that_can_not_be_read_leaves_all_to_the_origin(world: World) -> None:
    world.page()
    world.pages.close()
    assert world.ask("/simple/foo/") is None


# --- names nobody has


def learn_404(world: World, path: str = "/simple/nope/", *, public: bool = True) -> None:
    world.miss(path).watch.replaced(404, error_headers(13, public=public))


def test_the_first_to_ask_gets_what_all_others_get(world: World) -> None:
    asked = world.miss("/simple/foo/")
    world.page()
    assert asked.watch.replaced(200, (("x-frame-options", "DENY"),)) == world.reply("/simple/foo/")


def test_U9_a_404_is_remembered_until_the_names_change(world: World) -> None:
    world.names(7)
    learn_404(world)
    found = world.reply("/simple/nope/")
    assert (found.status, found.body, found.headers) == (404, b"404 Not Found", error_headers(13))
    assert world.reply("/simple/nope/", "HEAD").body is None
    world.page()  # a commit that changes no name
    assert world.reply("/simple/nope/").status == 404
    world.names(8)
    world.miss("/simple/nope/")


def test_a_404_is_not_remembered_past_a_name_that_came_meanwhile(world: World) -> None:
    world.names(7)
    asked = world.miss("/simple/foo/")
    world.names(8)
    world.page()
    asked.watch.replaced(404, error_headers(13))
    assert world.reply("/simple/foo/").status == 200


def test_a_404_is_not_remembered_without_a_row_of_names_or_for_some_only(world: World) -> None:
    learn_404(world)
    world.miss("/simple/nope/")
    world.names(7)
    learn_404(world, public=False)
    world.miss("/simple/nope/")


def test_a_404_is_asked_for_again_when_rights_change(world: World) -> None:
    world.names(7)
    learn_404(world)
    world.move_access()
    world.miss("/simple/nope/")


# --- who may read


def let_in(world: World, credential: str = CREDENTIAL) -> None:
    asked = world.miss("/simple/foo/", authorization=credential)
    sent = asked.watch.replaced(200, (("x-packhouse-audience", "secret"),))
    assert sent is not None
    assert sent.status == 200


def test_a_private_page_is_answered_to_whom_the_origin_let_in(world: World) -> None:
    world.page(audience="secret")
    let_in(world)
    found = world.reply("/simple/foo/", authorization=CREDENTIAL)
    assert found.status == 200
    assert "private" in dict(found.headers)["cache-control"]
    assert "Authorization" in dict(found.headers)["vary"]
    world.miss("/simple/foo/")
    world.miss("/simple/foo/", authorization="Basic abd")


def test_a_revoked_credential_fails_on_the_very_next_request(world: World) -> None:
    world.page(audience="secret")
    let_in(world)
    world.reply("/simple/foo/", authorization=CREDENTIAL)
    world.move_access()
    world.miss("/simple/foo/", authorization=CREDENTIAL)


def test_a_revocation_during_the_origins_answer_counts(world: World) -> None:
    world.page(audience="secret")
    asked = world.miss("/simple/foo/", authorization=CREDENTIAL)
    world.move_access()
    asked.watch.replaced(200, (("x-packhouse-audience", "secret"),))
    world.miss("/simple/foo/", authorization=CREDENTIAL)


def test_a_credential_ends_at_its_moment(world: World) -> None:
    world.page(audience="secret")
    asked = world.miss("/simple/foo/", authorization=CREDENTIAL)
    told = (("x-packhouse-audience", "secret"), ("x-packhouse-until", str(world.now + 60.5)))
    asked.watch.replaced(200, told)
    world.now += 60
    world.reply("/simple/foo/", authorization=CREDENTIAL)
    world.now += 0.5
    world.miss("/simple/foo/", authorization=CREDENTIAL)


def test_an_end_that_can_not_be_read_lets_nobody_in(world: World) -> None:
    world.page(audience="secret")
    asked = world.miss("/simple/foo/", authorization=CREDENTIAL)
    asked.watch.replaced(200, (("x-packhouse-audience", "secret"), ("x-packhouse-until", "soon")))
    world.miss("/simple/foo/", authorization=CREDENTIAL)


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_lets_nobody_in(world: World, status: int) -> None:
    world.page(audience="secret")
    asked = world.miss("/simple/foo/", authorization=CREDENTIAL)
    asked.watch.replaced(status, (("x-packhouse-audience", "secret"),))
    world.miss("/simple/foo/", authorization=CREDENTIAL)


def test_flights_of_different_people_are_apart(world: World) -> None:
    keys = {world.miss("/simple/foo/", authorization=who).key for who in ("Basic a", "Basic b")}
    assert len(keys | {world.miss("/simple/foo/").key, world.miss("/simple/foo/", accept=JSON).key}) == 4


# --- files


def learn_file(world: World, data: bytes, audience: str = "", **headers: str) -> Reply | None:
    world.blobs.put(data)
    asked = world.miss(file_path(data), **headers)
    return asked.watch.replaced(200, hand_off(data, "foo-1.0-py3-none-any.whl", audience))


def test_a_small_file_comes_from_memory_with_the_origins_headers(world: World) -> None:
    world.page()
    first = learn_file(world, SMALL)
    again = world.reply(file_path(SMALL))
    assert first == again
    assert (again.status, again.body) == (200, SMALL)
    headers = dict(again.headers)
    assert headers["content-length"] == str(len(SMALL))
    assert "immutable" in headers["cache-control"]
    assert not [name for name in headers if name.startswith("x-packhouse-")]


def test_a_large_file_is_sent_from_its_blob(world: World) -> None:
    world.page()
    sent = learn_file(world, LARGE)
    path = str(world.blobs.path(hashlib.sha256(LARGE).hexdigest()))
    assert sent is not None
    assert sent.body == FileRange(path, 0, len(LARGE))
    part = world.reply(file_path(LARGE), range="bytes=5-9")
    assert (part.status, part.body) == (206, FileRange(path, 5, 10))


def test_F6_ranges_of_a_small_file(world: World) -> None:
    world.page()
    learn_file(world, SMALL)
    part = world.reply(file_path(SMALL), range="bytes=-4")
    assert (part.status, part.body, dict(part.headers)["content-length"]) == (206, SMALL[-4:], "4")
    beyond = world.reply(file_path(SMALL), range="bytes=5000-")
    assert (beyond.status, dict(beyond.headers)["content-range"]) == (416, f"bytes */{len(SMALL)}")


def test_F5_head_of_a_file(world: World) -> None:
    world.page()
    learn_file(world, LARGE)
    head = world.reply(file_path(LARGE), "HEAD")
    assert (head.status, head.body, dict(head.headers)["content-length"]) == (200, None, str(len(LARGE)))


def test_a_file_is_asked_for_again_when_its_project_changes(world: World) -> None:
    world.page()
    learn_file(world, SMALL)
    world.page("another", 8, project="bar")
    world.reply(file_path(SMALL))
    world.page("changed", 9)
    world.miss(file_path(SMALL))


def test_a_file_whose_project_changed_meanwhile_is_not_kept(world: World) -> None:
    world.page()
    world.blobs.put(SMALL)
    asked = world.miss(file_path(SMALL))
    world.page("quarantined", 8)
    asked.watch.replaced(200, hand_off(SMALL, "foo-1.0-py3-none-any.whl"))
    world.miss(file_path(SMALL))


def test_a_file_of_a_project_without_a_page_is_sent_but_not_kept(world: World) -> None:
    sent = learn_file(world, SMALL)
    assert sent is not None
    assert sent.body == SMALL
    world.miss(file_path(SMALL))


def test_a_private_file_needs_the_right(world: World) -> None:
    world.page(audience="secret")
    learn_file(world, SMALL, "secret", authorization=CREDENTIAL)
    found = world.reply(file_path(SMALL), authorization=CREDENTIAL)
    assert "private" in dict(found.headers)["cache-control"]
    world.miss(file_path(SMALL))
    world.move_access()
    world.miss(file_path(SMALL), authorization=CREDENTIAL)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("damage", ["gone", "cut short"])
def test_a_damaged_blob_is_never_a_success(world: World, data: bytes, damage: str) -> None:
    world.page()
    path = world.blobs.path(world.blobs.put(data))
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:50])
    asked = world.miss(file_path(data))
    sent = asked.watch.replaced(200, hand_off(data, "foo-1.0-py3-none-any.whl"))
    assert sent is AWAY  # the origin is asked for the bytes themselves, and knows what is wrong


def test_what_the_origin_did_not_hand_over_is_its_own_to_send(world: World) -> None:
    asked = world.miss(file_path(SMALL))
    assert asked.watch.replaced(404, error_headers(13)) is None
    assert asked.watch.replaced(200, (("content-length", "5"),)) is None
    assert asked.watch.replaced(200, (("x-packhouse-blob", "../../etc/passwd"), ("x-packhouse-size", "1"))) is None


class Known:
    """Requests that a server knows again by their headers."""

    def __init__(self, world: World, **headers: str) -> None:
        self._world = world
        self._items = [(name.replace("_", "-"), value) for name, value in headers.items()]

    def again(self, path: str, method: str = "GET", query: str = "") -> Reply | None:
        return self._world.reading.again(self._request(path, method, query))

    def answer(self, path: str, method: str = "GET", query: str = "") -> Reply | Miss | None:
        return self._world.reading.answer(self._request(path, method, query))

    def _request(self, path: str, method: str, query: str) -> Request:
        return Request(method, path, query, self._items, known=self)


def test_the_very_same_request_gets_the_very_same_reply_until_something_is_committed(world: World) -> None:
    world.page()
    known = Known(world, accept=JSON)
    path = "/simple/foo/"
    assert known.again(path) is None
    known.answer(path)  # into the memory
    first = known.answer(path)
    assert isinstance(first, Reply)
    assert known.again(path) == first == known.answer(path)
    world.page("other", serial=8)
    assert known.again(path) is None
    known.answer(path)
    second = known.answer(path)
    assert isinstance(second, Reply)
    assert second.body != first.body
    assert known.again(path) == second


def test_a_commit_elsewhere_takes_a_look_and_then_it_is_the_same_again(world: World) -> None:
    world.page()
    known = Known(world, accept=JSON)
    found = [known.answer("/simple/foo/") for _ in range(2)]
    world.page(project="bar", serial=9)
    assert known.again("/simple/foo/") is None
    assert known.answer("/simple/foo/") == found[1] == known.again("/simple/foo/")


def test_only_plain_public_gets_are_answered_again(world: World) -> None:
    world.page()
    world.page(project="closed", audience="a")
    world.page(project="passing", valid_until=world.now + 60)
    known, other = Known(world, accept=JSON), Known(world, accept="text/html")
    for path in ("/simple/foo/", "/simple/closed/", "/simple/passing/", "/simple/none/"):
        for _ in range(3):
            known.answer(path)
            known.answer(path, method="HEAD")
    assert known.again("/simple/foo/") is not None
    assert known.again("/simple/foo/", method="HEAD") is None
    assert known.again("/simple/foo/", query="format=json") is None
    assert other.again("/simple/foo/") is None
    assert [known.again(f"/simple/{name}/") for name in ("closed", "passing", "none")] == [None] * 3


def test_a_304_is_answered_again_while_its_tag_is_the_pages(world: World) -> None:
    world.page()
    tag = dict(world.reply("/simple/foo/", accept=JSON).headers)["etag"]
    known = Known(world, accept=JSON, if_none_match=tag)
    for _ in range(3):
        assert known.answer("/simple/foo/").status == 304  # type: ignore[union-attr]
    assert known.again("/simple/foo/").status == 304  # type: ignore[union-attr]
    world.page("other", serial=8)
    assert known.again("/simple/foo/") is None
    assert known.answer("/simple/foo/").status == 200  # type: ignore[union-attr]


def test_small_metadata_is_answered_again_and_what_counts_as_a_download_is_not(world: World) -> None:
    world.page()
    world.blobs.put(SMALL)
    known = Known(world)
    for serial, filename in ((8, "foo-1.0-py3-none-any.whl.metadata"), (9, "foo-1.0-py3-none-any.whl")):
        path = file_path(SMALL, filename)
        missed = known.answer(path)
        assert isinstance(missed, Miss)
        missed.watch.replaced(200, hand_off(SMALL, filename))
        replies = [known.answer(path) for _ in range(2)]
        again = known.again(path)
        assert again == (replies[1] if filename.endswith(".metadata") else None)
        world.page(serial=serial)
        assert known.again(path) is None


class Made:
    """Where the origin leaves what it made of past states."""

    def __init__(self) -> None:
        self.pages: dict[Any, Page] = {}

    def named(self, name: Any) -> Page | None:
        return self.pages.get(name)


def past(audience: str = "", text: bytes = b"what was") -> Page:
    return make_page(text * 50, index="main", project="foo", kind="json", serial=3, modified=1, audience=audience)


PAST = "/@serial-3/simple/foo/"


@pytest.fixture
def made(world: World, tmp_path: Path) -> Made:
    found = Made()
    world.reading = Reading(world.pages, Blobs(PathOf(tmp_path / "blobs")), clock=lambda: world.now, past=found)
    return found


def learn(world: World, page: Page, **headers: str) -> Reply | None:
    """Ask, and let the origin answer with this page."""
    return world.miss(PAST, accept=JSON, **headers).watch.replaced(200, (("etag", f'"{page.etag}-gzip"'),))


def test_a_page_of_the_past_is_sent_from_memory_until_something_of_its_project_moves(world: World, made: Made) -> None:
    world.page(serial=7)
    page = made.pages["main", "foo", "json", "serial-3"] = past()
    first = learn(world, page)
    kept = world.reply(PAST, accept=JSON)
    assert kept == first
    assert (kept.status, kept.body) == (200, page.body)
    assert dict(kept.headers)["cache-control"] == "max-age=86400"
    assert world.reply(PAST, accept=JSON, if_none_match=dict(kept.headers)["etag"]).status == 304
    assert isinstance(world.ask(PAST, accept="text/html"), Miss)
    assert isinstance(world.ask("/@serial-4/simple/foo/", accept=JSON), Miss)
    world.page(serial=8)  # something of it was purged, say
    assert isinstance(world.ask(PAST, accept=JSON), Miss)


def test_a_page_of_the_past_is_not_kept_without_a_mark_or_when_another_was_made_meanwhile(
    world: World, made: Made
) -> None:
    page = made.pages["main", "foo", "json", "serial-3"] = past()
    learn(world, page)  # the project has no page now
    assert isinstance(world.ask(PAST, accept=JSON), Miss)
    world.page()
    learn(world, past(text=b"another"))
    assert isinstance(world.ask(PAST, accept=JSON), Miss)
    made.pages.clear()
    learn(world, page)
    assert isinstance(world.ask(PAST, accept=JSON), Miss)


def test_AU1_a_page_of_the_past_of_a_closed_index_is_for_those_let_through(world: World, made: Made) -> None:
    world.page(audience="readers")
    page = made.pages["main", "foo", "json", "serial-3"] = past("readers")
    learn(world, page, authorization=CREDENTIAL)
    assert isinstance(world.ask(PAST, accept=JSON), Miss)
    assert isinstance(world.ask(PAST, accept=JSON, authorization=CREDENTIAL), Miss)
    present = world.miss("/simple/foo/", accept=JSON, authorization=CREDENTIAL)
    present.watch.replaced(200, (("x-packhouse-audience", "readers"),))
    assert world.reply(PAST, accept=JSON, authorization=CREDENTIAL).body == page.body
    assert "private" in dict(world.reply(PAST, accept=JSON, authorization=CREDENTIAL).headers)["cache-control"]
    world.move_access()
    assert isinstance(world.ask(PAST, accept=JSON, authorization=CREDENTIAL), Miss)
