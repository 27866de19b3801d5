# SPDX-License-Identifier: Apache-2.0
"""Whether an index takes files that are here already: its upload profile, asked of what was found when they came.

The same rules as for an upload, as far as they are about the file, its name and its size, and about the person; not
how many an hour come. Of the archive itself what was remarked then is asked (`File.warnings`); it is not opened again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Sum

from packhouse.catalogue.models import File, Index, JournalEntry, Placement, Project
from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.judged import Findings
from packhouse.domain.metadata_policy import judge_by_profile
from packhouse.domain.names import ultranormalize
from packhouse.domain.new_names import name_faults
from packhouse.domain.permissions import Identity
from packhouse.domain.policy import Profile
from packhouse.errors import Fault, Kind, PackhouseError
from packhouse.services.indexes import profile_of
from packhouse.services.standing import Asker
from packhouse.services.upload_rules import demand_standing

OF_THE_ARCHIVE = {
    "platform-unlisted": "allow_unlisted_platforms",
    "startup-code": "allow_startup_code",
    "description-not-rendered": "allow_broken_descriptions",
}
"""Warnings about an archive, and the rule that makes each a refusal."""


def demand_profile(asker: Asker, index: Index, project: Project, files: list[File], now: datetime) -> None:
    """Raise what the upload profile of an index has against these new files of one release, each thing said once.

    FORBIDDEN for what is about the person, INVALID for what is about the files.
    """
    profile = profile_of(index.name)
    if isinstance(asker, Identity):
        demand_standing(asker, profile)
    known = Placement.objects.filter(index=index, project=project, taken_back=False)
    faults = [] if known.exists() else _of_name(index, project, profile)
    for file in files:
        faults += _of_file(file, profile)
    faults += _of_release(index, project, files, profile, now)
    if faults:
        said = dict.fromkeys((fault.code, fault.message, fault.field) for fault in faults)
        where = f"The index {index.name!r} (profile {profile.name}) does not take"
        raise PackhouseError(
            Kind.INVALID, *(Fault(code, f"{where} this release: {words}", field) for code, words, field in said)
        )


def _of_name(index: Index, project: Project, profile: Profile) -> list[Fault]:
    """What is against the name, which is new in this index; only projects that are there look like it."""
    placed = Placement.objects.filter(index=index, to_serial=None).values("project")
    alike = Project.objects.filter(ultra_name=ultranormalize(project.name), pk__in=placed).exclude(pk=project.pk)
    return name_faults(project.display_name, profile, alike.values_list("name", flat=True).first())


def _of_file(file: File, profile: Profile) -> list[Fault]:
    found = Findings()
    core = {"metadata_version": "", "name": file.project.name, "version": file.release.version} | file.metadata
    judge_by_profile(CoreMetadata.from_dict(core), profile, found)
    rules = profile.as_dict()
    for warning in file.warnings or ():
        rule = OF_THE_ARCHIVE.get(warning["code"])
        if rule is not None and not rules[rule]:
            found.fault(warning["code"], warning["message"], warning["field"])
    if profile.max_file_size is not None and file.size > profile.max_file_size:
        message = f"{file.filename} has {file.size} bytes, expected at most {profile.max_file_size}; make it smaller."
        found.fault("file-too-large", message, "content")
    return found.faults


def _of_release(index: Index, project: Project, files: list[File], profile: Profile, now: datetime) -> list[Fault]:
    """What is against the files together: their bytes, and that the release has been in the index for too long."""
    faults = []
    here = Placement.objects.filter(index=index, to_serial=None)
    if profile.max_project_size is not None:
        size = here.filter(project=project).aggregate(total=Sum("file__size"))["total"] or 0
        if size + sum(file.size for file in files) > profile.max_project_size:
            message = f"its project would have more than {profile.max_project_size} bytes there; delete old files."
            faults.append(Fault("project-too-large", message, "content"))
    if profile.closes_after_days is not None:
        first = (
            here.filter(file__release=files[0].release).order_by("from_serial").values_list("from_serial", flat=True)
        )
        since = JournalEntry.objects.filter(serial=first.first() or 0).values_list("at", flat=True).first()
        if since is not None and now - since > timedelta(days=profile.closes_after_days):
            message = f"it has been there for more than {profile.closes_after_days} days; use a new version."
            faults.append(Fault("release-closed", message, "version"))
    return faults
