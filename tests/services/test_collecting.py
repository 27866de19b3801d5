# SPDX-License-Identifier: Apache-2.0
"""Collecting garbage beside publishing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.infra.judges import wheel
from tests.infra.publishing import Press

from packhouse.catalogue.models import Placement
from packhouse.errors import Kind, PackhouseError
from packhouse.services.maintenance import collect_garbage

pytestmark = pytest.mark.django_db


def test_hostile_257_a_blob_somebody_wants_again_is_kept(press: Press) -> None:
    data = wheel("foo", "1.0")
    old = press.resources.blobs.put(data)
    press.wheel("foo", "1.0")
    collect_garbage(press.resources, timedelta(seconds=-1))
    assert press.resources.blobs.read(old) == data


def test_a_row_is_never_written_for_a_blob_that_is_gone(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    from packhouse.services import placing

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
