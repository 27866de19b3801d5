# SPDX-License-Identifier: Apache-2.0
"""The scrub finds what rots, takes it out of the way, and sees when it is mended."""

from __future__ import annotations

from typing import cast

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press

from packhouse.catalogue.activity.models import Scrub, ScrubFinding
from packhouse.catalogue.models import File, JournalEntry
from packhouse.services import scrubbing
from packhouse.services.keeping import is_whole
from packhouse.storage.memory_blobs import MemoryBlobs

pytestmark = pytest.mark.django_db


def step(press: Press, **later: float) -> int:
    """A step of the scrub after some time."""
    cast("TickingClock", press.resources.clock).move(**later)
    return scrubbing.step(press.resources)


def rot(press: Press, sha256: str) -> None:
    cast("MemoryBlobs", press.resources.blobs).damage(sha256, lambda data: bytes([data[0] ^ 1]) + data[1:])


def test_a_turn_reads_everything_and_then_rests(press: Press) -> None:
    for version in ("1.0", "2.0"):
        press.wheel("tapes", version)
    assert step(press, seconds=0) == 0
    assert step(press, minutes=1) == 4
    scrub = Scrub.objects.get()
    assert (scrub.resting, scrub.blobs, scrub.finished_at is None) == (True, 4, False)
    assert step(press, hours=1) == 0
    press.wheel("tapes", "3.0")
    assert step(press, hours=23) == 6
    assert not ScrubFinding.objects.exists()


def test_no_more_is_read_than_the_rate_allows_and_a_restart_goes_on(press: Press) -> None:
    for version in ("1.0", "2.0", "3.0"):
        press.wheel("tapes", version)
    step(press, seconds=0)
    Scrub.objects.update(debt=0)
    looked = [step(press, seconds=0.004) for _ in range(5)]
    assert looked[0] == 2
    assert sum(looked) == 6
    assert max(looked) == 2


@pytest.mark.parametrize("which", ["sha256", "metadata_sha256"])
def test_fault_12_a_damaged_blob_is_set_aside_noted_and_mended_by_the_same_upload(press: Press, which: str) -> None:
    press.wheel("tapes", "1.0")
    press.wheel("tapes", "2.0")
    sha256 = getattr(File.objects.get(filename="tapes-1.0-py3-none-any.whl"), which)
    rot(press, sha256)
    step(press, seconds=0)
    step(press, minutes=1)
    finding = ScrubFinding.objects.get()
    assert (finding.sha256, finding.code) == (sha256, "blob-damaged")
    assert "tapes-1.0-py3-none-any.whl" in finding.sentence
    assert press.resources.blobs.stat(sha256) is None
    entry = JournalEntry.objects.get(kind="blob damaged")
    assert entry.detail == {"sha256": sha256, "files": ["tapes-1.0-py3-none-any.whl"]}
    step(press, minutes=1)
    assert ScrubFinding.objects.count() == 1
    assert not press.wheel("tapes", "1.0").created
    assert is_whole(press.resources.blobs, sha256)
    step(press, minutes=1)
    assert not ScrubFinding.objects.exists()
    assert JournalEntry.objects.filter(kind="blob mended").count() == 1


def test_fault_12_a_damaged_blob_not_yet_found_is_mended_too(press: Press) -> None:
    press.wheel("tapes", "1.0")
    sha256 = File.objects.get().sha256
    rot(press, sha256)
    press.wheel("tapes", "1.0")
    assert is_whole(press.resources.blobs, sha256)


def test_fault_12_a_missing_blob_is_noted_once(press: Press) -> None:
    press.wheel("tapes", "1.0")
    press.resources.blobs.delete(File.objects.get().sha256)
    step(press, seconds=0)
    for _ in range(3):
        step(press, days=1)
    assert ScrubFinding.objects.get().code == "blob-missing"
    assert JournalEntry.objects.filter(kind="blob damaged").count() == 1


def test_a_purged_file_is_no_finding(press: Press) -> None:
    press.wheel("tapes", "1.0")
    file = File.objects.get()
    press.resources.blobs.delete(file.sha256)
    File.objects.update(purged_serial=1)
    step(press, seconds=0)
    assert step(press, minutes=1) == 0
    assert not ScrubFinding.objects.exists()
