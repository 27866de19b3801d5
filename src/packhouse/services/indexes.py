# SPDX-License-Identifier: Apache-2.0
"""Indexes: making them, what they are made of, their rules, and who may read them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from packhouse.catalogue.models import Index, IndexGrant, IndexRule, Layer, Page
from packhouse.catalogue.models.upstreams import Upstream
from packhouse.catalogue.upload_facts import directly_above, index_facts
from packhouse.config import Settings
from packhouse.domain import serving
from packhouse.domain.permissions import ANONYMOUS, ReadMode
from packhouse.domain.policy import PRIVATE, PROFILES, Profile
from packhouse.domain.rules import PROFILE
from packhouse.errors import Kind, refuse
from packhouse.services import pages
from packhouse.services.access import missing_index
from packhouse.services.journal import COMMAND, Actor, Clock, Entry, Fact, Moment, bump_access, record, take, write
from packhouse.services.readers import Reader, kind_of, spelled
from packhouse.services.resources import now

MAIN = "main"
"""The index that also answers at `/simple/` and `/legacy/`."""
OWN = "own"
INDEX = "index"
LAYER_KINDS = (OWN, INDEX, "upstream")
MAX_DEPTH = 8
"""Indexes one above the other."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer wanted: `own` (no target), or `index` or `upstream` with the name of one."""

    kind: str
    target: str = ""

    @classmethod
    def parse(cls, text: str) -> LayerSpec:
        """Read `KIND:NAME` or `own`."""
        kind, _, target = text.partition(":")
        return cls(kind.strip(), target.strip())

    @property
    def spelled(self) -> str:
        """The layer as it is typed."""
        return f"{self.kind}:{self.target}" if self.target else self.kind


def any_stages(names: Iterable[str]) -> bool:
    """Whether one of these indexes is marked as staging."""
    rules = IndexRule.objects.filter(index__name__in=list(names), key="staging", to_serial=None)
    return any(value is True for value in rules.values_list("value", flat=True))


def ensure_main(clock: Clock = now, actor: Actor = COMMAND) -> Index:
    """The index `main`, made public with its own layer when it is not there yet."""
    found = Index.objects.filter(name=MAIN).first()
    if found is not None:
        return found
    with write():
        again = Index.objects.filter(name=MAIN).first()
        return again or _create(actor, MAIN, ReadMode.PUBLIC, (LayerSpec(OWN),), clock)


def create_index(
    actor: Actor, name: str, read: ReadMode = ReadMode.PUBLIC, layers: Iterable[LayerSpec] = (), *, clock: Clock
) -> Index:
    """Make an index; without layers it has its own placements alone.

    Raises INVALID for a name or layer that makes no sense, CONFLICT for a name in use.
    """
    wanted = tuple(layers) or (LayerSpec(OWN),)
    with write():
        _check_name(name)
        _check_layers(name, wanted)
        return _create(actor, name, read, wanted, clock)


def _create(actor: Actor, name: str, read: ReadMode, layers: tuple[LayerSpec, ...], clock: Clock) -> Index:
    moment = take(1, clock)
    index = Index.objects.create(
        name=name,
        read=read.value,
        audience=_new_audience(read),
        created_at=moment.at,
        created_serial=moment.first,
        serial=moment.first,
        modified=int(moment.at.timestamp()),
        names_serial=moment.first,
    )
    _write_layers(index, layers, moment)
    detail = {"read": read.value, "layers": [f"{layer.kind}:{layer.target}" for layer in layers]}
    record(moment, actor, [Entry(Fact.INDEX_CREATED, index=name, detail=detail)])
    bump_access()
    return index


def _new_audience(read: ReadMode) -> str:
    """An id nobody can guess; a new one whenever the rule of reading changes."""
    return "" if read is ReadMode.PUBLIC else secrets.token_hex(12)


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        message = (
            f"The index name {name!r} is invalid; expected 1 to 64 lower-case ASCII letters, digits and hyphens,"
            " first and last no hyphen; choose another."
        )
        raise refuse(Kind.INVALID, "index-name-invalid", message, "name")
    if Index.objects.filter(name=name).exists():
        raise refuse(
            Kind.CONFLICT, "index-name-taken", f"There is an index {name!r} already; choose another name.", "name"
        )


