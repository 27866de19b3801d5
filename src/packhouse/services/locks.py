# SPDX-License-Identifier: Apache-2.0
"""Locks of what an index or an upstream looked like at a moment: made from what is here, compared with what is here.

Nothing is asked of an upstream for it: its lock is what was kept of it. What rules hid then is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from packhouse.catalogue.composition import INDEX, OWN, layers_of, owning_layer
from packhouse.catalogue.listings import project_at, root_at
from packhouse.catalogue.models import Index, Upstream, UpstreamFile, UpstreamProject
from packhouse.catalogue.pulled import upstream_listing_as_of
from packhouse.catalogue.rows import fetch, read_json
from packhouse.domain import locks
from packhouse.domain.listing import ListedFile, ProjectListing
from packhouse.domain.locks import Lock
from packhouse.domain.moments import AsOf, holds
from packhouse.errors import Kind, refuse
from packhouse.services import snapshots
from packhouse.services.indexes import find_index
from packhouse.services.journal import Clock, last_serial

THEN = "then"
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


def of_index(name: str, state: str, clock: Clock) -> Iterator[bytes]:
    """The lock of an index in a state as `snapshots.point` reads it, a line at a time."""
    index = find_index(name)
    return _of_index(index, snapshots.point(name, state, clock))


def _of_index(index: Index, as_of: AsOf) -> Iterator[bytes]:
    head = {**_head(as_of), "of": {"index": index.name}, "indexes": _makeup(index.pk, as_of)}
    return locks.pieces(head, _projects(index, as_of))


def of_upstream(name: str, state: str, clock: Clock) -> Iterator[bytes]:
    """The lock of what was kept of an upstream, a line at a time; its state is `now` or `@` with a moment."""
    return _of_upstream(_find_upstream(name), snapshots.point("main", state, clock))


def _find_upstream(name: str) -> Upstream:
    upstream = Upstream.objects.filter(name=name).first()
    if upstream is None:
        message = f"There is no upstream {name[:64]!r}; see `packhouse upstream list`."
        raise refuse(Kind.MISSING, "upstream-unknown", message, "upstream")
    return upstream


def _of_upstream(upstream: Upstream, as_of: AsOf) -> Iterator[bytes]:
    head = {**_head(as_of), "of": {"upstream": upstream.name}, "indexes": {}}
    return locks.pieces(head, _kept(upstream, as_of))


def again(lock: Lock, state: str, clock: Clock) -> Lock:
    """What a lock is of, as it is in a state: `then` is the moment of the lock itself, as it is told today.

    Raises MISSING when there is no such index or upstream, INVALID when the moment is none of this server.
    """
    kind, name = next(iter(lock.head["of"].items()), ("", ""))
    as_of = _moment_of(lock) if state == THEN else None
    if kind == "index":
        index = find_index(str(name))
        pieces = _of_index(index, as_of or snapshots.point(index.name, state, clock))
    else:
        upstream = Upstream.objects.filter(name=str(name)).first()
        if upstream is None:
            message = (
                f"The lock is of the upstream {str(name)[:64]!r}, which is not here; see `packhouse upstream list`."
            )
            raise refuse(Kind.MISSING, "upstream-unknown", message, "file")
        pieces = _of_upstream(upstream, as_of or snapshots.point("main", state, clock))
    return locks.read(b"".join(pieces))


def _moment_of(lock: Lock) -> AsOf:
    try:
        at = datetime.strptime(str(lock.head["at"]), _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        message = f"The moment of the lock, {str(lock.head['at'])[:40]!r}, can't be read; make the lock anew."
        raise refuse(Kind.INVALID, "lock-invalid", message, "file") from error
    serial, last = int(lock.head["serial"]), last_serial()
    if not 0 <= serial <= last:
        message = f"The lock is of serial {serial}, and the last one here is {last}: it is of another server's journal."
        raise refuse(Kind.INVALID, "moment-unknown", message, "file")
    return AsOf(serial, at)


def _head(as_of: AsOf) -> dict[str, Any]:
    return {"serial": as_of.serial, "at": _time(as_of.at)}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_TIME)


def _makeup(index_id: int, as_of: AsOf) -> dict[str, Any]:
    """The layers and rules of an index, and of those that it is made of."""
    found: dict[str, Any] = {}

    def walk(current: int) -> None:
        name = Index.objects.values_list("name", flat=True).get(pk=current)
        if name in found:
            return
        layers = layers_of(current, as_of)
        found[name] = {
            "layers": [kind if kind == OWN else f"{kind}:{target}" for kind, target, _ in layers],
            "rules": _rules(current, as_of),
        }
        for kind, _, target_id in layers:
            if kind == INDEX and target_id is not None:
                walk(target_id)

    walk(index_id)
    return found


def _rules(index_id: int, as_of: AsOf) -> dict[str, Any]:
    statement = f"""
        SELECT r.key, CAST(r.value AS text) FROM catalogue_indexrule r
        WHERE r.index_id = %s AND {holds("r", as_of)} ORDER BY r.key"""  # noqa: S608 - our own words
    return {key: read_json(value) for key, value in fetch(statement, index_id)}


def _projects(index: Index, as_of: AsOf) -> Iterator[dict[str, Any]]:
    for entry in root_at(index, as_of).projects:
        owner = owning_layer(index.pk, entry.name, as_of)
        shown = project_at(index, entry.name, as_of)
        if owner is not None and shown is not None:
            layer = f"index:{owner.name}" if owner.own else f"upstream:{owner.upstream}"
            seen = {} if owner.own else _first_seen(owner.upstream, entry.name)
            yield _project(shown.listing, layer, seen)


def _kept(upstream: Upstream, as_of: AsOf) -> Iterator[dict[str, Any]]:
    rows = UpstreamProject.objects.select_related("upstream").filter(upstream=upstream, from_serial__lte=as_of.serial)
    for name in sorted(rows.values_list("name", flat=True)):
        listing = upstream_listing_as_of(rows.get(name=name), as_of.at)
        if listing is not None:
            yield _project(listing, f"upstream:{upstream.name}", _first_seen(upstream.name, name))


def _first_seen(upstream: str, name: str) -> dict[str, datetime]:
    rows = UpstreamFile.objects.filter(project__upstream__name=upstream, project__name=name)
    return dict(rows.values_list("filename", "first_seen"))


def _project(listing: ProjectListing, layer: str, seen: dict[str, datetime]) -> dict[str, Any]:
    return {
        "name": listing.name,
        "layer": layer,
        "status": listing.status.value,
        "files": [_file(file, seen.get(file.filename, file.upload_time)) for file in listing.files],
    }


def _file(file: ListedFile, first_seen: datetime) -> dict[str, Any]:
    """What is said of a file; what is not known is left out."""
    said = {
        "filename": file.filename,
        "version": file.version,
        "sha256": file.sha256,
        "size": file.size,
        "upload-time": _time(file.upload_time),
        "first-seen": _time(first_seen),
        "requires-python": file.requires_python,
        "core-metadata": file.metadata_sha256,
        "yanked": file.yanked,
    }
    return {key: value for key, value in said.items() if value is not None}
