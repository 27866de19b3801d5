# SPDX-License-Identifier: Apache-2.0
"""Indexes, upstreams and names as a file declares them: a plan of what differs, and the doing of it in one transaction.

Only what the file names is changed: an index, an upstream, a key or a rule that it leaves out stays as it is.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packhouse.domain.permissions import Identity, ReadMode
from packhouse.domain.rules import DEFAULT, SERVING_RULES, read_rule, serving_value, spoken
from packhouse.domain.wording import shown
from packhouse.errors import Kind, refuse
from packhouse.services import indexes
from packhouse.services.administering import as_administrator
from packhouse.services.declared_upstreams import (
    WantedNames,
    WantedUpstream,
    plan_names,
    plan_upstream,
    read_names,
    read_upstream,
)
from packhouse.services.declaring import Step, texts, wrong
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import Actor, Clock
from packhouse.services.readers import find_reader, readers_of, spelled

KEYS = frozenset({"read", "layers", "readers", "rules"})
TABLES = frozenset({"index", "upstream", "names"})


@dataclass(frozen=True, slots=True)
class WantedIndex:
    """An index as a file wants it; None and {} for what the file does not speak of."""

    name: str
    read: ReadMode | None = None
    layers: tuple[LayerSpec, ...] | None = None
    readers: tuple[str, ...] | None = None
    rules: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a file declares."""

    indexes: tuple[WantedIndex, ...] = ()
    upstreams: tuple[WantedUpstream, ...] = ()
    names: WantedNames = field(default_factory=WantedNames)