def _check_layers(name: str, layers: tuple[LayerSpec, ...]) -> None:
    if len(set(layers)) != len(layers):
        raise refuse(Kind.INVALID, "layer-repeated", "A layer is given twice; give each once.", "layer")
    for layer in layers:
        if layer.kind not in LAYER_KINDS or (layer.kind == OWN) == bool(layer.target):
            message = f"The layer {layer.kind}:{layer.target} is unknown; expected own, index:NAME or upstream:NAME."
            raise refuse(Kind.INVALID, "layer-invalid", message, "layer")
        if layer.kind == INDEX and layer.target not in indexes_below_all([layer.target]):
            raise missing_index(layer.target)
        if layer.kind == "upstream" and not Upstream.objects.filter(name=layer.target).exists():
            message = f"There is no upstream {layer.target[:64]!r}; see `packhouse upstream`."
            raise refuse(Kind.MISSING, "upstream-unknown", message, "layer")
        if layer.kind == INDEX and name in indexes_below_all([layer.target]):
            message = f"The index {layer.target!r} is made of {name!r} itself; leave this layer out."
            raise refuse(Kind.INVALID, "layer-loop", message, "layer")


def _write_layers(index: Index, layers: tuple[LayerSpec, ...], moment: Moment) -> None:
    Layer.objects.bulk_create(
        Layer(index=index, position=place, kind=layer.kind, target=layer.target, from_serial=moment.first)
        for place, layer in enumerate(layers)
    )


def set_layers(actor: Actor, name: str, layers: Iterable[LayerSpec], *, clock: Clock) -> bool:
    """Say what an index is made of from now on; False when it is made of that already.

    Raises INVALID for layers that make no sense, MISSING for an unknown index. Its pages, and those of the indexes
    above, go in the same transaction.
    """
    wanted = tuple(layers)
    with write():
        index = find_index(name)
        before = layers_of(name)
        if list(wanted) == before:
            return False
        if not wanted:
            message = f"The index {name!r} needs at least one layer; add one before the last is taken away."
            raise refuse(Kind.INVALID, "layer-last", message, "layer")
        _check_layers(name, wanted)
        moment = take(1, clock)
        _now(Layer).filter(index=index).update(to_serial=moment.first)
        _write_layers(index, wanted, moment)
        detail = {"layers": [layer.spelled for layer in wanted], "before": [layer.spelled for layer in before]}
        record(moment, actor, [Entry(Fact.INDEX_LAYERS_SET, index=name, detail=detail)])
        pages.reshape(name, moment, indexes_above(name))
    return True


def add_layer(actor: Actor, name: str, layer: LayerSpec, place: int | None = None, *, clock: Clock) -> None:
    """Add a layer at a place (0 is the first), or as the last."""
    with write():
        layers = layers_of(name)
        layers.insert(len(layers) if place is None else place, layer)
        set_layers(actor, name, layers, clock=clock)


def remove_layer(actor: Actor, name: str, layer: LayerSpec, *, clock: Clock) -> None:
    """Take a layer away; raises MISSING when the index is not made of it."""
    with write():
        layers = _layers_with(name, layer)
        layers.remove(layer)
        set_layers(actor, name, layers, clock=clock)


def move_layer(actor: Actor, name: str, layer: LayerSpec, place: int, *, clock: Clock) -> None:
    """Move a layer to a place (0 is the first); raises MISSING when the index is not made of it."""
    with write():
        layers = _layers_with(name, layer)
        layers.remove(layer)
        layers.insert(place, layer)
        set_layers(actor, name, layers, clock=clock)


def _layers_with(name: str, layer: LayerSpec) -> list[LayerSpec]:
    find_index(name)
    layers = layers_of(name)
    if layer not in layers:
        made = ", ".join(one.spelled for one in layers)
        message = f"The index {name!r} has no layer {layer.spelled!r}; it is made of {made}."
        raise refuse(Kind.MISSING, "layer-unknown", message, "layer")
    return layers


def indexes_below_all(names: Iterable[str]) -> set[str]:
    """The existing ones of these indexes and all that they are made of."""
    found: set[str] = set()
    wanted = set(names)
    for _ in range(MAX_DEPTH):
        level = set(Index.objects.filter(name__in=wanted - found).values_list("name", flat=True))
        if not level:
            break
        found |= level
        wanted = set(_now(Layer).filter(index__name__in=level, kind=INDEX).values_list("target", flat=True))
    return found


def indexes_above(name: str) -> list[str]:
    """The indexes that show what this one shows, however many levels up, this one left out."""
    found: set[str] = set()
    level = {name}
    for _ in range(MAX_DEPTH):
        level = {above for one in level for above in directly_above(one)} - found
        if not level:
            break
        found |= level
    return sorted(found - {name})


def _now(model: Any) -> Any:
    """The rows that hold now."""
    return model.objects.filter(to_serial=None)


def find_index(name: str) -> Index:
    """The index of this name; raises MISSING."""
    index = Index.objects.filter(name=name).first()
    if index is None:
        raise missing_index(name)
    return index


def layers_of(name: str) -> list[LayerSpec]:
    """The layers of an index now, first first."""
    rows = _now(Layer).filter(index__name=name).order_by("position").values_list("kind", "target")
    return [LayerSpec(kind, target) for kind, target in rows]


