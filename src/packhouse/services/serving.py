# SPDX-License-Identifier: Apache-2.0
"""What an index serves of a project, for everything that is made for each request: documents, feeds, search, people.

Simple pages judge in `catalogue.listings`, file addresses in `services.files`; all ask `domain.serving.judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from packhouse.catalogue import queries
from packhouse.catalogue.composition import UPSTREAM, makeup_of, owning_layer
from packhouse.catalogue.models import Index, Organization, Project, User
from packhouse.catalogue.organizations import public_projects_of_organization
from packhouse.catalogue.outlines import Outline, outlines, summaries
from packhouse.catalogue.queries import Answering, NewRelease, OwnProject
from packhouse.domain.moments import AsOf
from packhouse.domain.project_json import FileFacts, ProjectFacts, ReleaseFacts
from packhouse.domain.serving import Subject, Verdict, judge
from packhouse.services.files import missing_file, refusal_of
from packhouse.services.indexes import indexes_below_all
from packhouse.services.malware import is_any_known


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

    A list of known malware counts as one. Where there is none, what is placed in it is what it serves: an upstream
    never owns a name that is placed here.
    """
    index = Index.objects.filter(name=index_name).first()
    return index is not None and (is_any_known() or not _is_plain(index.pk, set()))


def _is_plain(index_id: int, seen: set[int]) -> bool:
    seen.add(index_id)
    makeup = makeup_of(index_id)
    below = [target_id for _, _, target_id in makeup.layers if target_id is not None and target_id not in seen]
    ours = [kind for kind, _, _ in makeup.layers if kind != UPSTREAM]
    return makeup.policy.is_silent and len(ours) <= 1 and all(_is_plain(one, seen) for one in below)


LOOKS = 10
"""Times more releases are looked at for a list of news than it has, where rules hide some."""


def newest_served(
    index_name: str, indexes: Iterable[str], count: int, now: datetime, project: str = "", *, even_quarantined: bool
) -> list[NewRelease]:
    """The newest releases of the indexes that an index is made of, newest first: those that it serves."""
    places = list(indexes)

    def look(offset: int) -> list[NewRelease]:
        return queries.newest_releases(places, count, project, even_quarantined=even_quarantined, offset=offset)

    return _news(index_name, look, count, now, lambda row, outline: row.version in outline.releases)


def newest_projects_served(index_name: str, indexes: Iterable[str], count: int, now: datetime) -> list[NewRelease]:
    """The newest projects of the indexes that an index is made of, newest first: those of which it serves a file."""
    places = list(indexes)

    def look(offset: int) -> list[NewRelease]:
        return queries.newest_projects(places, count, offset)

    return _news(index_name, look, count, now, lambda _row, outline: bool(outline.releases))


def _news(
    index_name: str,
    look: Callable[[int], list[NewRelease]],
    count: int,
    now: datetime,
    fits: Callable[[NewRelease, Outline], bool],
) -> list[NewRelease]:
    """The first `count` rows that fit what the index serves; `look` gives so many from an offset on."""
    if not has_policy(index_name):
        return look(0)
    kept: list[NewRelease] = []
    for turn in range(LOOKS):
        rows = look(turn * count)
        known = outlines(index_name, {row.name for row in rows}, now)
        kept += [row for row in rows if row.name in known and fits(row, known[row.name])]
        if len(kept) >= count or len(rows) < count:
            break
    return kept[:count]


def projects_of_person(person: User, index_name: str, now: datetime) -> list[str]:
    """The names of the projects of a person of which everybody who reads an index is shown something, by name."""
    names = queries.public_projects_of(person, sorted(indexes_below_all([index_name])))
    shown = shown_names(index_name, names, now)
    return [name for name in names if name in shown]


def projects_of_organization(organization: Organization, index_name: str, now: datetime) -> list[Project]:
    """The projects of an organization of which everybody who reads an index is shown something, by name."""
    found = public_projects_of_organization(organization, sorted(indexes_below_all([index_name])))
    shown = shown_names(index_name, [project.name for project in found], now)
    return [project for project in found if project.name in shown]


def shown_names(index_name: str, names: list[str], now: datetime) -> set[str]:
    """Those of these projects (normalized) of which no rule hides everything; quarantined ones are not judged."""
    if not has_policy(index_name):
        return set(names)
    known = outlines(index_name, names, now)
    return {name for name in names if name in known and known[name].releases}


def as_others_see(own: list[OwnProject], index_name: str, now: datetime) -> list[OwnProject]:
    """Projects with the release that an index serves as their latest; those of which it serves none are left out."""
    known = outlines(index_name, [project.normalized for project in own], now)
    latest = {name: outline.latest for name, outline in known.items()}
    told = summaries(release for release in latest.values() if release is not None)
    return [
        replace(project, version=release.version, summary=told[release.first], published=release.released_at)
        for project in own
        if (release := latest.get(project.normalized)) is not None
    ]


def demand_served(found: Served, filename: str) -> FileFacts:
    """The file of this name of a project; raises FORBIDDEN for one that is hidden, MISSING for one nobody has."""
    for release in found.facts.releases:
        for file in release.files:
            if file.filename == filename:
                return file
    hidden = next((file.verdict for file in found.hidden if file.filename == filename), None)
    raise missing_file(filename) if hidden is None else refusal_of(hidden)


def answers_from(index_name: str, project: str) -> str | None:
    """The name of the index whose placements answer for a project in another; None when there is none."""
    index = Index.objects.filter(name=index_name).first()
    owner = None if index is None else owning_layer(index.pk, project)
    return None if owner is None or not owner.own else owner.name
