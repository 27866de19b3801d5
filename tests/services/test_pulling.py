# SPDX-License-Identifier: Apache-2.0
"""Pulling pages through: what is asked of an upstream and what never, what is kept of it, and what when it fails."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from tests.infra.clock import TickingClock
from tests.infra.disks import small_disk
from tests.infra.publishing import Press, make_resources
from tests.infra.pulling import committed, main, resources
from tests.infra.upstreams import HTML, JSON, UpFile, Upstream, cut_after, redirect, sends, status, upstream

from packhouse.errors import Kind, PackhouseError
from packhouse.services.doors import Breaker
from packhouse.storage.local_blobs import LocalBlobs

if TYPE_CHECKING:
    from packhouse.catalogue.models import Index
    from packhouse.services.resources import Resources

__all__ = ["committed", "main", "resources", "small_disk"]

WHEEL = "tapes-1.0-py3-none-any.whl"


@pytest.fixture
def source() -> Iterator[Upstream]:
    with upstream() as host:
        host.add("tapes", UpFile(WHEEL, b"one", requires_python=">=3.9", yanked="broken", metadata=b"Name: tapes"))
        yield host


def read(resources: Resources, name: str = "tapes", kind: str = "json", index: str = "main") -> Any:
    """The page as somebody who asks gets it; None for a 404."""
    from packhouse.services import pages, pulling

    page = pages.read_page(index, name, kind, resources.clock, lambda where, what: pulling.pull(resources, where, what))
    return None if page is None else orjson.loads(page.body) if kind == "json" else page.body.decode()


def later(clock: TickingClock, seconds: float = 601) -> None:
    clock.move(seconds=seconds)


def change(source: Upstream, **said: Any) -> UpFile:
    file = source.projects["tapes"].files[0]
    for key, value in said.items():
        setattr(file, key, value)
    return file


def test_a_page_of_the_upstream_becomes_one_of_ours(main: Index, resources: Resources, source: Upstream):
    page = read(resources)
    file = source.projects["tapes"].files[0]
    assert page["files"] == [
        {
            "filename": WHEEL,
            "url": f"../../files/{file.sha256}/{WHEEL}",
            "hashes": {"sha256": file.sha256},
            "size": 3,
            "upload-time": "2024-05-06T07:08:09.123456Z",
            "requires-python": ">=3.9",
            "yanked": "broken",
            "core-metadata": {"sha256": file.metadata_digest},
        }
    ]
    assert (page["name"], page["versions"]) == ("tapes", ["1.0"])
    assert f'href="../../files/{file.sha256}/{WHEEL}#sha256={file.sha256}"' in read(resources, kind="html")
    assert source.paths() == ["/simple/tapes/"]


def test_a_name_the_upstream_does_not_have_is_asked_for_once_a_minute(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    assert read(resources, "nothing") is None
    assert read(resources, "nothing") is None
    assert source.paths() == ["/simple/nothing/"]
    source.add("nothing", UpFile("nothing-1.0.tar.gz", b"x"))
    later(clock, 61)
    assert [file["filename"] for file in read(resources, "nothing")["files"]] == ["nothing-1.0.tar.gz"]


def test_a_page_is_asked_for_again_after_its_time_and_only_if_it_changed(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.catalogue.models import Observation

    read(resources)
    later(clock)
    read(resources)
    assert [headers.get("if-none-match") is not None for _, _, headers in source.asked] == [False, True]
    change(source, yanked=False)
    later(clock)
    assert read(resources)["files"][0]["yanked"] is False
    assert Observation.objects.count() == 2


@pytest.mark.parametrize("name", ["acme-utils", "acme"])
def test_hostile_233_a_reserved_name_never_goes_out(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock, name: str
):
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstreams import set_reserved

    set_reserved(COMMAND, ["Acme-*"], clock=clock)
    source.add(name, UpFile(f"{name.replace('-', '_')}-9.tar.gz", b"evil"))
    assert read(resources, name) is None
    assert source.asked == []


def test_hostile_232_a_private_name_never_goes_out(press: Press, main: Index, resources: Resources, source: Upstream):
    press.wheel("acme-utils", "1.0")
    source.add("acme-utils", UpFile("acme_utils-99.0.tar.gz", b"evil"))
    assert [file["filename"] for file in read(resources, "acme-utils")["files"]] == ["acme_utils-1.0-py3-none-any.whl"]
    assert source.asked == []


def test_hostile_234_a_deleted_private_name_never_goes_out(
    press: Press, main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.services.journal import COMMAND
    from packhouse.services.projects import delete_project

    press.wheel("acme-utils", "1.0")
    delete_project(COMMAND, "acme-utils", clock=clock)
    source.add("acme-utils", UpFile("acme_utils-99.0.tar.gz", b"evil"))
    assert read(resources, "acme-utils") is None
    assert source.asked == []


@pytest.mark.parametrize("code", [429, 500, 503, 403, 451])
def test_hostile_227_an_upstream_that_fails_leaves_the_older_copy(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock, code: int
):
    before = read(resources)
    source.faults["*"] = status(code, ("Retry-After", "30"))
    later(clock)
    assert read(resources) == before
    asked = len(source.asked)
    later(clock, 4)
    assert read(resources) == before
    assert len(source.asked) == asked  # left alone for a while
    source.faults.clear()
    change(source, yanked=False)
    later(clock, 120)
    assert read(resources)["files"][0]["yanked"] is False


@pytest.mark.parametrize("code", [429, 500, 503, 403, 451])
def test_hostile_227_without_an_older_copy_it_is_an_error_and_no_404(
    main: Index, resources: Resources, source: Upstream, code: int
):
    source.faults["*"] = status(code)
    with pytest.raises(PackhouseError) as caught:
        read(resources)
    assert (caught.value.kind, caught.value.code) == (Kind.UPSTREAM, "upstream-failed")


def test_hostile_227_another_project_is_not_affected(main: Index, resources: Resources, source: Upstream):
    source.add("reels", UpFile("reels-1.0.tar.gz", b"x"))
    source.faults["/simple/tapes/"] = status(500)
    for _ in range(2):
        with pytest.raises(PackhouseError):
            read(resources)
    assert len(read(resources, "reels")["files"]) == 1


def test_hostile_227_after_failures_in_a_row_one_at_a_time_tries_again():
    breaker = Breaker()
    for _ in range(2):
        breaker.failed(100.0, None)
    assert not breaker.is_open(100.0)
    breaker.failed(100.0, None)
    assert breaker.is_open(104.0)
    assert [breaker.is_open(105.0) for _ in range(3)] == [False, True, True]  # one is let through
    breaker.failed(106.0, 30)
    assert breaker.is_open(135.0)  # Retry-After is heeded
    assert not breaker.is_open(137.0)
    breaker.worked()
    assert not breaker.is_open(137.1)


@pytest.mark.parametrize("kind", ["page", "file", "metadata"])
def test_hostile_226_249_credentials_are_in_no_log_no_error_and_no_row(
    committed: None,
    main: Index,
    resources: Resources,
    source: Upstream,
    clock: TickingClock,
    caplog: pytest.LogCaptureFixture,
    kind: str,
):
    from django.core import serializers

    from packhouse.catalogue.models import JournalEntry, UpstreamFile, UpstreamProject
    from packhouse.catalogue.models import Upstream as Row
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstream_facts import facts_of
    from packhouse.services.upstreams import Wanted, set_upstream

    secret, sealed = "cAnArY", "bWU6Y0FuQXJZ"
    address = source.url.replace("http://", f"http://me:{secret}@")
    set_upstream(COMMAND, "default", Wanted(url=address), clock=clock)
    source.credentials = f"Basic {sealed}"
    caplog.set_level("DEBUG")
    if kind != "page":
        read(resources)
    source.faults["*"] = status(500)
    asking = partial(read, resources) if kind == "page" else partial(bring, resources, metadata=kind == "metadata")
    with pytest.raises(PackhouseError) as caught:
        asking()
    assert all(headers.get("authorization") == source.credentials for _, _, headers in source.asked)
    rows = [
        *Row.objects.all(),
        *UpstreamProject.objects.all(),
        *UpstreamFile.objects.all(),
        *JournalEntry.objects.all(),
    ]
    said = "".join(
        [caplog.text, caught.value.message, serializers.serialize("json", rows), str(list(facts_of("default")))]
    )
    assert secret not in said
    assert sealed not in said


def test_an_upstream_that_is_strict_gives_nothing_older(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    set_mode("strict", clock)
    read(resources)
    source.faults["*"] = status(503)
    later(clock)
    with pytest.raises(PackhouseError):
        read(resources)


def test_one_that_is_offline_is_never_asked(main: Index, resources: Resources, source: Upstream, clock: TickingClock):
    before = read(resources)
    set_mode("offline", clock)
    later(clock)
    assert read(resources) == before
    assert read(resources, "other") is None
    assert source.paths() == ["/simple/tapes/"]


def set_mode(mode: str, clock: TickingClock) -> None:
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstreams import Wanted, set_upstream

    set_upstream(COMMAND, "default", Wanted(mode=mode), clock=clock)


@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/html", b"<h1>Sign in to the hotel's network</h1>"), ("text/html", b""), ("image/png", b"x"), (JSON, b"[]"),
     (JSON, b'{"meta": {"api-version": "2.0"}, "files": []}'), (JSON, b"[" * 100_000)],
)  # fmt: skip
def test_hostile_222_what_is_no_page_is_an_error_or_the_older_copy(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock, kind: str, body: bytes
):
    source.faults["*"] = sends(kind, body)
    with pytest.raises(PackhouseError) as caught:
        read(resources)
    assert caught.value.kind is Kind.UPSTREAM
    source.faults.clear()
    before = read(resources)
    source.faults["*"] = sends(kind, body)
    later(clock)
    assert read(resources) == before


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "file:///etc/passwd", "//other.example/tapes.whl", "http://169.254.169.254/tapes.whl",
     "http://localhost:1/tapes.whl", "https://other.example/tapes.whl"],
)  # fmt: skip
def test_hostile_223_a_file_behind_another_host_is_left_out(
    main: Index, resources: Resources, source: Upstream, url: str
):
    from packhouse.services.upstream_facts import facts_of

    change(source, url=url)
    assert read(resources)["files"] == []
    assert dropped() == 1
    [left_out] = [value for key, value in facts_of("default") if key == "left out"]
    host = url.partition("//")[2].partition("/")[0] if url.startswith(("http", "//")) else ""
    assert left_out == "tapes: 1 files" + (f", some at hosts that its list lacks (--host): {host}" if host else "")


def dropped() -> int:
    from packhouse.catalogue.models import UpstreamProject

    return UpstreamProject.objects.get(name="tapes").dropped


@pytest.mark.parametrize(
    "filename",
    [
        "../../x.whl",
        "evil.html",
        "other-1.0-py3-none-any.whl",
        "tapes-x-py3-none-any.whl",
        "tapes-1.0.exe",
        "",
        "a/b.whl",
    ],
)
def test_hostile_224_a_file_that_is_not_the_projects_is_left_out(
    main: Index, resources: Resources, source: Upstream, filename: str
):
    source.projects["tapes"].files.append(UpFile(filename, b"two", url="../../files/x"))
    assert [file["filename"] for file in read(resources)["files"]] == [WHEEL]
    assert dropped() == 1


def test_hostile_224_one_name_with_two_digests_is_left_out(main: Index, resources: Resources, source: Upstream):
    source.projects["tapes"].files.append(UpFile(WHEEL, b"two"))
    assert read(resources)["files"] == []
    assert dropped() == 2


def test_hostile_226_a_loop_of_redirects_is_an_error(main: Index, resources: Resources, source: Upstream):
    source.faults["*"] = redirect("/simple/tapes/")
    with pytest.raises(PackhouseError) as caught:
        read(resources)
    assert "redirected too often" in caught.value.message


def test_hostile_229_a_digest_that_changes_is_refused_and_journalled(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.catalogue.models import JournalEntry

    before = read(resources)["files"][0]["hashes"]
    file = change(source, data=b"another")
    for _ in range(2):
        later(clock)
        assert read(resources)["files"][0]["hashes"] == before
    entry = JournalEntry.objects.get(kind="upstream file refused")
    assert (entry.filename, entry.detail["said"]) == (WHEEL, file.sha256)


def test_hostile_243_what_a_rule_hides_is_not_asked_of_the_upstream(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.services import files, index_rules
    from packhouse.services.journal import COMMAND

    change(source, metadata=None)
    digest = read(resources)["files"][0]["hashes"]["sha256"]
    index_rules.change_rule(COMMAND, "main", "deny", "tapes", clock=clock)
    assert read(resources)["files"] == []
    for metadata in (False, True):
        with pytest.raises(PackhouseError) as caught:
            files.offered_file("main", digest, WHEEL, metadata=metadata, now=clock())
        assert (caught.value.kind, caught.value.code) == (Kind.FORBIDDEN, "file-denied")
    assert source.paths("/files/") == []


@pytest.mark.parametrize("form", [JSON, HTML])
def test_hostile_230_quarantine_and_yanks_come_through(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock, form: str
):
    source.forms = (form,)
    change(source, yanked=False)
    assert read(resources)["files"][0]["yanked"] is False
    change(source, yanked="bad")
    later(clock)
    assert read(resources)["files"][0]["yanked"] == "bad"
    source.projects["tapes"].status = "quarantined"
    later(clock)
    page = read(resources)
    assert (page["files"], page["project-status"]["status"]) == ([], "quarantined")


def test_hostile_231_a_file_that_says_it_is_old_is_no_older_than_when_it_was_seen(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.catalogue.models import UpstreamFile

    read(resources)
    source.projects["tapes"].files.append(UpFile("tapes-2.0.tar.gz", b"new", upload_time="2001-01-01T00:00:00Z"))
    later(clock)
    read(resources)
    soon = timedelta(seconds=1)
    assert clock() - UpstreamFile.objects.get(filename="tapes-2.0.tar.gz").seen_at < soon
    assert clock() - UpstreamFile.objects.get(filename=WHEEL).seen_at > soon


def test_an_upload_time_nobody_said_is_when_it_was_seen_and_says_so(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    source.forms = (HTML,)
    file = read(resources)["files"][0]
    assert file["_upload-time-source"] == "first-seen"
    assert file["upload-time"].startswith(clock().isoformat()[:19])
    assert "size" not in file


def test_hostile_227_a_project_that_disappears_upstream_keeps_what_was_kept(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.catalogue.models import UpstreamFile
    from packhouse.services.upstream_facts import facts_of

    source.projects["tapes"].files.append(UpFile("tapes-2.0.tar.gz", b"new"))
    read(resources)
    UpstreamFile.objects.filter(filename=WHEEL).update(kept=True)
    del source.projects["tapes"]
    later(clock)
    assert [file["filename"] for file in read(resources)["files"]] == [WHEEL]
    assert source.paths()[-1] == "/simple/tapes/"
    assert ("gone", "tapes") in list(facts_of("default"))


def test_hostile_237_of_two_upstreams_the_first_that_has_a_name_answers_alone(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.catalogue.models import Layer
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstreams import Wanted, set_upstream

    with upstream() as other:
        other.add("tapes", UpFile("tapes-99.0.tar.gz", b"other"))
        other.add("reels", UpFile("reels-1.0.tar.gz", b"other"))
        set_upstream(COMMAND, "second", Wanted(url=other.url), clock=clock)
        Layer.objects.create(index=main, position=9, kind="upstream", target="second", from_serial=1)
        assert [file["filename"] for file in read(resources)["files"]] == [WHEEL]
        assert [file["filename"] for file in read(resources, "reels")["files"]] == ["reels-1.0.tar.gz"]
        assert other.paths() == ["/simple/reels/"]


def test_hostile_240_a_hundred_thousand_unknown_names_take_bounded_memory():
    from packhouse.services.doors import Unknown

    unknown = Unknown(1000)
    for number in range(100_000):
        unknown.keep(("default", f"n{number}"), 60.0)
    assert len(unknown) == 1000
    assert unknown.until(("default", "n0"), 1.0) is None
    assert unknown.until(("default", "n99999"), 1.0) == 60.0
    assert unknown.until(("default", "n99999"), 61.0) is None


def test_hostile_240_one_client_asks_for_so_many_unknown_names_a_minute(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.services.doors import Misses
    from packhouse.services.pulling import pull

    resources.doors.misses = Misses(3)
    for number in range(3):
        pull(resources, "main", f"n{number}", client="192.0.2.1")
    with pytest.raises(PackhouseError) as caught:
        pull(resources, "main", "n9", client="192.0.2.1")
    assert (caught.value.kind, caught.value.code) == (Kind.TOO_MANY, "names-too-many")
    pull(resources, "main", "n9", client="192.0.2.2")
    later(clock, 61)
    pull(resources, "main", "n10", client="192.0.2.1")
    assert len(source.asked) == 5


def test_hostile_238_a_reserved_name_is_remembered_like_any_unknown_one(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.services.journal import COMMAND
    from packhouse.services.pulling import unknown_until
    from packhouse.services.upstreams import set_reserved

    set_reserved(COMMAND, ["acme-*"], clock=clock)
    for name in ("acme-utils", "nothing"):
        assert read(resources, name) is None
        until = unknown_until(resources, "main", name)
        assert until is not None
        assert 58 < until - clock().timestamp() <= 60
    assert source.paths() == ["/simple/nothing/"]


def test_credentials_are_kept_sealed(db: None, clock: TickingClock):
    from packhouse.catalogue.models import JournalEntry
    from packhouse.catalogue.models import Upstream as Row
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstreams import Wanted, reach_of, set_upstream

    set_upstream(COMMAND, "team", Wanted(url="https://me:cAnArY@index.example/simple"), clock=clock)
    row = Row.objects.get(name="team")
    assert row.url == "https://index.example/simple/"
    assert "cAnArY" not in row.secret + str(list(JournalEntry.objects.values_list("detail", flat=True)))
    assert reach_of(row).authorization == "Basic bWU6Y0FuQXJZ"


def test_what_is_kept_can_be_asked_for_as_it_was(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.catalogue.pulled import kept_project, upstream_listing_as_of

    source.projects["tapes"].files.append(UpFile("tapes-0.1.tar.gz", b"old", upload_time="2020-01-01T00:00:00Z"))
    read(resources)
    first = clock()
    source.projects["tapes"].files.append(UpFile("tapes-2.0.tar.gz", b"new"))
    later(clock)
    read(resources)
    project = kept_project("default", "tapes")
    assert project is not None

    def at(moment: Any) -> list[tuple[str, bool]]:
        listing = upstream_listing_as_of(project, moment)
        files = () if listing is None else listing.files
        return [(file.filename, ("reconstructed", "true") in file.notes) for file in files]

    assert at(clock()) == [("tapes-0.1.tar.gz", False), (WHEEL, False), ("tapes-2.0.tar.gz", False)]
    assert at(first) == [("tapes-0.1.tar.gz", False), (WHEEL, False)]
    assert at(first.replace(year=2021)) == [("tapes-0.1.tar.gz", True)]
    assert at(first.replace(year=2019)) == []


# names


def test_hostile_235_a_name_the_upstream_is_known_to_have_is_published_when_an_administrator_says_so(
    press: Press, main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.catalogue.models import JournalEntry
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstreams import permit

    press.wheel("reels", "1.0")  # nobody asked for it: nobody is asked about it now
    assert source.asked == []
    read(resources)
    with pytest.raises(PackhouseError) as caught:
        press.wheel("Tapes", "9.0")
    assert (caught.value.kind, caught.value.code) == (Kind.FORBIDDEN, "name-upstream")
    permit(COMMAND, "Tapes", clock=clock)
    assert JournalEntry.objects.filter(kind="upstream name permitted", project="tapes").count() == 1
    press.wheel("tapes", "9.0")
    assert [file["filename"] for file in read(resources)["files"]] == ["tapes-9.0-py3-none-any.whl"]


def test_hostile_236_a_name_of_ours_that_an_upstream_has_too_is_reported_and_stays_ours(
    press: Press, main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstream_facts import collisions
    from packhouse.services.upstreams import permit

    read(resources)
    permit(COMMAND, "tapes", clock=clock)
    press.wheel("tapes", "9.0")
    later(clock)
    asked = len(source.asked)
    assert [file["filename"] for file in read(resources)["files"]] == ["tapes-9.0-py3-none-any.whl"]
    assert len(source.asked) == asked
    assert collisions() == [("tapes", "default")]


def test_the_root_page_names_what_was_kept_and_nothing_else(
    press: Press, main: Index, resources: Resources, source: Upstream
):
    from packhouse.services import pages

    def names() -> list[str]:
        page = pages.read_page("main", "", "json", resources.clock)
        assert page is not None
        return [project["name"] for project in orjson.loads(page.body)["projects"]]

    source.add("never-asked", UpFile("never_asked-1.0.tar.gz", b"x"))
    press.wheel("reels", "1.0")
    assert names() == ["reels"]
    read(resources)
    assert names() == ["reels", "tapes"]


# files


def bring(resources: Resources, filename: str = WHEEL, *, metadata: bool = False) -> Any:
    """Fetch a file as somebody who asks for it; None when it is here, or the large file that is coming."""
    from packhouse.catalogue.models import Index, UpstreamFile
    from packhouse.services.pulled_files import bring as fetch
    from packhouse.services.pulled_files import find_pulled

    row = UpstreamFile.objects.get(filename=filename)
    found = find_pulled(Index.objects.get(name="main"), row.sha256, filename)
    assert found is not None
    return fetch(resources, found, metadata=metadata)


def test_hostile_221_wrong_bytes_are_kept_nowhere_and_journalled_once(
    committed: None, main: Index, resources: Resources, source: Upstream
):
    from packhouse.catalogue.models import JournalEntry
    from packhouse.services.upstream_facts import facts_of

    file = change(source, metadata=None)
    read(resources)
    poison = b"two"
    source.faults[f"/files/tapes/{WHEEL}"] = sends("application/octet-stream", poison)
    for _ in range(3):
        with pytest.raises(PackhouseError) as caught:
            bring(resources)
        assert caught.value.kind is Kind.UPSTREAM
    assert list(resources.blobs.kept()) == []
    assert list((resources.settings.blobs_folder / "pulling").iterdir()) == []
    entry = JournalEntry.objects.get(kind="upstream file refused")
    assert entry.detail["said"] == hashlib.sha256(poison).hexdigest()
    assert any(key == "refused" for key, _ in facts_of("default"))
    source.faults.clear()
    assert bring(resources) is None
    assert resources.blobs.read(file.sha256) == b"one"


@pytest.mark.parametrize("same", [True, False])
def test_hostile_228_a_file_that_changes_where_it_broke_off_is_never_put_together(
    committed: None, main: Index, resources: Resources, source: Upstream, same: bool
):
    """The rest is asked for only of the file of before; of another one all comes anew, and its digest is judged."""
    data = hashlib.shake_256(b"large").digest(2_000_000)
    file = change(source, data=data, metadata=None)
    read(resources)
    cut = cut_after(500_000, times=1)

    def cut_then_change(handler: Any, go_on: Any) -> None:
        if file.data is data:
            cut(handler, go_on)
            file.data = data[:1_000_000] + bytes(1_000_000)
        elif same:
            file.data = bytes(data)
            source.ranges = False
            go_on()
        else:
            go_on()

    source.faults[f"/files/tapes/{WHEEL}"] = cut_then_change
    growing = bring(resources)
    assert growing is None or growing.over.wait(60)
    ranges = [headers.get("range", "") for _, path, headers in source.asked if path.endswith(".whl")]
    assert ranges == ["", "bytes=500000-"]
    digest = hashlib.sha256(data).hexdigest()
    assert resources.blobs.stat(digest) == (len(data) if same else None)
    assert growing is None or growing.whole is same


@pytest.mark.slow
def test_hostile_239_when_the_one_who_fetches_dies_another_goes_on(
    committed: None, main: Index, resources: Resources, source: Upstream
):
    data = b"0123456789" * 300_000
    change(source, data=data, metadata=None)
    read(resources)
    file = source.projects["tapes"].files[0]
    folder = resources.settings.blobs_folder / "pulling"
    folder.mkdir(parents=True)
    etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
    (folder / f"{file.sha256}.note").write_bytes(orjson.dumps({"size": len(data), "validator": etag}))
    dying = subprocess.Popen(
        [sys.executable, "-c", DYING, str(folder / file.sha256)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert dying.stdin is not None
    assert dying.stdout is not None
    dying.stdin.write(data[:1_000_000])
    dying.stdin.close()
    assert dying.stdout.readline() == b"held\n"
    growing = bring(resources)
    assert growing.size == len(data)
    assert not growing.over.is_set()  # another process fetches it, as far as anybody knows
    dying.kill()
    dying.wait(60)
    dying.stdout.close()
    assert growing.over.wait(60)
    assert growing.whole
    assert resources.blobs.read(file.sha256) == data
    assert [h.get("range") for _, path, h in source.asked if path.endswith(".whl")] == ["bytes=1000000-"]


DYING = """
import fcntl, sys, time
with open(sys.argv[1], "wb") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(sys.stdin.buffer.read())
    file.flush()
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_hostile_239_a_full_disk_is_said_and_what_was_begun_is_removed(
    committed: None, main: Index, clock: TickingClock, small_disk: Path, source: Upstream
):
    made = make_resources(clock, data=small_disk, storage=f"file://{small_disk}/blobs")
    change(source, data=bytes(30_000_000), metadata=None)
    read(made)
    growing = bring(made)
    assert growing is not None
    assert growing.over.wait(60)
    assert growing.error.kind is Kind.FULL
    assert list((small_disk / "blobs" / "pulling").iterdir()) == []
    made.doors.close()


