# SPDX-License-Identifier: Apache-2.0
"""What an upstream leaves out and we fill in: digests by fetching, core metadata out of wheels; what is believed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from tests.corpus import make_metadata, make_wheel
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources
from tests.infra.pulling import committed, main, resources
from tests.infra.upstreams import HTML, JSON, UpFile, Upstream, cut_after, sends, status, upstream

from packhouse.errors import Kind, PackhouseError

if TYPE_CHECKING:
    from packhouse.catalogue.models import Index, UpstreamFile
    from packhouse.services.resources import Resources

__all__ = ["committed", "main", "resources"]

WHEEL, DATA = make_wheel("tapes", "1.0", files={"tapes/data.bin": hashlib.shake_256(b"data").digest(400_000)})
METADATA = make_metadata("tapes", "1.0")


@pytest.fixture
def source() -> Iterator[Upstream]:
    with upstream() as host:
        host.add("tapes", UpFile(WHEEL, DATA))
        yield host


def files_of(resources: Resources, name: str = "tapes") -> dict[str, Any]:
    """The files of a page by their names, as somebody who asks gets them."""
    from packhouse.services import pages, pulling

    def pull(index: str, project: str) -> None:
        pulling.pull(resources, index, project)

    page = pages.read_page("main", name, "json", resources.clock, pull)
    assert page is not None
    return {file["filename"]: file for file in orjson.loads(page.body)["files"]}


def complete(resources: Resources) -> None:
    """Let all be filled in that is to be."""
    from packhouse.services.completing import Completing

    Completing(resources).catch_up(threading.Event())


def row(filename: str = WHEEL) -> UpstreamFile:
    from packhouse.catalogue.models import UpstreamFile

    return UpstreamFile.objects.select_related("project", "project__upstream").get(filename=filename)


def change(source: Upstream, **said: Any) -> UpFile:
    file = source.projects["tapes"].files[0]
    for key, value in said.items():
        setattr(file, key, value)
    return file


def asked_for_files(source: Upstream) -> list[str]:
    """The ranges (or "") of what was asked for of the wheel, in order."""
    return [headers.get("range", "") for _, path, headers in source.asked if path.endswith(".whl")]


# digests


@pytest.mark.parametrize("others", [{}, {"md5": None}, {"sha1": None, "md5": "0" * 32}, {"sha512": None}])
@pytest.mark.parametrize("form", [JSON, HTML])
def test_decision_22_a_file_without_a_sha256_is_hidden_until_it_is_hashed(
    main: Index, resources: Resources, source: Upstream, form: str, others: dict[str, str | None]
):
    source.forms = (form,)
    file = change(source, hashed=False, others=dict(list(others.items())[:1]) if form == HTML else others)
    assert files_of(resources) == {}
    assert asked_for_files(source) == []
    complete(resources)
    found = files_of(resources)[WHEEL]
    assert found["hashes"] == {"sha256": file.sha256}
    assert (found["_hashes-source"], found["size"]) == ("fetched", len(DATA))
    assert found["url"] == f"../../files/{file.sha256}/{WHEEL}"
    assert resources.blobs.read(file.sha256) == DATA
    assert asked_for_files(source) == [""]  # and the metadata came from what is here


def test_a_file_that_is_held_says_why(main: Index, resources: Resources, source: Upstream, clock: TickingClock):
    from packhouse.catalogue.composition import owning_layer
    from packhouse.catalogue.listings import pulled_shown

    def hidden() -> list[tuple[str, str]]:
        owner = owning_layer(main.pk, "tapes")
        assert owner is not None
        shown = pulled_shown(owner, row().project, 0, clock())
        return [(file.filename, file.verdict.against[0].reason) for file in shown.hidden]

    change(source, hashed=False, others={"md5": "0" * 32})
    files_of(resources)
    assert hidden() == [
        (WHEEL, "The upstream gives no sha256 of the file; it is fetched and hashed before it is shown.")
    ]
    complete(resources)
    [(_, reason)] = hidden()
    assert "The last attempt failed: bytes with the md5" in reason


def test_bytes_with_another_md5_than_the_page_says_are_not_believed(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.services.upstream_facts import facts_of

    file = change(source, hashed=False, others={"md5": "0" * 32})
    files_of(resources)
    complete(resources)
    assert files_of(resources) == {}
    assert resources.blobs.stat(file.sha256) is None
    facts = list(facts_of("default"))
    assert ("waiting for a sha256", "1 files") in facts
    assert any(key == "not hashed" and "with the md5" in value for key, value in facts)
    complete(resources)
    assert asked_for_files(source) == [""]  # not again until the page says something else
    change(source, others={"md5": None})
    clock.move(seconds=601)
    files_of(resources)
    complete(resources)
    assert list(files_of(resources)) == [WHEEL]


def test_hostile_229_an_md5_that_changes_after_we_hashed_the_file_is_refused_and_journalled(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.catalogue.models import JournalEntry

    change(source, hashed=False, others={"md5": None})
    files_of(resources)
    complete(resources)
    before = files_of(resources)[WHEEL]["hashes"]
    file = change(source, data=b"another", size=None)
    clock.move(seconds=601)
    assert files_of(resources)[WHEEL]["hashes"] == before
    entry = JournalEntry.objects.get(kind="upstream file refused")
    assert entry.detail["said"] == f"md5={file.hashes['md5']}"


def test_a_sha256_that_the_page_says_later_must_be_ours(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.catalogue.models import JournalEntry

    file = change(source, hashed=False)
    files_of(resources)
    complete(resources)
    change(source, hashed=True, says="0" * 64)
    clock.move(seconds=601)
    assert files_of(resources)[WHEEL]["hashes"] == {"sha256": file.sha256}
    assert JournalEntry.objects.get(kind="upstream file refused").detail["said"] == "0" * 64


def test_hostile_228_what_breaks_off_while_it_is_hashed_is_gone_on_with(
    main: Index, resources: Resources, source: Upstream
):
    file = change(source, hashed=False)
    source.faults[f"/files/tapes/{WHEEL}"] = cut_after(100_000, times=2)
    files_of(resources)
    complete(resources)
    assert files_of(resources)[WHEEL]["hashes"] == {"sha256": file.sha256}
    ranges = asked_for_files(source)
    assert ranges[0] == ""
    assert all(said.startswith("bytes=") for said in ranges[1:])


def test_a_file_that_changes_while_it_breaks_off_is_begun_again(main: Index, resources: Resources, source: Upstream):
    other = make_wheel("tapes", "1.0", files={"tapes/data.bin": bytes(400_000)})[1]
    file = change(source, hashed=False, size=None)
    cut = cut_after(100_000, times=1)

    def cut_and_change(handler: Any, go_on: Any) -> None:
        cut(handler, go_on)
        file.data = other

    source.faults[f"/files/tapes/{WHEEL}"] = cut_and_change
    files_of(resources)
    complete(resources)
    assert files_of(resources)[WHEEL]["hashes"] == {"sha256": hashlib.sha256(other).hexdigest()}


@pytest.mark.parametrize("size", [-1, None])
def test_one_that_never_ends_is_given_up(main: Index, clock: TickingClock, source: Upstream, tmp_path: Any, size: int):
    made = make_resources(clock, data=tmp_path, max_file_size=100_000)
    change(source, hashed=False, size=10_000 if size == -1 else None)
    files_of(made)
    complete(made)
    assert files_of(made) == {}
    assert "more than" in row().missing
    assert list(made.blobs.kept()) == []
    made.doors.close()


def test_what_has_no_room_is_hashed_and_not_kept(
    committed: None, main: Index, clock: TickingClock, source: Upstream, tmp_path: Any
):
    made = make_resources(clock, data=tmp_path, upstream_storage=1000)
    file = change(source, hashed=False)
    files_of(made)
    complete(made)
    assert made.blobs.stat(file.sha256) is None
    assert files_of(made)[WHEEL]["hashes"] == {"sha256": file.sha256}
    assert row().kept is False
    made.doors.close()


def test_an_upstream_that_fails_is_asked_again_later(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    change(source, hashed=False)
    source.faults[f"/files/tapes/{WHEEL}"] = status(503, ("Retry-After", "40"))
    files_of(resources)
    complete(resources)
    complete(resources)
    asked = len(asked_for_files(source))
    source.faults.clear()
    complete(resources)
    assert len(asked_for_files(source)) == asked
    clock.move(seconds=41)
    complete(resources)
    assert list(files_of(resources)) == [WHEEL]


def test_the_newest_version_of_what_was_asked_for_last_comes_first(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from packhouse.services.hashing import hash_next

    names = [f"tapes-{version}.tar.gz" for version in ("0.9", "0.10", "0.2")]
    source.projects["tapes"].files[:] = [UpFile(name, name.encode(), hashed=False) for name in names]
    source.add("reels", UpFile("reels-1.0.tar.gz", b"reels", hashed=False))
    files_of(resources)
    clock.move(seconds=1)
    files_of(resources, "reels")
    while hash_next(resources):
        pass
    assert source.paths("/files/") == [
        "/files/reels/reels-1.0.tar.gz",
        *(f"/files/tapes/tapes-{version}.tar.gz" for version in ("0.10", "0.9", "0.2")),
    ]


@pytest.mark.parametrize("how", ["ours", "reserved", "offline", "gone", "quarantined"])
def test_hostile_232_233_a_name_that_does_not_go_out_is_not_fetched_in_the_background(
    press: Press, main: Index, resources: Resources, source: Upstream, clock: TickingClock, how: str
):
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstreams import Wanted, permit, set_reserved, set_upstream

    source.projects["tapes"].files.append(UpFile("tapes-2.0.tar.gz", b"two", hashed=False))
    files_of(resources)
    if how == "ours":
        permit(COMMAND, "tapes", clock=clock)
        press.wheel("tapes", "9.0")
    elif how == "reserved":
        set_reserved(COMMAND, ["tapes"], clock=clock)
    elif how == "offline":
        set_upstream(COMMAND, "default", Wanted(mode="offline"), clock=clock)
    else:
        if how == "gone":
            del source.projects["tapes"]
        else:
            source.projects["tapes"].status = "quarantined"
        clock.move(seconds=601)
        files_of(resources)
    asked = len(source.asked)
    complete(resources)
    assert len(source.asked) == asked


# core metadata


def metadata_of(resources: Resources, filename: str = WHEEL) -> bytes | None:
    """The core metadata as somebody who asks gets them."""
    from packhouse.services import files, pulled_files

    offered = files.offered_file("main", row(filename).sha256, filename, now=resources.clock())
    assert offered.pulled is not None
    pulled_files.look_for_metadata(resources, offered.pulled)
    offered = files.offered_file("main", row(filename).sha256, filename, metadata=True, now=resources.clock())
    assert offered.pulled is not None
    assert offered.metadata_sha256 is not None
    pulled_files.bring(resources, offered.pulled, metadata=True)
    return resources.blobs.read(offered.metadata_sha256)


def test_D7_core_metadata_are_read_out_of_a_few_bytes_of_the_wheel(main: Index, resources: Resources, source: Upstream):
    assert files_of(resources)[WHEEL]["core-metadata"] is False
    complete(resources)
    found = files_of(resources)[WHEEL]
    assert found["core-metadata"] == {"sha256": hashlib.sha256(METADATA).hexdigest()}
    assert found["_core-metadata-source"] == "wheel"
    assert metadata_of(resources) == METADATA
    ranges = [said.removeprefix("bytes=").partition("-") for said in asked_for_files(source)]
    assert sum(int(last) + 1 - int(first) for first, _, last in ranges) < len(DATA)
    assert resources.blobs.stat(row().sha256) is None


def test_only_the_newest_wheels_are_looked_into_before_somebody_wants_them(
    committed: None, main: Index, resources: Resources, source: Upstream
):
    from packhouse.services.pulled_files import bring, find_pulled

    made = [make_wheel("tapes", f"{number}.0") for number in range(70)]
    source.projects["tapes"].files[:] = [UpFile(filename, data) for filename, data in made]
    files_of(resources)
    complete(resources)
    assert {name for name, file in files_of(resources).items() if not file["core-metadata"]} == {
        f"tapes-{number}.0-py3-none-any.whl" for number in range(10)
    }
    old = row("tapes-3.0-py3-none-any.whl")
    found = find_pulled(main, old.sha256, old.filename)
    assert found is not None
    bring(resources, found)
    complete(resources)
    assert files_of(resources)[old.filename]["core-metadata"]
    assert metadata_of(resources, "tapes-2.0-py3-none-any.whl") == make_metadata("tapes", "2.0")


def test_core_metadata_are_looked_for_at_once_when_somebody_asks_for_them(
    main: Index, resources: Resources, source: Upstream
):
    files_of(resources)
    assert metadata_of(resources) == METADATA
    asked = len(asked_for_files(source))
    assert metadata_of(resources) == METADATA
    assert len(asked_for_files(source)) == asked
    assert len(asked_for_files(source)) == len(set(asked_for_files(source)))
    assert "_core-metadata-source" in files_of(resources)[WHEEL]


def test_without_ranges_the_whole_wheel_comes_when_somebody_asks_and_not_before(
    committed: None, main: Index, resources: Resources, source: Upstream
):
    source.ranges = False
    files_of(resources)
    complete(resources)
    assert row().metadata_tried is False
    assert metadata_of(resources) == METADATA
    assert resources.blobs.read(row().sha256) == DATA
    assert (row().metadata_filled, row().metadata_proven) == (True, True)


def test_a_wheel_that_is_here_is_looked_into_without_asking(
    committed: None, main: Index, resources: Resources, source: Upstream
):
    from packhouse.services.pulled_files import bring, find_pulled

    files_of(resources)
    found = find_pulled(main, row().sha256, WHEEL)
    assert found is not None
    bring(resources, found)
    asked = len(source.asked)
    complete(resources)
    assert metadata_of(resources) == METADATA
    assert len(source.asked) == asked


def test_metadata_that_the_whole_wheel_does_not_have_are_never_offered_again(
    committed: None, main: Index, resources: Resources, source: Upstream
):
    """An upstream that answers ranges with the bytes of another wheel than the one whose digest it says."""
    from packhouse.catalogue.models import JournalEntry
    from packhouse.services.pulled_files import bring, find_pulled

    false = make_metadata("tapes", "1.0", summary="Another project")
    other = make_wheel("tapes", "1.0", metadata=false)[1]
    room = len(DATA) - len(other)
    other = make_wheel("tapes", "1.0", metadata=false, files={"tapes/x": hashlib.shake_256(b"x").digest(room - 500)})[1]
    comment = b"." * (len(DATA) - len(other))
    other = other[:-2] + len(comment).to_bytes(2, "little") + comment
    file = change(source, data=other, says=hashlib.sha256(DATA).hexdigest())
    assert len(other) == len(DATA)
    files_of(resources)
    complete(resources)
    assert metadata_of(resources) == false
    file.data = DATA
    found = find_pulled(main, row().sha256, WHEEL)
    assert found is not None
    bring(resources, found)
    complete(resources)
    assert files_of(resources)[WHEEL]["core-metadata"] is False
    entry = JournalEntry.objects.get(kind="upstream file refused")
    assert entry.detail["metadata"] == hashlib.sha256(false).hexdigest()


BOMB = make_wheel("tapes", "1.0", metadata=METADATA + bytes(3 * 1024 * 1024))[1]
SOUND_ENOUGH = make_wheel("tapes", "1.0", metadata=make_metadata("reels", "1.0"))[1]


@pytest.mark.parametrize("data", [BOMB, SOUND_ENOUGH, b"no archive", DATA[:-1], DATA + b"x"], ids=str)
def test_a_wheel_that_is_hostile_has_no_metadata_and_is_looked_into_once(
    main: Index, resources: Resources, source: Upstream, data: bytes
):
    change(source, data=data)
    files_of(resources)
    complete(resources)
    asked = len(source.asked)
    with pytest.raises(PackhouseError) as caught:
        metadata_of(resources)
    assert caught.value.kind is Kind.MISSING
    assert files_of(resources)[WHEEL]["core-metadata"] is False
    assert len(source.asked) == asked


@pytest.mark.parametrize(
    "fault",
    [
        status(500),
        status(404),
        status(206),
        sends("application/octet-stream", DATA[:1000], ("Content-Range", "bytes 0-999/1000")),
    ],
)
def test_an_upstream_that_fails_is_an_error_for_who_asks_and_asked_again(
    main: Index, resources: Resources, source: Upstream, fault: Any, clock: TickingClock
):
    files_of(resources)
    source.faults[f"/files/tapes/{WHEEL}"] = fault
    complete(resources)
    if row().metadata_tried is False:
        with pytest.raises(PackhouseError) as caught:
            metadata_of(resources)
        assert caught.value.kind is Kind.UPSTREAM
    source.faults.clear()
    clock.move(seconds=4000)
    complete(resources)
    assert metadata_of(resources) == METADATA


def test_metadata_the_page_says_later_stand_in_the_place_of_ours(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    files_of(resources)
    complete(resources)
    said = METADATA + b"\n"
    change(source, metadata=said)
    clock.move(seconds=601)
    found = files_of(resources)[WHEEL]
    assert found["core-metadata"] == {"sha256": hashlib.sha256(said).hexdigest()}
    assert "_core-metadata-source" not in found
    assert metadata_of(resources) == said


def test_filled_in_metadata_whose_blob_is_gone_come_out_of_the_wheel_again(
    main: Index, resources: Resources, source: Upstream
):
    files_of(resources)
    complete(resources)
    resources.blobs.delete(row().metadata_sha256)
    assert metadata_of(resources) == METADATA
    assert not any(path.endswith(".metadata") for path in source.paths())


def test_past_states_say_what_was_filled_in(main: Index, resources: Resources, source: Upstream, clock: TickingClock):
    from packhouse.catalogue.pulled import upstream_listing_as_of

    source.forms = (HTML,)
    change(source, hashed=False)
    files_of(resources)
    complete(resources)
    listing = upstream_listing_as_of(row().project, clock())
    assert listing is not None
    assert dict(listing.files[0].notes) == {
        "upload-time-source": "first-seen",
        "hashes-source": "fetched",
        "core-metadata-source": "wheel",
    }


def test_what_is_filled_in_is_kept_from_the_garbage_and_sound(
    main: Index, resources: Resources, source: Upstream, clock: TickingClock
):
    from datetime import timedelta

    from packhouse.services.maintenance import collect_garbage

    change(source, hashed=False)
    files_of(resources)
    complete(resources)
    collect_garbage(replace(resources, clock=clock), timedelta(seconds=-1))
    assert resources.blobs.read(row().sha256) == DATA
    assert metadata_of(resources) == METADATA
