# SPDX-License-Identifier: Apache-2.0
"""What indexes are made of, now or at a past moment, and which of their layers answers for a name.

A name is won whole: the first layer that owns it answers alone, and its files are never merged with another's. An own
layer owns a name when the index ever had a file of it; an index owns what one of its layers owns. So a project that
was deleted stays owned, and nothing below it shines through.
"""

from __future__ import annotations

from dataclasses import dataclass

from packhouse.catalogue.rows import fetch, fetch_one
from packhouse.domain.moments import AsOf, began, holds

OWN = "own"
INDEX = "index"
UPSTREAM = "upstream"
DEEPEST = 8
"""Indexes one above the other."""


@dataclass(frozen=True, slots=True)
class Owner:
    """What answers for a name: the own placements of the index `index_id`, or its layer `upstream` (then not "").

    `path` has the ids of the indexes from the one asked to this one: what each of them forbids is not shown.
    """

    index_id: int
    path: tuple[int, ...]
    upstream: str = ""

    @property
    def own(self) -> bool:
        """Whether the files are placements of an index of this server."""
        return not self.upstream


def owning_layer(index_id: int, name: str, as_of: AsOf | None = None, path: tuple[int, ...] = ()) -> Owner | None:
    """What answers for a project (normalized) in an index; None when no layer owns the name.

    `path`: the indexes above, when one is asked as a layer of another.
    """
    here = (*path, index_id)
    for kind, target, target_id in layers_of(index_id, as_of):
        if kind == OWN and has_own(index_id, name, as_of):
            return Owner(index_id, here)
        if kind == UPSTREAM and upstream_has(target, name, as_of):
            return Owner(index_id, here, target)
        if kind == INDEX and target_id is not None and len(path) < DEEPEST:
            owner = owning_layer(target_id, name, as_of, here)
            if owner is not None:
                return owner
    return None


def layers_of(index_id: int, as_of: AsOf | None = None) -> list[tuple[str, str, int | None]]:
    """The layers of an index, first first: kind, target, and the id of the index meant."""
    statement = f"""
        SELECT l.kind, l.target, t.id FROM catalogue_layer l
        LEFT JOIN catalogue_index t ON l.kind = 'index' AND t.name = l.target
        WHERE l.index_id = %s AND {holds("l", as_of)} ORDER BY l.position"""  # noqa: S608 - our own words
    return [(kind, target, target_id) for kind, target, target_id in fetch(statement, index_id)]


def has_own(index_id: int, name: str, as_of: AsOf | None = None) -> bool:
    """Whether an index ever had a file of its own of a project."""
    statement = f"""
        SELECT 1 FROM catalogue_project j JOIN catalogue_placement p ON p.project_id = j.id
        WHERE j.name = %s AND p.index_id = %s AND {began("p", as_of)} LIMIT 1"""  # noqa: S608 - our own words
    return fetch_one(statement, name, index_id) is not None


def upstream_has(upstream: str, name: str, as_of: AsOf | None = None) -> bool:
    """Whether an upstream owns a name: never one that is ours or reserved."""
    return False


def own_indexes(index_id: int, as_of: AsOf | None = None, depth: int = DEEPEST) -> list[int]:
    """The ids of the indexes whose own placements an index is made of, sorted."""
    found: set[int] = set()
    for kind, _, target_id in layers_of(index_id, as_of):
        if kind == OWN:
            found.add(index_id)
        elif kind == INDEX and depth and target_id is not None:
            found.update(own_indexes(target_id, as_of, depth - 1))
    return sorted(found)
