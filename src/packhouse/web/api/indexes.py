# SPDX-License-Identifier: Apache-2.0
"""The management API on indexes: why one shows what it shows, and its snapshots."""

from __future__ import annotations

from typing import Any

from packhouse.catalogue.models import Snapshot
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.permissions import Action, may
from packhouse.services import access, explaining, snapshots
from packhouse.services.standing import unknown
from packhouse.web import resources
from packhouse.web.api.operations import Asked, Field, Operation
from packhouse.web.api.shapes import MOMENT, NUMBER, TEXT, YES, many, perhaps, thing
from packhouse.web.reading import may_read

LAYER = thing(layer=TEXT, answers=YES)
GROUND = thing(
    filename=TEXT,
    version=TEXT,
    rule=TEXT,
    index=TEXT,
    reason=TEXT,
    enforced=YES,
    since=perhaps(MOMENT),
    until=perhaps(MOMENT),
)
EXPLANATION = thing(
    index=TEXT,
    project=TEXT,
    layers=many(LAYER),
    source=TEXT,
    upstream=TEXT,
    status=TEXT,
    status_reason=TEXT,
    served=NUMBER,
    hidden=NUMBER,
    grounds=many(GROUND),
    note=TEXT,
)
SNAPSHOT = thing(name=TEXT, serial=NUMBER, at=MOMENT, note=TEXT, protected=YES, made=MOMENT, made_by=TEXT)
SNAPSHOTS = thing(index=TEXT, snapshots=many(SNAPSHOT))


def explain(asked: Asked, index: str, name: str) -> object:
    """Which layer answers for a name, and which files are hidden by which rule; for those who may read the index."""
    may_read(asked.request, index)
    if not is_valid_name(name):
        raise unknown(name)
    found = explaining.explain(index, normalize(name), resources.get().clock())
    if not found.known or found.deleted:
        raise unknown(name)
    return {
        "index": found.index,
        "project": found.project,
        "layers": [{"layer": one.layer, "answers": one.answers} for one in found.layers],
        "source": found.source,
        "upstream": found.upstream,
        "status": found.status.value,
        "status_reason": found.status_reason,
        "served": found.served,
        "hidden": found.hidden,
        "grounds": [{key: getattr(one, key) for key in GROUND["properties"]} for one in found.grounds],
        "note": found.note,
    }


def list_snapshots(asked: Asked, index: str) -> object:
    """The snapshots of an index, newest state first."""
    may(asked.identity, Action.SNAPSHOT, index=access.index_right(asked.identity, index)).demand()
    return {"index": index, "snapshots": [_told(one) for one in snapshots.list_snapshots(index)]}


def put_snapshot(asked: Asked, index: str, snapshot: str) -> object:
    """Give a name to an index as it is now or was; the same again is answered with what is there."""
    made = snapshots.make(
        asked.identity, index, snapshot, asked.text("moment"), asked.text("note"), clock=resources.get().clock
    )
    return _told(made)


def _told(one: Snapshot) -> dict[str, Any]:
    return {
        "name": one.name,
        "serial": one.serial,
        "at": one.at,
        "note": one.note,
        "protected": one.protected,
        "made": one.made_at,
        "made_by": one.made_by,
    }


_SNAPSHOT = (
    Field("moment", "A day (2026-11-01), a time (2026-11-01T12:00:00Z) or serial-N; without it now."),
    Field("note", "What it is for, in one line."),
)
_ONE = "indexes/<str:index>"

OPERATIONS = (
    Operation(
        "GET",
        f"{_ONE}/explain/<str:name>",
        Action.READ,
        explain,
        "Why an index shows what it shows of a project.",
        EXPLANATION,
    ),
    Operation("GET", f"{_ONE}/snapshots", Action.SNAPSHOT, list_snapshots, "The snapshots of an index.", SNAPSHOTS),
    Operation(
        "PUT",
        f"{_ONE}/snapshots/<str:snapshot>",
        Action.SNAPSHOT,
        put_snapshot,
        "Name an index as it is now, or as it was.",
        SNAPSHOT,
        _SNAPSHOT,
    ),
)
