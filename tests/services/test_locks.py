# SPDX-License-Identifier: Apache-2.0
"""Locks: the same state makes the same bytes, a changed one is refused, and each kind of difference has its word."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press
from tests.infra.pulling import committed, main, resources
from tests.infra.upstreams import UpFile, Upstream, upstream

from packhouse.catalogue.models import File, Index
from packhouse.domain.listing import Status
from packhouse.domain.locks import Change, differences, read
from packhouse.errors import Kind, PackhouseError
from packhouse.services import file_purging, index_rules, journal, locks, projects, releases, snapshots
from packhouse.services.indexes import LayerSpec, create_index, set_layers
from packhouse.services.journal import COMMAND
from packhouse.services.pulling import pull
from packhouse.services.resources import Resources

__all__ = ["committed", "main", "resources"]

pytestmark = pytest.mark.django_db

FOO = "foo-{}-py3-none-any.whl"


@pytest.fixture
def source() -> Iterator[Upstream]:
    with upstream() as running:
        running.add("tapes", UpFile("tapes-1.0.tar.gz", b"one", requires_python=">=3.9", yanked="broken"))
        running.add("reels", UpFile("reels-1.0.tar.gz", b"two"))
        yield running


def state(clock: TickingClock) -> str:
    """The state now, left behind by a moment."""
    clock.move(hours=1)
    return f"@serial-{journal.last_serial()}"


def made(index: str, at: str, clock: TickingClock) -> bytes:
    return b"".join(locks.of_index(index, at, clock))


def changed(before: bytes, after: bytes) -> list[Change]:
    return list(differences(read(before), read(after)))


def test_the_same_state_makes_the_same_bytes_with_their_own_digest(press: Press, clock: TickingClock):
    press.wheel("foo", "1.0")
    press.wheel("bar", "1.0")
    at = state(clock)
    first = made("main", at, clock)
    press.wheel("foo", "2.0")
    clock.move(days=3)
    assert made("main", at, clock) == first
    document = json.loads(first)
    assert [project["name"] for project in document["projects"]] == ["bar", "foo"]
    assert first.splitlines()[1].startswith(b'{"files":[')
    assert len(first.splitlines()) == 4
    told = document.pop("sha256")
    rows = [{key: value for key, value in document.items() if key != "projects"}, *document["projects"]]
    lines = [json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() for row in rows]
    assert hashlib.sha256(b"\n".join(lines)).hexdigest() == told


def test_it_says_all_there_is_to_a_file_of_ours_and_of_an_upstream(
    press: Press, main: Index, resources: Resources, clock: TickingClock
):
    press.wheel("foo", "1.0")
    pull(resources, "main", "tapes")
    document = json.loads(made("main", "now", clock))
    ours, theirs = document["projects"]
    assert (ours["layer"], theirs["layer"]) == ("index:main", "upstream:default")
    assert document["indexes"]["main"]["layers"] == ["own", "upstream:default"]
    row = File.objects.get()
    assert ours["files"][0] == {
        "filename": row.filename,
        "version": "1.0",
        "sha256": row.sha256,
        "size": row.size,
        "upload-time": row.uploaded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "first-seen": row.uploaded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "core-metadata": row.metadata_sha256,
    }
    [file] = theirs["files"]
    assert file.pop("first-seen")[:16] == clock().strftime("%Y-%m-%dT%H:%M")
    assert file == {
        "filename": "tapes-1.0.tar.gz",
        "version": "1.0",
        "sha256": hashlib.sha256(b"one").hexdigest(),
        "size": 3,
        "upload-time": "2024-05-06T07:08:09.123456Z",
        "requires-python": ">=3.9",
        "yanked": "broken",
    }


def test_one_of_an_upstream_has_what_was_kept_of_it_without_rules(
    press: Press, main: Index, resources: Resources, clock: TickingClock, source: Upstream
):
    press.wheel("foo", "1.0")
    for name in ("tapes", "reels"):
        pull(resources, "main", name)
    index_rules.change_rule(COMMAND, "main", "deny", "tapes", clock=clock)
    asked = len(source.asked)
    document = json.loads(b"".join(locks.of_upstream("default", "now", clock)))
    assert [project["name"] for project in document["projects"]] == ["reels", "tapes"]
    assert [len(project["files"]) for project in document["projects"]] == [1, 1]
    assert [len(project["files"]) for project in json.loads(made("main", "now", clock))["projects"]] == [1, 1, 0]
    assert len(source.asked) == asked
    with pytest.raises(PackhouseError) as refused:
        locks.of_upstream("nobody", "now", clock)
    assert refused.value.kind is Kind.MISSING


def test_every_difference_has_a_word(press: Press, main: Index, clock: TickingClock):
    create_index(COMMAND, "staging", clock=clock)
    for version in ("1.0", "2.0", "3.0"):
        press.wheel("foo", version)
    releases.yank(COMMAND, "foo", "3.0", reason="broken", clock=clock)
    before = made("main", state(clock), clock)
    releases.yank(COMMAND, "foo", "1.0", reason="bad", clock=clock)
    releases.unyank(COMMAND, "foo", "3.0", clock=clock)
    releases.delete(COMMAND, "foo", "2.0", clock=clock)
    press.wheel("foo", "4.0")
    press.wheel("bar", "1.0")
    projects.set_status(COMMAND, "foo", Status.DEPRECATED, reason="", clock=clock)
    set_layers(COMMAND, "main", [LayerSpec("own"), LayerSpec("index", "staging")], clock=clock)
    found = changed(before, made("main", state(clock), clock))
    layers = ["index", "index"]  # of main, and of the one that is new
    assert [change.what for change in found if not change.project] == layers
    assert [change for change in found if change.project] == [
        Change("added", "bar", "1.0", "bar-1.0-py3-none-any.whl"),
        Change("status", "foo", detail="active -> deprecated"),
        Change("yanked", "foo", "1.0", FOO.format("1.0"), "bad"),
        Change("unyanked", "foo", "3.0", FOO.format("3.0")),
        Change("removed", "foo", "2.0", FOO.format("2.0")),
        Change("added", "foo", "4.0", FOO.format("4.0")),
    ]


def test_what_was_purged_or_tampered_with_differs_at_its_own_moment(
    press: Press, main: Index, resources: Resources, clock: TickingClock
):
    for name in ("bar", "foo"):
        press.wheel(name, "1.0")
    snapshots.create(COMMAND, "main", "before", clock=clock)
    lock = read(made("main", "before", clock))
    clock.move(hours=1)
    assert list(differences(lock, locks.again(lock, "then", clock))) == []
    file_purging.purge(COMMAND, "bar", "1.0", reason="a secret", clock=clock)
    File.objects.filter(filename=FOO.format("1.0")).update(sha256="0" * 64)
    found = list(differences(lock, locks.again(lock, "then", clock)))
    assert [(change.what, change.project) for change in found] == [("removed", "bar"), ("digest", "foo")]
    assert found[1].detail.endswith(f" -> {'0' * 64}")


def tampered(data: bytes, change: Any) -> bytes:
    document = json.loads(data)
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["projects"][0]["files"][0].update(sha256="0" * 64),
        lambda document: document["projects"].clear(),
        lambda document: document.update(serial=10**30),
        lambda document: document.update(sha256="0" * 64),
        lambda document: document.update(sha256=None),
        lambda document: document.update(projects={}),
        lambda document: document.update(projects=[1]),
        lambda document: document.update({"packhouse-lock": 2}),
        lambda document: document.pop("packhouse-lock"),
        lambda document: document["projects"][0].pop("files"),
        lambda document: document["projects"][0].update(files=[[]]),
    ],
)
def test_a_lock_that_was_changed_is_refused(press: Press, clock: TickingClock, change: Any):
    press.wheel("foo", "1.0")
    data = made("main", "now", clock)
    assert read(tampered(data, dict)).projects.keys() == {"foo"}  # written otherwise, saying the same
    with pytest.raises(PackhouseError) as refused:
        read(tampered(data, change))
    assert (refused.value.kind, refused.value.code) == (Kind.INVALID, "lock-invalid")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b"null", b'{"projects":[],"sha256":""}'])
def test_what_is_no_lock_is_refused(data: bytes):
    with pytest.raises(PackhouseError) as refused:
        read(data)
    assert refused.value.code == "lock-invalid"