def set_read(actor: Actor, name: str, read: ReadMode, *, clock: Clock) -> None:
    """Say who may read an index. Its pages go, since they carry the audience of before."""
    with write():
        index = find_index(name)
        if index.read == read.value:
            return
        moment = take(1, clock)
        index.read, index.audience = read.value, _new_audience(read)
        _touch(index, moment)
        index.save(update_fields=["read", "audience", "serial", "modified"])
        record(moment, actor, [Entry(Fact.INDEX_READ_SET, index=name, detail={"read": read.value})])
        Page.objects.filter(index_name=name).delete()
        bump_access()


def _touch(index: Index, moment: Moment) -> None:
    index.serial = moment.last
    index.modified = max(index.modified + 1, int(moment.at.timestamp()))


def grant_read(actor: Actor, name: str, reader: Reader, *, clock: Clock) -> None:
    """Name a person, organization, team or token among the readers of an index; doing it twice changes nothing."""
    kind = {kind_of(reader): reader}
    with write():
        index = find_index(name)
        if IndexGrant.objects.filter(index=index, **kind).exists():
            return
        moment = take(1, clock)
        IndexGrant.objects.create(index=index, since=moment.at, **kind)
        record(moment, actor, [_grant_entry(Fact.INDEX_GRANTED, name, reader)])
        bump_access()


def end_grant(actor: Actor, name: str, reader: Reader, *, clock: Clock) -> None:
    """Take a reader off an index again; nothing happens when they were none."""
    with write():
        grant = IndexGrant.objects.filter(index=find_index(name), **{kind_of(reader): reader}).first()
        if grant is None:
            return
        moment = take(1, clock)
        grant.delete()
        record(moment, actor, [_grant_entry(Fact.INDEX_GRANT_ENDED, name, reader)])
        bump_access()


def _grant_entry(kind: Fact, name: str, reader: Reader) -> Entry:
    return Entry(kind, index=name, detail={kind_of(reader): spelled(reader)})


def set_rule(actor: Actor, name: str, key: str, value: Any, *, clock: Clock) -> None:
    """Set a named rule of an index from now on; None takes it back to what the profile says."""
    with write():
        index = find_index(name)
        current = _now(IndexRule).filter(index=index, key=key)
        row = current.first()
        if (row is None and value is None) or (row is not None and row.value == value):
            return
        moment = take(1, clock)
        current.update(to_serial=moment.first)
        if value is not None:
            IndexRule.objects.create(index=index, key=key, value=value, from_serial=moment.first)
        detail = {"key": key, "value": value, "before": None if row is None else row.value}
        record(moment, actor, [Entry(Fact.INDEX_RULE_SET, index=name, detail=detail)])
        if key in serving.KEYS:
            pages.reshape(name, moment, indexes_above(name))


def rules_of(name: str) -> dict[str, Any]:
    """The rules set on an index now."""
    found = index_facts(name, ANONYMOUS)
    return {} if found is None else found.rules


def list_indexes() -> list[Index]:
    """All indexes, `main` first."""
    return sorted(Index.objects.all(), key=lambda index: (index.name != MAIN, index.name))


def profile_of(name: str) -> Profile:
    """The upload rules of an index: the profile it names (`private` by default), with its single rules over it."""
    return profile_from(rules_of(name))


def base_profile(rules: dict[str, Any]) -> Profile:
    """The profile that the rules set on an index name."""
    named = rules.get(PROFILE, PRIVATE.name)
    return PROFILES.get(named, PRIVATE) if isinstance(named, str) else PRIVATE


def profile_from(rules: dict[str, Any]) -> Profile:
    """The upload rules, of the rules set on an index."""
    chosen = base_profile(rules)
    return Profile.from_dict(chosen.as_dict() | rules) if rules else chosen


def file_limit_from(rules: dict[str, Any], settings: Settings) -> int:
    """Bytes of the largest file an index takes: its own rule, else the less of its profile's and the server's."""
    wanted = profile_from(rules).max_file_size
    if wanted is None:
        return settings.max_file_size
    return wanted if "max_file_size" in rules else min(wanted, settings.max_file_size)


def project_limit(name: str, settings: Settings) -> int | None:
    """Bytes all files of a project uploaded here may have together; None for any number."""
    return project_limit_from(rules_of(name), settings)


def project_limit_from(rules: dict[str, Any], settings: Settings) -> int | None:
    """The same, of the rules set on an index: its own, else the server's, else its profile's."""
    wanted = profile_from(rules).max_project_size
    if "max_project_size" in rules and wanted is not None:
        return wanted
    return wanted if settings.max_project_size is None else settings.max_project_size