def read_file(text: str, environ: Mapping[str, str] = os.environ) -> Declaration:
    """Read a declaration (TOML). Raises INVALID (`declaration-invalid`), naming table and key."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise wrong(f"it is no TOML: {error}") from error
    unknown = sorted(data.keys() - TABLES)
    if unknown:
        raise wrong(f"it has {shown(unknown[0])}, where only tables [index.NAME], [upstream.NAME] and [names] can be")
    return Declaration(
        tuple(_wanted(name, table) for name, table in _tables(data, "index")),
        tuple(read_upstream(name, table, environ) for name, table in _tables(data, "upstream")),
        read_names(data.get("names", {})),
    )


def _tables(data: dict[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    tables = data.get(kind, {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise wrong(f"[{kind}] holds something else than tables [{kind}.NAME]")
    return list(tables.items())


def _wanted(name: str, table: dict[str, Any]) -> WantedIndex:
    where = f"[index.{name}]"
    unknown = sorted(table.keys() - KEYS)
    if unknown:
        raise wrong(f"{where} has {shown(unknown[0])}; expected {', '.join(sorted(KEYS))}")
    read, layers, readers = table.get("read"), table.get("layers"), table.get("readers")
    if read is not None and read not in list(ReadMode):
        raise wrong(f"{where} read is {shown(str(read))}; expected {', '.join(ReadMode)}")
    return WantedIndex(
        name,
        None if read is None else ReadMode(read),
        None if layers is None else tuple(LayerSpec.parse(text) for text in texts(where, "layers", layers)),
        None if readers is None else tuple(texts(where, "readers", readers)),
        _rules(where, table.get("rules", {})),
    )


def _rules(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(f"{where} rules is no table")
    return {key: read_rule(key, _typed(where, key, said)) for key, said in value.items()}


def _typed(where: str, key: str, said: Any) -> str:
    """The value of a rule as a command would be given it."""
    if isinstance(said, bool | str | int):
        return spoken(said)
    if isinstance(said, list) and all(isinstance(item, str) for item in said):
        return ", ".join(said) or "none"
    raise wrong(f"{where} the rule {shown(key)} is neither a text, a number, true or false, nor a list of texts")


def plan(wanted: Declaration, clock: Clock) -> list[Step]:
    """What differs between a declaration and the server now, in the order in which it can be done.

    Reserved names come before anything that could ask about them.
    """
    steps = plan_names(wanted.names, clock)
    for upstream in wanted.upstreams:
        steps += plan_upstream(upstream, clock)
    steps += _creations(wanted.indexes, clock)
    for index in wanted.indexes:
        steps += _changes(index, clock)
    return steps


def _creations(wanted: tuple[WantedIndex, ...], clock: Clock) -> list[Step]:
    """The indexes to make, those first that others are made of."""
    known = {index.name for index in indexes.list_indexes()}
    waiting = [one for one in wanted if one.name not in known]
    steps: list[Step] = []
    while waiting:
        ready = next((one for one in waiting if _below(one) <= known), waiting[0])
        waiting.remove(ready)
        known.add(ready.name)
        steps.append(_creation(ready, clock))
    return steps


def _below(one: WantedIndex) -> set[str]:
    return {layer.target for layer in one.layers or () if layer.kind == indexes.INDEX}


def _creation(one: WantedIndex, clock: Clock) -> Step:
    read, layers = one.read or ReadMode.PUBLIC, one.layers or (LayerSpec(indexes.OWN),)
    line = f"make the index {one.name} ({read.value}), made of {_spelled(layers)}"
    return Step(line, lambda actor: indexes.create_index(actor, one.name, read, layers, clock=clock))


def _spelled(layers: tuple[LayerSpec, ...] | list[LayerSpec]) -> str:
    return ", ".join(layer.spelled for layer in layers)


def _changes(one: WantedIndex, clock: Clock) -> list[Step]:
    """What is to be changed of an index; of a new one, what making it leaves."""
    found = next((index for index in indexes.list_indexes() if index.name == one.name), None)
    steps: list[Step] = []
    read, layers = one.read, one.layers
    if found is not None and read is not None and found.read != read.value:
        steps.append(
            Step(
                f"{one.name}: read by {found.read} -> {read.value}",
                lambda actor: indexes.set_read(actor, one.name, read, clock=clock),
            )
        )
    if found is not None and layers is not None and indexes.layers_of(one.name) != list(layers):
        line = f"{one.name}: made of {_spelled(indexes.layers_of(one.name))} -> {_spelled(layers)}"
        steps.append(Step(line, lambda actor: indexes.set_layers(actor, one.name, layers, clock=clock)))
    return [*steps, *_rule_changes(one, clock), *_reader_changes(one, clock)]


def _rule_changes(one: WantedIndex, clock: Clock) -> list[Step]:
    now = indexes.rules_of(one.name)
    return [
        Step(
            f"{one.name}: {key} {_said(key, now.get(key))} -> {_said(key, value)}",
            lambda actor, key=key, value=value: indexes.set_rule(  # type: ignore[misc]
                actor, one.name, key, value, clock=clock
            ),
        )
        for key, value in one.rules.items()
        if now.get(key) != value
    ]


def _said(key: str, value: Any) -> str:
    if value is None:
        return DEFAULT
    return serving_value(key, value) if key in SERVING_RULES else spoken(value)


def _reader_changes(one: WantedIndex, clock: Clock) -> list[Step]:
    if one.readers is None:
        return []
    people = {spelled(found): found for found in map(find_reader, one.readers)}
    before = readers_of(one.name)
    granted = [name for name in people if name not in before]
    ended = [name for name in before if name not in people]
    return [
        *(
            Step(
                f"{one.name}: reader {name} added",
                lambda actor, name=name: indexes.grant_read(  # type: ignore[misc]
                    actor, one.name, people[name], clock=clock
                ),
            )
            for name in granted
        ),
        *(
            Step(
                f"{one.name}: reader {name} taken off",
                lambda actor, name=name: indexes.end_grant(  # type: ignore[misc]
                    actor, one.name, find_reader(name), clock=clock
                ),
            )
            for name in ended
        ),
    ]


def apply(asker: Identity | Actor, wanted: Declaration, expected: list[str], *, clock: Clock) -> int:
    """Do what `plan` says, all or nothing; `expected` are the lines that were agreed to. Returns how many it were.

    Raises CONFLICT when the plan is another one by now, and whatever the changes raise.
    """

    def act(actor: Actor) -> int:
        steps = plan(wanted, clock)
        if [step.line for step in steps] != expected:
            message = "The server was changed since this plan was made; look at the new plan and apply again."
            raise refuse(Kind.CONFLICT, "plan-changed", message)
        for step in steps:
            step.act(actor)
        return len(steps)

    return as_administrator(asker, act, clock=clock)
