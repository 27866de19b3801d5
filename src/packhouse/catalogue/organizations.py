# SPDX-License-Identifier: Apache-2.0
"""Which projects organizations have, and which of them somebody has a part in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from packhouse.catalogue.models import Organization, Placement, Project, ProjectStatus, TeamRole, User
from packhouse.domain.listing import Status
from packhouse.domain.permissions import ORGANIZATION_ROLES, Action, ProjectRole


@dataclass(frozen=True, slots=True)
class OrganizationProject:
    """A project somebody has a part in by an organization: by a team, or because they run it ("" then)."""

    organization: str
    team: str
    name: str
    display_name: str
    role: str


def projects_of_organization(organization: Organization) -> list[Project]:
    """The living projects of an organization, by name."""
    return list(Project.objects.filter(organization=organization, deleted_serial=None).order_by("name"))


def public_projects_of_organization(organization: Organization, indexes: Iterable[str]) -> list[Project]:
    """Those with a file in these indexes now, quarantined ones left out, by name."""
    placed = Placement.objects.filter(index__name__in=indexes, project=OuterRef("pk"), to_serial=None)
    hidden = ProjectStatus.objects.filter(project=OuterRef("pk"), to_serial=None, status=Status.QUARANTINED.value)
    rows = Project.objects.filter(Exists(placed), ~Exists(hidden), organization=organization)
    return list(rows.filter(deleted_serial=None).order_by("name"))


def organization_projects_of(user: User) -> list[OrganizationProject]:
    """The projects of organizations that a person has a part in, by name; each once, with the highest role."""
    run = [one.value for one in ORGANIZATION_ROLES[Action.RUN]]
    ruled = Project.objects.filter(organization__memberships__user=user, organization__memberships__role__in=run)
    found = {
        row.name: OrganizationProject(row.organization.name, "", row.name, row.display_name, ProjectRole.OWNER.value)
        for row in ruled.filter(deleted_serial=None).select_related("organization")
        if row.organization
    }
    given = TeamRole.objects.filter(team__members__user=user, project__deleted_serial=None)
    for one in given.select_related("team__organization", "project").order_by("role"):  # maintainer, then owner
        project, team = one.project, one.team
        known = found.get(project.name)
        if known is None or known.team:
            found[project.name] = OrganizationProject(
                team.organization.name, team.name, project.name, project.display_name, one.role
            )
    return [found[name] for name in sorted(found)]
