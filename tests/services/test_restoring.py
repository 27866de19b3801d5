# SPDX-License-Identifier: Apache-2.0
"""A database that went back in time is noticed, and gives no serial twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.infra.publishing import Press

from packhouse.catalogue.models import Counter, File, JournalEntry
from packhouse.services import notes, restoring
from packhouse.services.journal import last_serial
from packhouse.services.verifying import Survey, verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept(press: Press, tmp_path: Path) -> Press:
    """A press with a data folder, after some uploads."""
    press.resources = replace(press.resources, settings=replace(press.resources.settings, data=tmp_path))
    press.wheel("tapes", "1.0")
    restoring.mark_high_water(press.resources)
    return press


def test_a_database_that_goes_on_is_left_alone(kept: Press) -> None:
    serial = last_serial()
    kept.wheel("tapes", "2.0")
    assert restoring.lost_serials(kept.resources.settings) == 0
    assert restoring.heed_high_water(kept.resources.settings, kept.resources.clock) == 0
    assert last_serial() == serial + 2


def test_hostile_276_an_older_database_is_noticed_and_its_serials_are_not_given_twice(kept: Press) -> None:
    before = last_serial()
    notes.keep(kept.resources.settings.data, restoring.HIGH_WATER, {"at": "", "serial": before + 17})
    assert restoring.lost_serials(kept.resources.settings) == 17
    assert restoring.heed_high_water(kept.resources.settings, kept.resources.clock) == 17
    entry = JournalEntry.objects.get(kind="server restored")
    assert entry.serial == before + 17 + restoring.SKIP + 1 == last_serial()
    assert entry.detail == {"from_serial": before, "skipped_to": entry.serial - 1, "lost": 17}
    assert list(verify(Survey(kept.resources))) == []
    kept.wheel("tapes", "3.0")
    assert File.objects.get(filename="tapes-3.0-py3-none-any.whl").serial == entry.serial + 2
    assert restoring.heed_high_water(kept.resources.settings, kept.resources.clock) == 0


def test_I6_a_gap_that_no_entry_explains_is_still_found(kept: Press) -> None:
    Counter.objects.filter(name="serial").update(value=last_serial() + 5)
    kept.wheel("tapes", "4.0")
    assert [problem.code for problem in verify(Survey(kept.resources))] == ["journal-gap"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"serial": "x"}', "null"])
def test_a_note_that_cannot_be_read_is_none(kept: Press, text: str) -> None:
    (kept.resources.settings.data / restoring.HIGH_WATER).write_text(text)
    assert restoring.lost_serials(kept.resources.settings) == 0
