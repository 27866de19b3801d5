# SPDX-License-Identifier: Apache-2.0
"""What the catalogue has to say about a file somebody wants to publish (rows D3 to D13, E7, E9 to E13).

Asked before the archive is judged, to answer early, and in the transaction that publishes, where it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet, Sum

from packhouse.catalogue.models import File, JournalEntry, Placement
from packhouse.catalogue.pulled import is_permitted, upstream_with
from packhouse.catalogue.rows import fetch_one
from packhouse.catalogue.upload_facts import IndexFacts, KnownFile, KnownRelease, UploadFacts, index_facts, upload_facts
from packhouse.domain.filenames import SdistFilename, WheelFilename
from packhouse.domain.listing import Status
from packhouse.domain.names import ultranormalize
from packhouse.domain.new_names import lookalike_fault, name_faults
from packhouse.domain.permissions import Action, Identity, may
from packhouse.domain.policy import Profile
from packhouse.domain.wording import shown
from packhouse.errors import Fault, Kind, PackhouseError, refuse
from packhouse.services import access, flags
from packhouse.services.indexes import profile_from, project_limit_from
from packhouse.services.journal import Actor, Fact

if TYPE_CHECKING:
    from packhouse.services.resources import Resources
    from packhouse.storage.incoming import Digests


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file somebody wants to publish: its filename in parts, the version's identity, digests, size in bytes.

    `place` is the address it comes from, as `domain.addresses.place_of` has it; "" when nobody knows.
    """

    parsed: WheelFilename | SdistFilename
    display_name: str
    canonical: str
    digests: Digests
    size: int
    place: str = ""


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
    found = index_facts(name, identity)
    if found is None:
        raise access.missing_index(name)
    return found


def open_case(candidate: Candidate, identity: Identity, index: IndexFacts, resources: Resources) -> Case:
    """Gather what the catalogue knows now."""
    parsed = candidate.parsed
    facts = upload_facts(index, identity, parsed.name, candidate.canonical, parsed.filename, parsed.key)
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
        demand_standing(case.identity, case.profile)
        _demand_new_name(case)
        _demand_free_upstream(case.candidate.parsed.name)
    may(case.identity, Action.UPLOAD, index=facts.index.right, project=facts.project_right(name)).demand()
    demand_running(facts.index)
    if facts.project is None and facts.index.no_new_projects:
        flags.demand_off(flags.NO_NEW_PROJECTS)
    if not facts.index.has_own:
        raise without_own(facts.index.name)
    demand_standing(case.identity, case.profile)
    _demand_pace(case)
    if facts.project is not None:
        _demand_open(case)
    if facts.file is not None:
        _demand_untaken(case, facts.file)
    if not case.is_there:
        _demand_fitting(case)


def demand_running(index: IndexFacts) -> None:
    """Raise UNAVAILABLE while the server is read-only."""
    if index.read_only:
        flags.demand_off(flags.READ_ONLY)


def without_own(index: str) -> PackhouseError:
    """The refusal of an index that is made of others alone: what was placed in it would never be shown."""
    message = f"The index {index!r} has no layer of its own to put files in; publish to one of those it is made of."
    return refuse(Kind.FORBIDDEN, "index-without-own", message)


def demand_standing(identity: Identity, profile: Profile) -> None:
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
    wait = _full(case, timedelta(minutes=1), most, kind=Fact.FILE_ADDED, via=Actor.of(case.identity).via)
    if wait:
        message = f"Too many uploads with this token: {most} a minute; wait {_in_words(wait)} and go on."
        raise PackhouseError(Kind.TOO_MANY, Fault("uploads-too-many", message), retry_after=wait)


def _demand_new_name(case: Case) -> None:
    """D5, D8, D10, D11: may a project of this name begin."""
    _demand_project_pace(case)
    name = case.candidate.parsed.name
    faults = name_faults(case.candidate.display_name, case.profile, _lookalike(name))
    if faults:
        raise PackhouseError(Kind.INVALID, *faults)


def _demand_free_upstream(name: str) -> None:
    """hostile-235: a name that an upstream is known to have is published only when an administrator said so."""
    owner = upstream_with(name)
    if owner is not None and not is_permitted(name):
        message = (
            f"The name {name!r} is taken in the upstream {owner!r}, from which it is installed here; choose another,"
            f" or ask an administrator to permit it (`packhouse upstream permit {name}`)."
        )
        raise refuse(Kind.FORBIDDEN, "name-upstream", message, "name")


def _lookalike(name: str) -> str | None:
    """An existing project that looks like this name."""
    row = fetch_one("SELECT name FROM catalogue_project WHERE ultra_name = %s ORDER BY id", ultranormalize(name))
    return None if row is None else str(row[0])


def warnings(case: Case) -> tuple[Fault, ...]:
    """What the catalogue has to warn of: a new name that looks like an existing one (hostile-56)."""
    if case.facts.project is not None:
        return ()
    lookalike = _lookalike(case.candidate.parsed.name)
    return () if lookalike is None else (lookalike_fault(case.candidate.display_name, lookalike),)


def _demand_project_pace(case: Case) -> None:
    """D5: so many new projects an hour by one person, and from one address (hostile-272)."""
    profile, hour = case.profile, timedelta(hours=1)
    by_person, from_place = profile.new_projects_per_hour, profile.new_projects_per_hour_from_address
    wait = 0
    if by_person is not None:
        wait = _full(case, hour, by_person, kind=Fact.PROJECT_CREATED, actor=case.identity.username)
    if from_place is not None and case.candidate.place:
        wait = max(wait, _full(case, hour, from_place, kind=Fact.PROJECT_CREATED, detail__address=case.candidate.place))
    if wait:
        message = f"Too many new projects created; wait {_in_words(wait)}, or publish to projects that are there."
        raise PackhouseError(Kind.TOO_MANY, Fault("projects-too-many", message), retry_after=wait)


def _full(case: Case, span: timedelta, most: int, **of: object) -> int:
    """Seconds until fewer than `most` such entries of the index are younger than `span`; 0 when so few are now.

    Inside the transaction that publishes, nobody else adds one between our count and our commit (hostile-266).
    """
    _hold_journal()
    now = case.resources.clock()
    rows = JournalEntry.objects.filter(at__gt=now - span, index_name=case.facts.index.name, **of).order_by("-serial")
    if most == 0:
        return ceil(span.total_seconds())
    oldest = rows.values_list("at", flat=True)[most - 1 : most].first()
    return 0 if oldest is None else max(1, ceil((oldest + span - now).total_seconds()))


def _hold_journal() -> None:
    """Lock the counter of serials for the rest of the transaction, where one writer at a time is not the rule."""
    if connection.vendor != "sqlite" and connection.in_atomic_block:
        fetch_one("SELECT value FROM catalogue_counter WHERE name = 'serial' FOR NO KEY UPDATE")


def _in_words(seconds: int) -> str:
    """A time to wait: "40 seconds", "12 minutes"."""
    count, unit = (seconds, "second") if seconds < 120 else (ceil(seconds / 60), "minute")
    return f"{count} {unit}{'' if count == 1 else 's'}"


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
    if days is not None and (case.resources.clock() - release.created_at).total_seconds() > days * 86400:
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
