# SPDX-License-Identifier: Apache-2.0
"""What the catalogue has to say about a file somebody wants to publish (rows D3 to D13, E7, E9 to E13).

Asked before the archive is judged, to answer early, and in the transaction that publishes, where it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, QuerySet, Sum

from packhouse.catalogue.models import File, JournalEntry, Placement, Project
from packhouse.catalogue.upload_facts import IndexFacts, KnownFile, KnownRelease, UploadFacts, index_facts, upload_facts
from packhouse.domain.filenames import SdistFilename, WheelFilename
from packhouse.domain.listing import Status
from packhouse.domain.names import ultranormalize
from packhouse.domain.new_names import name_faults
from packhouse.domain.permissions import Action, Identity, may
from packhouse.domain.policy import Profile
from packhouse.domain.wording import shown
from packhouse.errors import Fault, Kind, PackhouseError, refuse
from packhouse.services import access
from packhouse.services.indexes import profile_from, project_limit_from
from packhouse.services.journal import Actor, Fact

if TYPE_CHECKING:
    from packhouse.services.resources import Resources
    from packhouse.storage.incoming import Digests


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file somebody wants to publish: its filename in parts, the version's identity, digests, size in bytes."""

    parsed: WheelFilename | SdistFilename
    display_name: str
    canonical: str
    digests: Digests
    size: int


@dataclass(frozen=True, slots=True)
class Case:
    """A candidate, who brings it, and what the catalogue knows."""

    candidate: Candidate
    identity: Identity
    facts: UploadFacts
    profile: Profile
    resources: Resources

    @property
    def is_there(self) -> bool:
        """Whether exactly this file stands in the index now (E9)."""
        file = self.facts.file
        return file is not None and file.here and self._is_same(file)

    def _is_same(self, file: KnownFile) -> bool:
        return (file.filename, file.sha256) == (self.candidate.parsed.filename, self.candidate.digests.sha256)


def index_of(name: str, identity: Identity) -> IndexFacts:
    """The index of this name as the asker stands to it; raises MISSING."""
    found = index_facts(name, identity.user_id)
    if found is None:
        raise access.missing_index(name)
    return found


def open_case(candidate: Candidate, identity: Identity, index: IndexFacts, resources: Resources) -> Case:
    """Gather what the catalogue knows now."""
    parsed = candidate.parsed
    facts = upload_facts(index, identity.user_id, parsed.name, candidate.canonical, parsed.filename, parsed.key)
    return Case(candidate, identity, facts, profile_from(index.rules), resources)


def refusal(case: Case) -> PackhouseError | None:
    """The first reason of the catalogue's against the file, with those that go with it; None when there is none."""
    try:
        demand(case)
    except PackhouseError as error:
        return error
    return None


def demand(case: Case) -> None:
    """Raise what speaks against the file: first what is forbidden (D), then what is taken or too much (E)."""
    facts, name = case.facts, case.candidate.parsed.name
    if facts.project is None:
        _demand_new_name(case)
    may(case.identity, Action.UPLOAD, index=facts.index.right, project=facts.project_right(name)).demand()
    _demand_standing(case.identity, case.profile)
    _demand_pace(case)
    if facts.project is not None:
        _demand_open(case)
    if facts.file is not None:
        _demand_untaken(case, facts.file)
    if not case.is_there:
        _demand_fitting(case)


def _demand_standing(identity: Identity, profile: Profile) -> None:
    """D3 and D4."""
    who = f"User {identity.username!r}, whom the credentials belong to,"
    if profile.needs_verified_email and not identity.email_verified:
        message = f"{who} has no verified primary e-mail address; verify one on the account page."
        raise refuse(Kind.FORBIDDEN, "email-unverified", message)
    if profile.needs_two_factor and not identity.two_factor:
        message = f"{who} has no two-factor authentication; set it up on the account page."
        raise refuse(Kind.FORBIDDEN, "two-factor-missing", message)


def _demand_pace(case: Case) -> None:
    """hostile-34: a token publishes so many files a minute, where the index says so."""
    most = case.profile.uploads_per_minute
    if most is None or case.identity.token_id is None:
        return
    since = case.resources.clock() - timedelta(minutes=1)
    via = Actor.of(case.identity).via
    if JournalEntry.objects.filter(at__gt=since, kind=Fact.FILE_ADDED, via=via).count() >= most:
        message = f"Too many uploads with this token: {most} a minute; wait a minute and go on."
        raise PackhouseError(Kind.TOO_MANY, Fault("uploads-too-many", message), retry_after=60)


