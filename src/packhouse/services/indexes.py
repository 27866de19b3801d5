# SPDX-License-Identifier: Apache-2.0
"""Indexes: making them and changing what they are made of."""

from __future__ import annotations

from packhouse.catalogue.models import Index, Layer
from packhouse.services.journal import COMMAND, Clock, Entry, Fact, record, take, write
from packhouse.services.resources import now

MAIN = "main"
"""The index that also answers at `/simple/` and `/legacy/`."""


def ensure_main(clock: Clock = now) -> None:
    """Make the index `main`, public and made of its own placements, at the first start."""
    if Index.objects.filter(name=MAIN).exists():
        return
    with write():
        moment = take(1, clock)
        index = Index.objects.create(
            name=MAIN,
            read="public",
            created_at=moment.at,
            created_serial=moment.first,
            serial=moment.first,
            modified=int(moment.at.timestamp()),
            names_serial=moment.first,
        )
        Layer.objects.create(index=index, position=0, kind="own", from_serial=moment.first)
        record(moment, COMMAND, [Entry(Fact.INDEX_CREATED, index=MAIN, detail={"read": "public"})])
