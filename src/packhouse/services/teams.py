# SPDX-License-Identifier: Apache-2.0
"""The teams of an organization: who is in them, and what they are to its projects."""

from __future__ import annotations

from dataclasses import dataclass

from packhouse.catalogue.models import (
    Organization,
    Project,
    Team,
    TeamMember,
    TeamRole,
    User,
)
from packhouse.domain.names import normalize
from packhouse.domain.permissions import Action, ProjectRole
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.journal import COMMAND, Clock, Fact, bump_access, record, take, write
from packhouse.services.members import member_of
from packhouse.services.organizations import conflict, demand, entry_of, find_organization
from packhouse.services.people import check_account_name, find_user
from packhouse.services.standing import Asker

MAX_TEAMS = 200


def find_team(organization: Organization, name: str) -> Team:
    """A team of an organization; raises MISSING."""
    found = Team.objects.filter(organization=organization, name=name.lower()).first()
    if found is None:
        message = f"The organization {organization.name!r} has no team {name[:60]!r}."
        raise refuse(Kind.MISSING, "team-unknown", message, "team")
    return found


def create_team(asker: Asker, name: str, team: str, *, clock: Clock) -> Team:
    """Make a team, in lower case; raises INVALID or CONFLICT for its name."""
    with write():
        found, actor = demand(asker, Action.RUN, name, clock)
        key = check_team_name(team)
        if Team.objects.filter(organization=found, name=key).exists():
            raise refuse(Kind.CONFLICT, "team-taken", f"There is a team {key!r} already; choose another name.", "team")
        if Team.objects.filter(organization=found).count() >= MAX_TEAMS:
            raise conflict("teams-too-many", f"There are {MAX_TEAMS} teams, which is the most; delete one first.")
        moment = take(1, clock)
        made = Team.objects.create(organization=found, name=key, created_at=moment.at)
        record(moment, actor, [entry_of(Fact.TEAM_CREATED, found, team=key)])
    return made


def check_team_name(team: str) -> str:
    """The name of a team in lower case; raises INVALID for one that breaks the grammar of user names."""
    try:
        check_account_name(team, reserved=frozenset())
    except PackhouseError as error:
        message = error.message.replace("The user name", "The team's name")
        raise refuse(Kind.INVALID, "team-name-invalid", message, "team") from error
    return team.lower()


def delete_team(asker: Asker, name: str, team: str, *, clock: Clock) -> None:
    """End a team, and with it what it may do and read."""
    with write():
        found, actor = demand(asker, Action.RUN, name, clock)
        row = find_team(found, team)
        moment = take(1, clock)
        row.delete()
        bump_access()
        record(moment, actor, [entry_of(Fact.TEAM_DELETED, found, team=row.name)])


def set_team_member(asker: Asker, name: str, team: str, user: User, *, inside: bool, clock: Clock) -> None:
    """Put a member of the organization into a team, or take one out; the same again changes nothing."""
    with write():
        found, actor = demand(asker, Action.RUN, name, clock)
        row = find_team(found, team)
        member_of(found, user)
        rows = TeamMember.objects.filter(team=row, user=user)
        if rows.exists() == inside:
            return
        moment = take(1, clock)
        if inside:
            TeamMember.objects.create(team=row, user=user)
        else:
            rows.delete()
        bump_access()
        kind = Fact.TEAM_MEMBER_ADDED if inside else Fact.TEAM_MEMBER_REMOVED
        record(moment, actor, [entry_of(kind, found, user, team=row.name)])


def set_team_role(asker: Asker, name: str, team: str, project: str, role: ProjectRole | None, *, clock: Clock) -> None:
    """Say what a team is to a project of its organization; None takes its role away.

    Raises MISSING for a project that does not belong to the organization.
    """
    with write():
        found, actor = demand(asker, Action.RUN, name, clock)
        row = find_team(found, team)
        of = Project.objects.filter(name=project, organization=found, deleted_serial=None).first()
        if of is None:
            message = f"The organization {found.name!r} has no project {project[:60]!r}; transfer it there first."
            raise refuse(Kind.MISSING, "project-unknown", message, "project")
        held = TeamRole.objects.filter(team=row, project=of)
        before = held.values_list("role", flat=True).first()
        if before == (None if role is None else role.value):
            return
        moment = take(1, clock)
        if role is None:
            held.delete()
        else:
            TeamRole.objects.update_or_create(team=row, project=of, defaults={"role": role.value})
        bump_access()
        entry = entry_of(
            Fact.TEAM_ROLE_SET,
            found,
            project=of.name,
            team=row.name,
            role=role.value if role else "",
            before=before or "",
        )
        record(moment, actor, [entry])


@dataclass(frozen=True, slots=True)
class TeamChange:
    """What a command changes about a team: user names put in and taken out, a role on a project ("none": none)."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    project: str = ""
    role: str = ""
    end: bool = False


def change_team(name: str, team: str, change: TeamChange, *, clock: Clock) -> None:
    """Make all these changes by command, or none; a team that is not there yet is made unless it is to end."""
    with write():
        found = find_organization(name)
        if change.end:
            delete_team(COMMAND, name, team, clock=clock)
            return
        if not Team.objects.filter(organization=found, name=team.lower()).exists():
            create_team(COMMAND, name, team, clock=clock)
        for inside, names in ((True, change.added), (False, change.removed)):
            for one in names:
                set_team_member(COMMAND, name, team, find_user(one), inside=inside, clock=clock)
        if change.project:
            role = None if change.role == "none" else ProjectRole(change.role)
            set_team_role(COMMAND, name, team, normalize(change.project), role, clock=clock)