def _demand_new_name(case: Case) -> None:
    """D5, D8, D10, D11: may a project of this name begin."""
    profile, candidate = case.profile, case.candidate
    lookalike = None
    if not profile.allow_lookalike_names:
        ultra = ultranormalize(candidate.parsed.name)
        lookalike = Project.objects.filter(ultra_name=ultra).values_list("name", flat=True).first()
    faults = name_faults(candidate.display_name, profile, lookalike)
    if faults:
        raise PackhouseError(Kind.INVALID, *faults)
    if profile.new_projects_per_hour is not None:
        since = case.resources.clock() - timedelta(hours=1)
        made = JournalEntry.objects.filter(at__gt=since, kind=Fact.PROJECT_CREATED, actor_id=case.identity.user_id)
        if made.count() >= profile.new_projects_per_hour:
            message = f"Too many new projects created: {profile.new_projects_per_hour} an hour; try again later."
            raise PackhouseError(Kind.TOO_MANY, Fault("projects-too-many", message), retry_after=3600)


def _demand_open(case: Case) -> None:
    """Y6, Y7: archived and quarantined projects take no files (hostile-66)."""
    project = case.facts.project
    if project is not None and project.status in {Status.ARCHIVED, Status.QUARANTINED}:
        why = f" ({project.status_reason})" if project.status_reason else ""
        name = case.candidate.parsed.name
        message = f"The project {name!r} is {project.status.value}{why} and takes no new files; ask its owners."
        raise refuse(Kind.FORBIDDEN, f"project-{project.status.value}", message, "name")


def _demand_untaken(case: Case, taken: KnownFile) -> None:
    """E10, E11, and what means the same file (hostile-63)."""
    filename = case.candidate.parsed.filename
    if taken.filename != filename:
        message = (
            f"The filename {shown(filename)} means the same as {shown(taken.filename)}, which is or was a file here;"
            " use a different version."
        )
        raise refuse(Kind.INVALID, "filename-clash", message, "content")
    if not taken.lives or (taken.was_here and not taken.here):
        message = (
            "This filename was previously used by a file that has since been deleted."
            f" Use a different version for {shown(filename)}."
        )
        raise refuse(Kind.INVALID, "filename-used", message, "content")
    if taken.sha256 != case.candidate.digests.sha256:
        message = (
            f"File already exists ({filename!r}, with blake2_256 hash {taken.blake2b_256!r});"
            " a filename names the same bytes for ever, so build a new version."
        )
        raise refuse(Kind.INVALID, "file-exists", message, "content")


def _demand_fitting(case: Case) -> None:
    """E7, E12, E13, and no new file for a yanked release."""
    release = case.facts.release
    if release is not None:
        faults = _release_faults(case, release)
        if faults:
            raise PackhouseError(Kind.INVALID, *faults)
        if release.living and release.yanked == release.living:
            message = f"The release {release.version} is yanked; unyank it first, or use a new version."
            raise refuse(Kind.FORBIDDEN, "release-yanked", message, "version")
    _demand_room(case)


def _release_faults(case: Case, release: KnownRelease) -> list[Fault]:
    faults = []
    days = case.profile.closes_after_days
    if days is not None and case.resources.clock() - release.created_at > timedelta(days=days):
        message = f"Uploading new files to releases older than {days} days is not allowed; use a new version."
        faults.append(Fault("release-closed", message, "version"))
    if case.candidate.parsed.packagetype == "sdist" and release.has_sdist:
        message = f"Only one sdist may be uploaded per release; {release.version} has one, so use a new version."
        faults.append(Fault("sdist-second", message, "content"))
    return faults


def _demand_room(case: Case) -> None:
    """E7: all files of the project together stay within its quota."""
    limit = project_limit_from(case.facts.index.rules, case.resources.settings)
    if limit is None:
        return
    project = case.facts.project
    if (0 if project is None else project_size(project.project_id)) + case.candidate.size > limit:
        name = case.candidate.parsed.name
        message = (
            f"Project size too large: the limit for {name!r} is {limit} bytes;"
            " delete old files or ask an administrator."
        )
        raise refuse(Kind.TOO_LARGE, "project-too-large", message, "content")


def living(**of: object) -> QuerySet[File]:
    """The files of a release or a project that stand in some index now."""
    placed = Placement.objects.filter(file=OuterRef("pk"), to_serial=None)
    return File.objects.filter(Exists(placed), **of)


def project_size(project_id: int) -> int:
    """Bytes of all files of a project that stand somewhere now."""
    return living(project_id=project_id).aggregate(total=Sum("size"))["total"] or 0
