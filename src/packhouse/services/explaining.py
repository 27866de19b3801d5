# SPDX-License-Identifier: Apache-2.0
"""Why an index shows what it shows of a project: which layer answers, what is hidden, by which rule, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from packhouse.catalogue import queries
from packhouse.catalogue.composition import (
    INDEX,
    OWN,
    UPSTREAM,
    Owner,
    has_own,
    layers_of,
    owning_layer,
    upstream_has,
    upstreams_below,
)
from packhouse.catalogue.listings import why_held
from packhouse.catalogue.models import Index, JournalEntry, Project, ProjectStatus, UpstreamFile, UpstreamProject
from packhouse.catalogue.pulled import is_ours, kept_project, offered_files, status_said
from packhouse.domain.listing import Status
from packhouse.domain.serving import QUARANTINE, Finding, Subject, judge
from packhouse.services.indexes import find_index
from packhouse.services.serving import HiddenFile
from packhouse.services.upstreams import is_reserved, reserved_names


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
    note: str = ""
    """What upstreams have to do with it, where none answers: a sentence, or ""."""

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
        return Explanation(index_name, project, layers, (), "", note=_why_unknown(index, project))
    through = tuple(policy.index for policy in owner.policies)
    told = (index_name, project, layers, through)
    if not owner.own:
        kept = kept_project(owner.upstream, project)
        return Explanation(*told, "", owner.upstream) if kept is None else _of_upstream(told, owner, kept, now)
    found = queries.answering(index_name, project)
    if found is None:
        return Explanation(*told, owner.name, deleted=True)
    status, reason = queries.status_of(found.project)
    facts = queries.project_facts(found.index, found.project, even_quarantined=True)
    asked = [
        (file.filename, Subject(project, release.version, file.upload_time, file.upload_time, status, reason))
        for release in facts.releases
        for file in release.files
    ]
    since = _quarantined_since(found.project) if status is Status.QUARANTINED else None
    own = Explanation(*told, owner.name, status=status, status_reason=reason, note=_clash(project))
    return _judged(own, asked, owner, now, since)


def _why_unknown(index: Index, project: str) -> str:
    """Why no upstream answers for a name that no layer knows."""
    upstreams = upstreams_below(index.pk)
    if not upstreams:
        return ""
    names = ", ".join(upstreams)
    if is_ours(project):
        return f"The name is another index's; the upstreams below ({names}) are not asked about it."
    if is_reserved(project, reserved_names()):
        return f"The name is reserved; the upstreams below ({names}) are not asked about it."
    return f"Nothing of it was kept of the upstreams below ({names}); they are asked when somebody asks for its page."


def _clash(project: str) -> str:
    """That an upstream has a name of ours too."""
    rows = UpstreamProject.objects.filter(name=project).order_by("upstream__name")
    names = ", ".join(rows.values_list("upstream__name", flat=True))
    return f"The name is also one of {names}, which is not asked about it." if names else ""


_Told = tuple[str, str, tuple[LayerAnswer, ...], tuple[str, ...]]


def _of_upstream(told: _Told, owner: Owner, kept: UpstreamProject, now: datetime) -> Explanation:
    """What the upstream offers of a project, and what of it is hidden."""
    status = status_said(kept.status)
    asked = [
        (
            file.filename,
            Subject(kept.name, file.version, file.upload_time, file.seen_at, status, kept.status_reason, _held(file)),
        )
        for file in offered_files(kept)
    ]
    found = Explanation(*told, "", owner.upstream, status=status, status_reason=kept.status_reason)
    return _judged(found, asked, owner, now, None)


def _held(file: UpstreamFile) -> str:
    return "" if file.sha256 else why_held(file.missing)


def _judged(
    found: Explanation, asked: list[tuple[str, Subject]], owner: Owner, now: datetime, since: datetime | None
) -> Explanation:
    """The explanation with what the one decision says of each file; a quarantine began `since`."""
    verdicts = [(filename, subject, judge(subject, owner.speaking, now)) for filename, subject in asked]
    return replace(
        found,
        served=sum(verdict.served for _, _, verdict in verdicts),
        grounds=tuple(
            ground
            for filename, subject, verdict in verdicts
            for ground in _grounds(HiddenFile(filename, subject.version, verdict), since)
        ),
    )


def _quarantined_since(project: Project) -> datetime | None:
    serial = ProjectStatus.objects.filter(project=project, to_serial=None).values_list("from_serial", flat=True).first()
    return _time_of(serial or 0)


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


def _grounds(file: HiddenFile, quarantined: datetime | None) -> list[Ground]:
    verdict = file.verdict
    return [_ground(file, finding, quarantined, enforced=True) for finding in verdict.against] + [
        _ground(file, finding, quarantined, enforced=False) for finding in verdict.warnings
    ]


def _ground(file: HiddenFile, finding: Finding, quarantined: datetime | None, *, enforced: bool) -> Ground:
    since = finding.since or _time_of(finding.serial)
    if finding.rule == QUARANTINE:
        since = quarantined
    return Ground(
        file.filename, file.version, finding.rule, finding.index, finding.reason, enforced, since, finding.until
    )


def _time_of(serial: int) -> datetime | None:
    return JournalEntry.objects.filter(serial=serial).values_list("at", flat=True).first() if serial else None