@pytest.mark.slow
def test_what_was_least_used_goes_first_and_comes_again(
    committed: None, press: Press, main: Index, clock: TickingClock, tmp_path: Path, source: Upstream
):
    from packhouse.services import budget
    from packhouse.services.maintenance import unnamed

    made = replace(press.resources, settings=replace(press.resources.settings, data=tmp_path, upstream_storage=2500))
    for number in range(3):
        source.projects["tapes"].files.append(UpFile(f"tapes-3.{number}.tar.gz", bytes([number]) * 1000))
    press.wheel("reels", "1.0")
    ours = [sha256 for sha256, _ in made.blobs.kept()]
    read(made)
    files = source.projects["tapes"].files[1:]
    for file in files:
        assert bring(made, file.filename) is None
    assert budget.kept_bytes() == 3000
    budget.touch(made, [files[0].filename])
    assert budget.keep_within(made) == 0  # they were wanted a moment ago
    assert budget.keep_within(made, grace=0) == 1000
    assert [made.blobs.stat(file.sha256) for file in files] == [1000, None, 1000]
    assert budget.keep_within(made, grace=0) == 0
    assert all(made.blobs.stat(sha256) is not None for sha256 in ours)
    assert unnamed([files[0].sha256, files[1].sha256]) == [files[1].sha256]
    assert bring(made, files[1].filename) is None
    assert made.blobs.stat(files[1].sha256) == 1000
    made.doors.close()


