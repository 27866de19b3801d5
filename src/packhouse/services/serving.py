# SPDX-License-Identifier: Apache-2.0
"""What an index serves of a project, for everything that is made for each request: documents, feeds, search, people.

Simple pages judge in `catalogue.listings`, file addresses in `services.files`; all ask `domain.serving.judge`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from packhouse.catalogue import queries
from packhouse.catalogue.composition import UPSTREAM, makeup_of, owning_layer
from packhouse.catalogue.models import Index
from packhouse.catalogue.queries import Answering, NewRelease
from packhouse.domain.moments import AsOf
from packhouse.domain.project_json import FileFacts, ProjectFacts, ReleaseFacts, latest_release
from packhouse.domain.serving import Subject, Verdict, judge


@dataclass(frozen=True, slots=True)
class HiddenFile:
    """A file that is placed and not served, or served with a warning: why, since when, until when."""

    filename: str
    version: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Served:
    """A project as an index serves it: `facts` without the files of `hidden`; `warned` are served with a warning."""

    facts: ProjectFacts
    hidden: tuple[HiddenFile, ...] = ()
    warned: tuple[HiddenFile, ...] = ()

    @property
    def until(self) -> datetime | None:
        """When the first of the hidden files will be served, as far as that is a question of time."""
        return min((file.verdict.until for file in self.hidden if file.verdict.until is not None), default=None)


def served(found: Answering, now: datetime, as_of: AsOf | None = None) -> Served:
    """What an index serves of a project at the moment `now`, or served at a past one."""
    facts = queries.project_facts(found.index, found.project, as_of=as_of)
    if not found.policies:
        return Served(facts)
    moment = now if as_of is None else as_of.at
    verdicts = {
        file.filename: judge(_subject(found, release, file), found.policies, moment)
        for release in facts.releases
        for file in release.files
    }
    releases = tuple(_cut(release, verdicts) for release in facts.releases)
    shown = replace(facts, releases=tuple(release for release in releases if release.files))
    marked = [
        HiddenFile(file.filename, release.version, verdicts[file.filename])
        for release in facts.releases
        for file in release.files
    ]
    hidden = tuple(file for file in marked if file.verdict.against)
    return Served(shown, hidden, tuple(file for file in marked if file.verdict.warnings and not file.verdict.against))


def _subject(found: Answering, release: ReleaseFacts, file: FileFacts) -> Subject:
    return Subject(found.project.name, release.version, file.upload_time, file.upload_time)


def _cut(release: ReleaseFacts, verdicts: dict[str, Verdict]) -> ReleaseFacts:
    return replace(release, files=tuple(file for file in release.files if verdicts[file.filename].served))


def has_policy(index_name: str) -> bool:
    """Whether an index, or one that it is made of, has a rule of what it serves, or several layers of this server.

    Where it has none, what is placed in it is what it serves: an upstream never owns a name that is placed here.
    """
    index = Index.objects.filter(name=index_name).first()
    return index is not None and not _is_plain(index.pk, set())


def _is_plain(index_id: int, seen: set[int]) -> bool:
    seen.add(index_id)
    makeup = makeup_of(index_id)
    below = [target_id for _, _, target_id in makeup.layers if target_id is not None and target_id not in seen]
    ours = [kind for kind, _, _ in makeup.layers if kind != UPSTREAM]
    return makeup.policy.is_silent and len(ours) <= 1 and all(_is_plain(one, seen) for one in below)


def latest_served(index_name: str, project: str, now: datetime) -> tuple[Answering, ReleaseFacts] | None:
    """The release an index serves as the latest of a project (normalized); None when it serves none."""
    found = queries.answering(index_name, project)
    release = None if found is None else latest_release(served(found, now).facts.releases)
    return None if found is None or release is None or not release.files else (found, release)


def serves_release(index_name: str, project: str, version: str, now: datetime) -> bool:
    """Whether an index serves any file of a release."""
    found = queries.answering(index_name, project)
    return found is not None and any(release.version == version for release in served(found, now).facts.releases)


LOOKS = 10
"""Times more releases are looked at for a list of news than it has, where rules hide some."""


def newest_served(
    index_name: str, indexes: Iterable[str], count: int, now: datetime, project: str = "", *, even_quarantined: bool
) -> list[NewRelease]:
    """The newest releases of the indexes that an index is made of, newest first: those that it serves."""
    places = list(indexes)
    if not has_policy(index_name):
        return queries.newest_releases(places, count, project, even_quarantined=even_quarantined)
    kept: list[NewRelease] = []
    for look in range(LOOKS):
        rows = queries.newest_releases(places, count, project, even_quarantined=even_quarantined, offset=look * count)
        kept += [row for row in rows if serves_release(index_name, row.name, row.version, now)]
        if len(kept) >= count or len(rows) < count:
            break
    return kept[:count]


def answers_from(index_name: str, project: str) -> str | None:
    """The name of the index whose placements answer for a project in another; None when there is none."""
    index = Index.objects.filter(name=index_name).first()
    owner = None if index is None else owning_layer(index.pk, project)
    return None if owner is None or not owner.own else owner.name
