# SPDX-License-Identifier: Apache-2.0
"""Projects as a whole: their status (PEP 792), and their end. Collaborators are in `services.collaborators`."""

from __future__ import annotations

from packhouse.catalogue.listings import status_of
from packhouse.catalogue.models import Invitation, Project, ProjectStatus, Role, Transfer
from packhouse.domain.listing import Status
from packhouse.domain.permissions import Action, ProjectRole
from packhouse.errors import Kind, refuse
from packhouse.services import pages
from packhouse.services.journal import Clock, Entry, Fact, record, take, write
from packhouse.services.releases import deletion_entries, end_placements, one_line_reason
from packhouse.services.standing import Asker, demand, is_administrator
from packhouse.services.upload_rules import living


def set_status(asker: Asker, name: str, status: Status, *, reason: str = "", clock: Clock) -> None:
    """Set the status of a project in every index; the same again changes nothing.

    Quarantine is an administrator's to set and to lift: FORBIDDEN for others.
    """
    why = one_line_reason(reason)
    with write():
        project, actor = demand(asker, Action.STATUS, name, clock)
        before = status_of(project.pk)
        if before == (status, why):
            return
        if Status.QUARANTINED in {before[0], status} and not is_administrator(asker):
            message = "Quarantine is set and lifted by administrators; ask one."
            raise refuse(Kind.FORBIDDEN, "quarantine-admin", message, "status")
        moment = take(1, clock)
        ProjectStatus.objects.filter(project=project, to_serial=None).update(to_serial=moment.first)
        if (status, why) != (Status.ACTIVE, ""):
            ProjectStatus.objects.create(project=project, status=status.value, reason=why, from_serial=moment.first)
        detail = {"status": status.value, "reason": why, "before": before[0].value}
        record(moment, actor, [Entry(Fact.PROJECT_STATUS, _index_of(project), project.name, detail=detail)])
        pages.touch_project(project, moment)
        pages.refresh_everywhere(project, moment)


def delete_project(asker: Asker, name: str, *, clock: Clock) -> None:
    """Delete a project with all its files from every index.

    Its filenames are used up, its name stays its owners': they alone may begin it again.
    """
    with write():
        project, actor = demand(asker, Action.DELETE, name, clock)
        index = _index_of(project)
        files = list(living(project=project).select_related("release", "project").order_by("filename"))
        leaving = list(
            Role.objects.filter(project=project).exclude(role=ProjectRole.OWNER.value).select_related("user")
        )
        entries = [*deletion_entries(files), *(_leaves(index, project, role) for role in leaving)]
        entries.append(Entry(Fact.PROJECT_DELETED, index, project.name))
        moment = take(len(entries), clock)
        end_placements(files, moment)
        Role.objects.filter(pk__in=[role.pk for role in leaving]).delete()
        Invitation.objects.filter(project=project, state="open").update(state="withdrawn")
        Transfer.objects.filter(project=project, state="open").update(state="withdrawn")
        Project.objects.filter(pk=project.pk).update(deleted_serial=moment.last)
        record(moment, actor, entries)
        pages.touch_project(project, moment)
        pages.refresh_everywhere(project, moment, names=True)


def _leaves(index: str, project: Project, role: Role) -> Entry:
    return Entry(Fact.ROLE_REMOVED, index, project.name, detail={"user": role.user.username, "role": role.role})


def _index_of(project: Project) -> str:
    """The index whose readers may know of the project: the first it stood in."""
    return project.placements.order_by("pk").values_list("index__name", flat=True).first() or ""
