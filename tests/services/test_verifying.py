# SPDX-License-Identifier: Apache-2.0
"""Verification finds every kind of damage, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.infra.publishing import Press

from packhouse.catalogue.models import (
    Counter,
    File,
    Index,
    JournalEntry,
    Page,
    Placement,
    Project,
    ProjectStatus,
    Token,
    Yank,
)
from packhouse.domain.listing import Status
from packhouse.services import pages, projects, releases, tokens
from packhouse.services.journal import COMMAND, last_serial
from packhouse.services.verifying import Problem, Survey, Tally, verify
from packhouse.storage.memory_blobs import MemoryBlobs

pytestmark = pytest.mark.django_db


def problems(press: Press, *, quick: bool = False) -> list[Problem]:
    return list(verify(Survey(press.resources, quick)))


def codes(press: Press, *, quick: bool = False) -> list[str]:
    return [problem.code for problem in problems(press, quick=quick)]


@pytest.fixture
def lived_in(press: Press) -> Press:
    """A house in which something of everything has happened."""
    clock = press.resources.clock
    for version in ("1.0", "1.1", "2.0"):
        press.wheel("tapes", version)
    press.sdist("tapes", "2.0")
    press.wheel("gone", "1")
    press.wheel("quiet", "1")
    releases.yank(COMMAND, "tapes", "1.0", reason="broken", clock=clock)
    releases.yank(COMMAND, "tapes", "1.1", clock=clock)
    releases.unyank(COMMAND, "tapes", "1.1", clock=clock)
    releases.delete(COMMAND, "tapes", "1.1", clock=clock)
    projects.delete_project(COMMAND, "gone", clock=clock)
    projects.set_status(COMMAND, "quiet", Status.ARCHIVED, clock=clock)
    projects.set_status(COMMAND, "quiet", Status.DEPRECATED, reason="old", clock=clock)
    user = Token.objects.get().user
    ended, _ = tokens.create_token(COMMAND, user, "ended", clock=clock)
    tokens.delete_token(COMMAND, ended, clock=clock)
    for kind in ("html", "json"):
        pages.read_page("main", "", kind, clock)
        pages.read_page("main", "tapes", kind, clock)
    return press


def test_a_sound_house(lived_in: Press) -> None:
    tally = Tally()
    assert list(verify(Survey(lived_in.resources, tally=tally))) == []
    assert tally.entries == tally.serial == last_serial()
    assert (tally.files, tally.blobs) == (6, 12)
    assert tally.pages == Page.objects.count() > 4
    assert tally.size == sum(File.objects.values_list("size", flat=True))
    assert (tally.orphans, tally.orphan_size) == (0, 0)


def test_an_empty_house(press: Press) -> None:
    assert problems(press) == []


def test_blobs_nobody_names_are_counted_and_harmless(lived_in: Press) -> None:
    lived_in.resources.blobs.put(b"an upload that was not finished")
    tally = Tally()
    assert list(verify(Survey(lived_in.resources, tally=tally))) == []
    assert (tally.orphans, tally.orphan_size) == (1, 31)


def blobs_of(press: Press) -> MemoryBlobs:
    assert isinstance(press.resources.blobs, MemoryBlobs)
    return press.resources.blobs


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize("which", ["sha256", "metadata_sha256"])
def test_fault_12_a_flipped_bit_is_found_and_named(lived_in: Press, which: str) -> None:
    file = File.objects.get(filename="tapes-1.0-py3-none-any.whl")
    sha256 = getattr(file, which)
    blobs_of(lived_in).damage(sha256, flip)
    (problem,) = problems(lived_in)
    assert (problem.code, problem.subject) == ("blob-damaged", sha256)
    assert "tapes-1.0-py3-none-any.whl" in problem.sentence
    assert "Upload the same file again" in problem.cure
    assert codes(lived_in, quick=True) == []


def test_fault_12_a_truncated_blob_is_found_without_reading_it(lived_in: Press) -> None:
    file = File.objects.get(filename="tapes-2.0.tar.gz")
    blobs_of(lived_in).damage(file.sha256, lambda data: data[:-1])
    (problem,) = problems(lived_in, quick=True)
    assert problem.code == "blob-damaged"
    assert f"{file.size - 1} bytes instead of {file.size}" in problem.sentence


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("which", ["sha256", "metadata_sha256"])
def test_fault_12_a_missing_blob_is_found(lived_in: Press, which: str, quick: bool) -> None:
    sha256 = getattr(File.objects.get(filename="tapes-1.0-py3-none-any.whl"), which)
    lived_in.resources.blobs.delete(sha256)
    assert codes(lived_in, quick=quick) == ["blob-missing"]


def test_fault_12_swapped_blobs_are_found(lived_in: Press) -> None:
    one, other = File.objects.filter(filename__startswith="tapes-", packagetype="bdist_wheel").order_by("pk")[:2]
    first, second = (lived_in.resources.blobs.read(file.sha256) for file in (one, other))
    blobs_of(lived_in).damage(one.sha256, lambda _: second)
    blobs_of(lived_in).damage(other.sha256, lambda _: first)
    found = {(problem.code, problem.subject) for problem in problems(lived_in)}
    assert found == {("blob-damaged", one.sha256), ("blob-damaged", other.sha256)}


def test_a_purged_file_needs_no_blob(lived_in: Press) -> None:
    file = File.objects.get(filename="gone-1-py3-none-any.whl")
    lived_in.resources.blobs.delete(file.sha256)
    assert codes(lived_in) == ["blob-missing"]
    File.objects.filter(pk=file.pk).update(purged_serial=last_serial())
    assert codes(lived_in) == []


def _journal_hole() -> None:
    JournalEntry.objects.filter(kind="project status set").first().delete()  # type: ignore[union-attr]


def _journal_end() -> None:
    JournalEntry.objects.order_by("-serial").first().delete()  # type: ignore[union-attr]


def _time_back() -> None:
    entry = JournalEntry.objects.get(serial=5)
    JournalEntry.objects.filter(serial=6).update(at=entry.at.replace(year=2001))


def _counter_back() -> None:
    Counter.objects.filter(name="serial").update(value=3)


def _no_tombstone() -> None:
    file = File.objects.get(filename="gone-1-py3-none-any.whl")
    file.placements.all().delete()
    file.delete()


def _other_bytes() -> None:
    File.objects.filter(filename="gone-1-py3-none-any.whl").update(serial=2)


def _revived_file() -> None:
    Placement.objects.filter(file__filename="tapes-1.1-py3-none-any.whl").update(to_serial=None)


def _revived_project() -> None:
    Project.objects.filter(name="quiet").update(deleted_serial=last_serial())


def _lost_yank() -> None:
    Yank.objects.filter(to_serial=None).delete()


def _backward_span() -> None:
    placed = Placement.objects.filter(to_serial__gt=0).first()
    assert placed is not None
    Placement.objects.filter(pk=placed.pk).update(to_serial=placed.from_serial)


def _two_statuses() -> None:
    ended = ProjectStatus.objects.exclude(to_serial=None).get()
    ProjectStatus.objects.filter(pk=ended.pk).update(to_serial=last_serial())


def _stale_page() -> None:
    Page.objects.filter(project="tapes", kind="html").update(body=b"<html></html>")


def _page_of_nothing() -> None:
    Page.objects.filter(project="tapes", kind="json").update(project="gone")


def _living_token() -> None:
    Token.objects.filter(name="ended").update(deleted_at=None)


def _orphaned_token() -> None:
    Token.objects.filter(deleted_at=None).update(made_by=Token.objects.get(name="ended"))


def _future_serial() -> None:
    Index.objects.filter(name="main").update(serial=last_serial() + 1)
    Page.objects.filter(project="").delete()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_journal_hole, "journal-gap"),
        (_journal_end, "journal-gap"),
        (_time_back, "journal-time"),
        (_counter_back, "counter-behind"),
        (_no_tombstone, "tombstone-missing"),
        (_other_bytes, "file-unjournalled"),
        (_revived_file, "deleted-file-shown"),
        (_revived_project, "deleted-project-shown"),
        (_lost_yank, "yank-lost"),
        (_backward_span, "span-wrong"),
        (_two_statuses, "span-overlaps"),
        (_stale_page, "page-stale"),
        (_page_of_nothing, "page-stale"),
        (_living_token, "token-revived"),
        (_orphaned_token, "token-outlives"),
        (_future_serial, "serial-unknown"),
    ],
)
def test_hostile_269_a_row_changed_beside_us_is_found(lived_in: Press, damage: Callable[[], None], code: str) -> None:
    damage()
    assert code in codes(lived_in, quick=True)
