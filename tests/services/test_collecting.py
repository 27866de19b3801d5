# SPDX-License-Identifier: Apache-2.0
"""Collecting garbage beside publishing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.infra.judges import wheel
from tests.infra.publishing import Press

from packhouse.catalogue.models import BlobRemoval, Placement
from packhouse.errors import Kind, PackhouseError
from packhouse.services.maintenance import collect_garbage
from packhouse.storage.memory_blobs import MemoryBlobs

pytestmark = pytest.mark.django_db


def test_hostile_257_a_blob_somebody_wants_again_is_kept(press: Press) -> None:
    data = wheel("foo", "1.0")
    old = press.resources.blobs.put(data)
    press.wheel("foo", "1.0")
    collect_garbage(press.resources, timedelta(seconds=-1))
    assert press.resources.blobs.read(old) == data


class FarBlobs(MemoryBlobs):
    """Blobs in a bucket, with copies here; counts how often it is asked about one."""

    def __init__(self) -> None:
        super().__init__()
        self.copies, self.asked = MemoryBlobs(), 0

    @property
    def near(self) -> MemoryBlobs:
        return self.copies

    def wanted_at(self, sha256: str) -> float | None:
        self.asked += 1
        return super().wanted_at(sha256)


@pytest.fixture
def far(press: Press) -> FarBlobs:
    blobs = FarBlobs()
    press.resources = replace(press.resources, blobs=blobs)
    return blobs


def test_a_bucket_is_not_asked_under_the_lock_but_for_what_was_to_be_removed(press: Press, far: FarBlobs) -> None:
    press.wheel("foo", "1.0")
    assert far.asked == 0
    gone = far.put(wheel("foo", "2.0"))
    collect_garbage(press.resources, timedelta(days=-999))
    assert far.stat(gone) is None
    far.asked = 0
    press.wheel("foo", "2.0")
    assert far.asked == 2
    press.resources.clock.move(days=8)  # type: ignore[attr-defined]
    collect_garbage(press.resources, timedelta(days=1))
    assert not BlobRemoval.objects.exists()


@pytest.mark.parametrize("where", ["near", "far"])
def test_a_row_is_never_written_for_a_blob_that_is_gone(
    press: Press, monkeypatch: pytest.MonkeyPatch, where: str, request: pytest.FixtureRequest
) -> None:
    from packhouse.services import placing

    if where == "far":
        request.getfixturevalue("far")

    place = placing.place

    def late(judged: Any, *args: Any) -> bool:
        collect_garbage(press.resources, timedelta(days=-999))
        return place(judged, *args)

    monkeypatch.setattr(placing, "place", late)
    with pytest.raises(PackhouseError) as caught:
        press.wheel("foo", "1.0")
    assert caught.value.kind is Kind.UNAVAILABLE
    assert not Placement.objects.exists()
    monkeypatch.undo()
    assert press.wheel("foo", "1.0").created
