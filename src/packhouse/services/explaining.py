# SPDX-License-Identifier: Apache-2.0
"""Why an index shows what it shows of a project: which layer answers, what is hidden, by which rule, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from packhouse.catalogue import queries
from packhouse.catalogue.composition import INDEX, OWN, UPSTREAM, has_own, layers_of, owning_layer, upstream_has
from packhouse.catalogue.models import Index, JournalEntry
from packhouse.domain.listing import Status
from packhouse.domain.serving import Finding
from packhouse.services import serving
from packhouse.services.indexes import find_index


@dataclass(frozen=True, slots=True)
class LayerAnswer:
    """A layer of the index asked, first first, and whether it is the one that answers."""

    layer: str
    answers: bool


@dataclass(frozen=True, slots=True)
class Ground:
    """Why a file is hidden, or warned of: by which rule of which index ("": of its origin), since when, until when."""

    filename: str
    version: str
    rule: str
    index: str
    reason: str
    enforced: bool
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`source` is the index whose own files answer, or the upstream; "" when no layer knows the name."""

    index: str
    project: str
    layers: tuple[LayerAnswer, ...]
    through: tuple[str, ...]
    source: str
    upstream: str = ""
    deleted: bool = False
    status: Status = Status.ACTIVE
    status_reason: str = ""
    served: int = 0
    grounds: tuple[Ground, ...] = ()

    @property
    def known(self) -> bool:
        """Whether any layer knows the name."""
        return bool(self.source or self.upstream)

    @property
    def hidden(self) -> int:
        """Files that a rule keeps from being served; several rules may hide one."""
        return len({ground.filename for ground in self.grounds if ground.enforced})


def explain(index_name: str, project: str, now: datetime) -> Explanation:
    """Explain what an index shows of a name (normalized) at the moment `now`; raises MISSING for an unknown index."""
    index = find_index(index_name)
    owner = owning_layer(index.pk, project)
    layers = _layers(index, project)
    if owner is None:
        return Explanation(index_name, project, layers, (), "")
    through = tuple(policy.index for policy in owner.policies)
    if not owner.own:
        return Explanation(index_name, project, layers, through, "", owner.upstream)
    found = queries.answering(index_name, project)
    if found is None:
        return Explanation(index_name, project, layers, through, owner.name, deleted=True)
    served = serving.served(found, now)
    status, reason = queries.status_of(found.project)
    return Explanation(
        index_name,
        project,
        layers,
        through,
        owner.name,
        status=status,
        status_reason=reason,
        served=sum(len(release.files) for release in served.facts.releases),
        grounds=tuple(ground for file in (*served.hidden, *served.warned) for ground in _grounds(file)),
    )


def _layers(index: Index, project: str) -> tuple[LayerAnswer, ...]:
    """The layers with the one that answers: the first that owns the name by itself."""
    answers, found = [], False
    for kind, target, target_id in layers_of(index.pk):
        alone = not found and _owns(index.pk, kind, target, target_id, project)
        found = found or alone
        answers.append(LayerAnswer(f"{kind}:{target}" if target else kind, alone))
    return tuple(answers)


def _owns(index_id: int, kind: str, target: str, target_id: int | None, project: str) -> bool:
    if kind == OWN:
        return has_own(index_id, project)
    if kind == UPSTREAM:
        return upstream_has(target, project)
    return kind == INDEX and target_id is not None and owning_layer(target_id, project) is not None


def _grounds(file: serving.HiddenFile) -> list[Ground]:
    verdict = file.verdict
    return [_ground(file, finding, enforced=True) for finding in verdict.against] + [
        _ground(file, finding, enforced=False) for finding in verdict.warnings
    ]


def _ground(file: serving.HiddenFile, finding: Finding, *, enforced: bool) -> Ground:
    since = finding.since or _time_of(finding.serial)
    return Ground(
        file.filename, file.version, finding.rule, finding.index, finding.reason, enforced, since, finding.until
    )


def _time_of(serial: int) -> datetime | None:
    return JournalEntry.objects.filter(serial=serial).values_list("at", flat=True).first() if serial else None
