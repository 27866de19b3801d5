# SPDX-License-Identifier: Apache-2.0
"""What the catalogue has to say about a file somebody wants to publish (rows D3 to D13, E7, E9 to E13).

Asked before the archive is judged, to answer early, and in the transaction that publishes, where it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from packhouse.catalogue.listings import status_of
from packhouse.catalogue.models import File, JournalEntry, Placement, Project, Release, Yank
from packhouse.domain.filenames import SdistFilename, WheelFilename
from packhouse.domain.listing import Status
from packhouse.domain.names import ultranormalize
from packhouse.domain.new_names import name_faults
from packhouse.domain.permissions import Action, Identity, may
from packhouse.domain.policy import Profile
from packhouse.domain.wording import shown
from packhouse.errors import Fault, Kind, PackhouseError, refuse
from packhouse.services import access
from packhouse.services.indexes import project_limit
from packhouse.services.journal import Fact

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


def refusal(
    identity: Identity, index_name: str, candidate: Candidate, profile: Profile, resources: Resources
) -> PackhouseError | None:
    """The first reason of the catalogue's against the file, with those that go with it; None when there is none."""
    try:
        demand(identity, index_name, candidate, profile, resources)
    except PackhouseError as error:
        return error
    return None


def demand(identity: Identity, index_name: str, candidate: Candidate, profile: Profile, resources: Resources) -> None:
    """Raise what speaks against the file: first what is forbidden (D), then what is taken or too much (E)."""
    name = candidate.parsed.name
    right = access.project_right(identity, name)
    if not right.exists:
        _demand_new_name(identity, candidate, profile, resources)
    may(identity, Action.UPLOAD, index=access.index_right(identity, index_name), project=right).demand()
    _demand_standing(identity, profile)
    if right.exists:
        project = Project.objects.only("id").get(name=name)
        _demand_open(project, name)
        _demand_untaken(candidate, index_name)
        _demand_fitting(project, index_name, candidate, profile, resources)
    elif candidate.size > (limit := project_limit(index_name, resources.settings) or candidate.size):
        raise _over_quota(name, limit)


def _demand_standing(identity: Identity, profile: Profile) -> None:
    """D3 and D4."""
    who = f"User {identity.username!r}, whom the credentials belong to,"
    if profile.needs_verified_email and not identity.email_verified:
        message = f"{who} has no verified primary e-mail address; verify one on the account page."
        raise refuse(Kind.FORBIDDEN, "email-unverified", message)
    if profile.needs_two_factor and not identity.two_factor:
        message = f"{who} has no two-factor authentication; set it up on the account page."
        raise refuse(Kind.FORBIDDEN, "two-factor-missing", message)


def _demand_new_name(identity: Identity, candidate: Candidate, profile: Profile, resources: Resources) -> None:
    """D5, D8, D10, D11: may a project of this name begin."""
    lookalike = None
    if not profile.allow_lookalike_names:
        ultra = ultranormalize(candidate.parsed.name)
        lookalike = Project.objects.filter(ultra_name=ultra).values_list("name", flat=True).first()
    faults = name_faults(candidate.display_name, profile, lookalike)
    if faults:
        raise PackhouseError(Kind.INVALID, *faults)
    if profile.new_projects_per_hour is not None:
        since = resources.clock() - timedelta(hours=1)
        made = JournalEntry.objects.filter(at__gt=since, kind=Fact.PROJECT_CREATED, actor_id=identity.user_id)
        if made.count() >= profile.new_projects_per_hour:
            message = f"Too many new projects created: {profile.new_projects_per_hour} an hour; try again later."
            raise PackhouseError(Kind.TOO_MANY, Fault("projects-too-many", message), retry_after=3600)


def _demand_open(project: Project, name: str) -> None:
    """Y6, Y7: archived and quarantined projects take no files (hostile-66)."""
    status, reason = status_of(project.pk)
    if status in {Status.ARCHIVED, Status.QUARANTINED}:
        why = f" ({reason})" if reason else ""
        message = f"The project {name!r} is {status.value}{why} and takes no new files; ask its owners."
        raise refuse(Kind.FORBIDDEN, f"project-{status.value}", message, "name")