@pytest.mark.slow
def test_files_are_removed_and_fetched_anew_while_others_read_them(
    committed: None, press: Press, main: Index, clock: TickingClock, tmp_path: Path, source: Upstream
):
    """Whatever is removed meanwhile: who has opened a file reads it to its end, who has not gets it anew."""
    from django.db import connections

    from packhouse.catalogue.models import UpstreamFile
    from packhouse.services import budget

    settings = replace(press.resources.settings, data=tmp_path, upstream_storage=700_000)
    made = replace(press.resources, settings=settings, blobs=LocalBlobs(tmp_path / "blobs"))
    sdists = [UpFile(f"tapes-3.{n}.tar.gz", hashlib.shake_256(bytes([n])).digest(200_000)) for n in range(6)]
    source.projects["tapes"].files[:] = sdists
    ours = made.blobs.put(b"published here")
    read(made)
    over = threading.Event()

    def reads(which: int) -> int:
        """Read files one after the other; how many there were."""
        try:
            turns = [sdists[(which + turn) % len(sdists)] for turn in range(8)]
            return sum(read_anew(made, file) == file.data for file in turns)
        finally:
            connections.close_all()

    def removes() -> int:
        """Make room until all is read; how many bytes were removed."""
        try:
            return sum(iter(lambda: None if over.is_set() else budget.keep_within(made, grace=0), None))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        removing = [pool.submit(removes) for _ in range(2)]
        reading = [pool.submit(reads, which) for which in range(4)]
        try:
            assert [one.result(300) for one in reading] == [8] * 4
        finally:
            over.set()
        assert sum(one.result(60) for one in removing) > 0
    budget.keep_within(made, grace=0)
    assert budget.kept_bytes() <= 700_000
    kept = set(UpstreamFile.objects.filter(kept=True).values_list("sha256", flat=True))
    assert {sha256 for sha256, _ in made.blobs.kept()} == {*kept, ours}
    assert list((settings.blobs_folder / "pulling").iterdir()) == []
    made.doors.close()


def read_anew(made: Resources, file: UpFile) -> bytes:
    """All of a file, asked for again when it is removed before it was opened, as the edge does."""
    while True:
        bring(made, file.filename)
        try:
            pieces = made.blobs.open(file.sha256)
        except PackhouseError as error:
            if error.kind is not Kind.MISSING:
                raise
        else:
            return b"".join(pieces)
