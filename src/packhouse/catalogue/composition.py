# SPDX-License-Identifier: Apache-2.0
"""What indexes are made of, now or at a past moment, and which of their layers answers for a name.

A name is won whole: the first layer that owns it answers alone, and its files are never merged with another's. An own
layer owns a name when the index ever had a file of it; an index owns what one of its layers owns. So a project that
was deleted stays owned, and nothing below it shines through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from packhouse.catalogue.pulled import owned_among, upstream_owns
from packhouse.catalogue.rows import fetch, fetch_one, read_json
from packhouse.domain import serving
from packhouse.domain.moments import AsOf, began, holds
from packhouse.domain.serving import Known, Policy

OWN = "own"
INDEX = "index"
UPSTREAM = "upstream"
DEEPEST = 8
"""Indexes one above the other."""


Layer = tuple[str, str, int | None]
"""Kind, target, and the id of the index meant."""


@dataclass(frozen=True, slots=True)
class Makeup:
    """What an index is made of: its layers, first first, and what it says about serving."""

    layers: tuple[Layer, ...]
    policy: Policy


@dataclass(frozen=True, slots=True)
class Owner:
    """What answers for a name: the own placements of the index `index_id`, or its layer `upstream` (then not "").

    `path` has the ids of the indexes from the one asked to this one, `policies` their policies: what one of them
    forbids is not served.
    """

    index_id: int
    path: tuple[int, ...]
    upstream: str = ""
    policies: tuple[Policy, ...] = ()

    @property
    def own(self) -> bool:
        """Whether the files are placements of an index of this server."""
        return not self.upstream

    @property
    def name(self) -> str:
        """The name of the index `index_id`."""
        return self.policies[-1].index

    @property
    def speaking(self) -> tuple[Policy, ...]:
        """The policies that have something to say."""
        return tuple(policy for policy in self.policies if not policy.is_silent)


@dataclass(frozen=True, slots=True)
class _Above:
    """The indexes through which one is asked as a layer."""

    path: tuple[int, ...] = ()
    policies: tuple[Policy, ...] = ()


_TOP = _Above()


def owning_layer(index_id: int, name: str, as_of: AsOf | None = None, above: _Above = _TOP) -> Owner | None:
    """What answers for a project (normalized) in an index; None when no layer owns the name."""
    makeup = makeup_of(index_id, as_of)
    here = _Above((*above.path, index_id), (*above.policies, makeup.policy))
    for kind, target, target_id in makeup.layers:
        if kind == OWN and has_own(index_id, name, as_of):
            return _informed(Owner(index_id, here.path, "", here.policies), name, as_of)
        if kind == UPSTREAM and upstream_has(target, name, as_of):
            return _informed(Owner(index_id, here.path, target, here.policies), name, as_of)
        if kind == INDEX and target_id is not None and len(above.path) < DEEPEST:
            owner = owning_layer(target_id, name, as_of, here)
            if owner is not None:
                return owner
    return None


def owners_of(index_id: int, names: Iterable[str], above: _Above = _TOP) -> dict[str, Owner]:
    """What answers for each of some projects (normalized) now: as `owning_layer` says, a few statements for all.

    Names that no layer owns are left out. At most some hundred names.
    """
    makeup = makeup_of(index_id)
    here = _Above((*above.path, index_id), (*above.policies, makeup.policy))
    left, found = set(names), dict[str, Owner]()
    for kind, target, target_id in makeup.layers:
        won: dict[str, Owner] = {}
        if kind == OWN:
            won = dict.fromkeys(_own_among(index_id, left), Owner(index_id, here.path, "", here.policies))
        elif kind == UPSTREAM:
            won = dict.fromkeys(owned_among(target, left), Owner(index_id, here.path, target, here.policies))
        elif target_id is not None and len(above.path) < DEEPEST:
            won = owners_of(target_id, left, here)
        found |= won
        left -= won.keys()
    if above.path or not found:
        return found
    known = known_malware(found)
    return {name: _with_known(owner, known.get(name)) for name, owner in found.items()}


def known_malware(names: Iterable[str], as_of: AsOf | None = None) -> dict[str, tuple[Known, ...]]:
    """What lists of malware say of each of these projects (normalized), now or at a past moment."""
    wanted = list(names)
    marks = ", ".join("%s" for _ in wanted) or "NULL"
    statement = f"""
        SELECT k.project, k.identifier, CAST(k.versions AS text), k.summary, k.from_serial
        FROM catalogue_knownmalware k WHERE k.project IN ({marks}) AND {holds("k", as_of)}
        ORDER BY k.identifier"""  # noqa: S608 - our own words
    found: dict[str, list[Known]] = {}
    for project, identifier, versions, summary, serial in fetch(statement, *wanted):
        found.setdefault(project, []).append(Known(identifier, tuple(read_json(versions)), summary, serial))
    return {name: tuple(known) for name, known in found.items()}


def _informed(owner: Owner, name: str, as_of: AsOf | None) -> Owner:
    """An owner whose policies know what lists of malware say of the name."""
    return _with_known(owner, known_malware([name], as_of).get(name))


def _with_known(owner: Owner, known: tuple[Known, ...] | None) -> Owner:
    if known is None:
        return owner
    return replace(owner, policies=tuple(replace(policy, known=known) for policy in owner.policies))


def _own_among(index_id: int, names: Collection[str]) -> set[str]:
    """Those of these projects of which an index ever had a file of its own."""
    marks = ", ".join("%s" for _ in names) or "NULL"
    statement = f"""
        SELECT j.name FROM catalogue_project j WHERE j.name IN ({marks}) AND EXISTS (
            SELECT 1 FROM catalogue_placement p WHERE p.project_id = j.id AND p.index_id = %s AND {owns("p")}
        )"""  # noqa: S608 - our own words
    return {name for (name,) in fetch(statement, *names, index_id)}


def makeup_of(index_id: int, as_of: AsOf | None = None) -> Makeup:
    """The layers and the policy of an index, in one statement."""
    keys = ", ".join(f"'{key}'" for key in serving.KEYS)
    statement = f"""
        SELECT 0 AS part, l.position AS place, l.kind, l.target, t.id, i.name
        FROM catalogue_layer l JOIN catalogue_index i ON i.id = l.index_id
        LEFT JOIN catalogue_index t ON l.kind = 'index' AND t.name = l.target
        WHERE l.index_id = %s AND {holds("l", as_of)}
        UNION ALL
        SELECT 1, r.from_serial, r.key, CAST(r.value AS text), NULL, i.name
        FROM catalogue_indexrule r JOIN catalogue_index i ON i.id = r.index_id
        WHERE r.index_id = %s AND r.key IN ({keys}) AND {holds("r", as_of)}
        ORDER BY part, place"""  # noqa: S608 - our own words
    rows = fetch(statement, index_id, index_id)
    layers = tuple((kind, target, target_id) for part, _, kind, target, target_id, _ in rows if part == 0)
    rules = {key: (read_json(value), serial) for part, serial, key, value, _, _ in rows if part == 1}
    return Makeup(layers, serving.policy_from(rows[0][5] if rows else "", rules))


def layers_of(index_id: int, as_of: AsOf | None = None) -> tuple[Layer, ...]:
    """The layers of an index, first first."""
    return makeup_of(index_id, as_of).layers


def has_own(index_id: int, name: str, as_of: AsOf | None = None) -> bool:
    """Whether an index ever had a file of its own of a project."""
    statement = f"""
        SELECT 1 FROM catalogue_project j JOIN catalogue_placement p ON p.project_id = j.id
        WHERE j.name = %s AND p.index_id = %s AND {owns("p", as_of)} LIMIT 1"""  # noqa: S608 - our own words
    return fetch_one(statement, name, index_id) is not None


def owns(table: str, as_of: AsOf | None = None) -> str:
    """The SQL condition that a placement says whose a name is: it began, and was not taken back since."""
    over = f"{table}.to_serial IS NOT NULL" if as_of is None else f"{table}.to_serial <= {as_of.serial:d}"
    return f"{began(table, as_of)} AND NOT ({table}.taken_back AND COALESCE({over}, FALSE))"


def upstream_has(upstream: str, name: str, as_of: AsOf | None = None) -> bool:
    """Whether an upstream owns a name: never one that is ours or reserved."""
    return upstream_owns(upstream, name, as_of)


def own_indexes(index_id: int, as_of: AsOf | None = None, depth: int = DEEPEST) -> list[int]:
    """The ids of the indexes whose own placements an index is made of, sorted."""
    found: set[int] = set()
    for kind, _, target_id in layers_of(index_id, as_of):
        if kind == OWN:
            found.add(index_id)
        elif kind == INDEX and depth and target_id is not None:
            found.update(own_indexes(target_id, as_of, depth - 1))
    return sorted(found)


def upstreams_below(index_id: int, as_of: AsOf | None = None) -> list[str]:
    """The upstreams an index is made of, directly or through other indexes, in the order in which they are asked."""
    found: list[str] = []

    def walk(current: int, depth: int) -> None:
        for kind, target, target_id in layers_of(current, as_of):
            if kind == UPSTREAM and target not in found:
                found.append(target)
            elif kind == INDEX and target_id is not None and depth:
                walk(target_id, depth - 1)

    walk(index_id, DEEPEST)
    return found