def is_there(candidate: Candidate, index_name: str) -> bool:
    """Whether exactly this file stands in the index now (E9)."""
    found = Placement.objects.filter(index__name=index_name, file__filename=candidate.parsed.filename, to_serial=None)
    return found.filter(file__sha256=candidate.digests.sha256).exists()


def taken_by(candidate: Candidate) -> File | None:
    """The file that has this filename, or one that must not stand beside it (hostile-63); deleted ones too."""
    same = Q(filename=candidate.parsed.filename) | Q(filename_key=candidate.parsed.key)
    rows = list(File.objects.filter(same).only("id", "filename", "sha256", "blake2b_256", "project_id"))
    return min(rows, key=lambda file: file.filename != candidate.parsed.filename, default=None)


def _demand_untaken(candidate: Candidate, index_name: str) -> None:
    """E10, E11."""
    taken = taken_by(candidate)
    if taken is None:
        return
    filename = candidate.parsed.filename
    if taken.filename != filename:
        message = (
            f"The filename {shown(filename)} means the same as {shown(taken.filename)}, which is or was a file here;"
            " use a different version."
        )
        raise refuse(Kind.INVALID, "filename-clash", message, "content")
    living = Placement.objects.filter(file=taken, to_serial=None)
    ended_here = Placement.objects.filter(file=taken, index__name=index_name).exclude(to_serial=None)
    if not living.exists() or (ended_here.exists() and not living.filter(index__name=index_name).exists()):
        message = (
            "This filename was previously used by a file that has since been deleted."
            f" Use a different version for {shown(filename)}."
        )
        raise refuse(Kind.INVALID, "filename-used", message, "content")
    if taken.sha256 != candidate.digests.sha256:
        message = (
            f"File already exists ({filename!r}, with blake2_256 hash {taken.blake2b_256!r});"
            " a filename names the same bytes for ever, so build a new version."
        )
        raise refuse(Kind.INVALID, "file-exists", message, "content")


def _demand_fitting(
    project: Project, index_name: str, candidate: Candidate, profile: Profile, resources: Resources
) -> None:
    """E7, E12, E13, and no new file for a yanked release."""
    if is_there(candidate, index_name):
        return
    release = Release.objects.filter(project=project, canonical=candidate.canonical).first()
    faults = [] if release is None else _release_faults(release, candidate, profile, resources)
    if faults:
        raise PackhouseError(Kind.INVALID, *faults)
    if release is not None:
        _demand_unyanked(release)
    limit = project_limit(index_name, resources.settings)
    if limit is not None and project_size(project) + candidate.size > limit:
        raise _over_quota(project.name, limit)


def _release_faults(release: Release, candidate: Candidate, profile: Profile, resources: Resources) -> list[Fault]:
    faults = []
    if profile.closes_after_days is not None:
        age = resources.clock() - release.created_at
        if age > timedelta(days=profile.closes_after_days):
            message = f"Uploading new files to releases older than {profile.closes_after_days} days is not allowed."
            faults.append(Fault("release-closed", message, "version"))
    if candidate.parsed.packagetype == "sdist" and living(release=release).filter(packagetype="sdist").exists():
        message = f"Only one sdist may be uploaded per release; {release.version} has one, so use a new version."
        faults.append(Fault("sdist-second", message, "content"))
    return faults


def living(**of: object) -> QuerySet[File]:
    """The files of a release or a project that stand in some index now."""
    placed = Placement.objects.filter(file=OuterRef("pk"), to_serial=None)
    return File.objects.filter(Exists(placed), **of)


def _demand_unyanked(release: Release) -> None:
    """hostile-66: nothing is added to what is yanked as a whole."""
    offered = Exists(Yank.objects.filter(file=OuterRef("pk"), to_serial=None))
    states = list(living(release=release).values_list(offered, flat=True))
    if states and all(states):
        message = f"The release {release.version} is yanked; unyank it first, or use a new version."
        raise refuse(Kind.FORBIDDEN, "release-yanked", message, "version")


def project_size(project: Project) -> int:
    """Bytes of all files of a project that stand somewhere now."""
    return living(project=project).aggregate(total=Sum("size"))["total"] or 0


def _over_quota(name: str, limit: int) -> PackhouseError:
    message = (
        f"Project size too large: the limit for {name!r} is {limit} bytes; delete old files or ask an administrator."
    )
    return refuse(Kind.TOO_LARGE, "project-too-large", message, "content")
