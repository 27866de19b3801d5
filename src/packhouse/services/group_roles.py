# SPDX-License-Identifier: Apache-2.0
"""Groups of the provider of single sign-on as roles in organizations and places in teams, put into effect at sign-in.

As everywhere, groups decide alone about what they are mapped to: where one is mapped to an organization itself, they
say who is in it and as what; where one is mapped to a team, which of the organization's people are in the team.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from packhouse.catalogue.models import GroupRole, Membership, Organization, Team, TeamMember, User
from packhouse.domain.permissions import Identity, OrganizationRole
from packhouse.errors import Kind, refuse
from packhouse.services.administering import as_administrator
from packhouse.services.journal import Actor, Clock, Entry, Fact, bump_access, record, take, write
from packhouse.services.members import has_other_owner, withdraw_invitations
from packhouse.services.organizations import entry_of, find_organization
from packhouse.services.teams import find_team

_log = structlog.stdlib.get_logger(__name__)

BY_PROVIDER = Actor(via="single sign-on")
MAX_GROUP = 200
MOST = 1000
"""Rows of the mapping."""
_RANK = [OrganizationRole.MEMBER.value, OrganizationRole.MANAGER.value, OrganizationRole.OWNER.value]


def list_mapped() -> list[GroupRole]:
    """The mapping, by organization, what is mapped, and group."""
    rows = GroupRole.objects.filter(organization__deleted_at=None).select_related("organization", "team")
    return sorted(rows, key=lambda row: (row.organization.name_key, row.team.name if row.team else "", row.group))


def mapped_groups() -> frozenset[str]:
    """The groups that mean something to an organization."""
    return frozenset(GroupRole.objects.values_list("group", flat=True).distinct())


def decides_about(organization: Organization) -> bool:
    """Whether groups say who is in an organization."""
    return GroupRole.objects.filter(organization=organization, team=None).exists()


def map_group(
    asker: Identity | Actor,
    group: str,
    name: str,
    role: OrganizationRole | None = None,
    team: str = "",
    *,
    clock: Clock,
) -> bool:
    """Let a group be a role in an organization, or part of a team of it; False when it is so already.

    Raises INVALID for a group's name, MISSING for the organization or team, CONFLICT for too many rows, FORBIDDEN for
    who does not administer. It counts from each person's next sign-in on.
    """
    if not group.strip() or len(group) > MAX_GROUP or not group.isprintable():
        message = (
            f"The group is {group[:60]!r}, expected 1 to {MAX_GROUP} printable characters, as the provider says it."
        )
        raise refuse(Kind.INVALID, "group-invalid", message, "group")
    if (role is None) == (not team):
        message = "Say either a role in the organization or a team of it, not both; map the group twice for both."
        raise refuse(Kind.INVALID, "group-target", message, "team")

    def act(actor: Actor) -> bool:
        found = find_organization(name)
        of = find_team(found, team) if team else None
        row = GroupRole.objects.filter(group=group.strip(), organization=found, team=of).first()
        said = "" if role is None else role.value
        if row is not None and row.role == said:
            return False
        if row is None and GroupRole.objects.count() >= MOST:
            message = f"{MOST} groups are mapped, which is the most; remove one first."
            raise refuse(Kind.CONFLICT, "groups-too-many", message, "group")
        moment = take(1, clock)
        GroupRole.objects.update_or_create(group=group.strip(), organization=found, team=of, defaults={"role": said})
        record(moment, actor, [_mapped(Fact.GROUP_MAPPED, group.strip(), found, of, said)])
        return True

    return as_administrator(asker, act, clock=clock)


def unmap(asker: Identity | Actor, number: int, *, clock: Clock) -> GroupRole:
    """Take a row of the mapping away; who is in by it stays until somebody says otherwise. Raises MISSING."""

    def act(actor: Actor) -> GroupRole:
        row = GroupRole.objects.select_related("organization", "team").filter(pk=number).first()
        if row is None:
            message = "There is no such mapping any more; look at the list again."
            raise refuse(Kind.MISSING, "group-unmapped", message)
        moment = take(1, clock)
        row.delete()
        record(moment, actor, [_mapped(Fact.GROUP_UNMAPPED, row.group, row.organization, row.team, row.role)])
        return row

    return as_administrator(asker, act, clock=clock)


def unmap_named(asker: Identity | Actor, group: str, name: str, team: str = "", *, clock: Clock) -> None:
    """The same, of a group that is named, to an organization or a team of it."""
    found = find_organization(name)
    of = find_team(found, team) if team else None
    row = GroupRole.objects.filter(group=group, organization=found, team=of).values_list("pk", flat=True).first()
    unmap(asker, row or 0, clock=clock)


def _mapped(kind: Fact, group: str, found: Organization, team: Team | None, role: str) -> Entry:
    if team is None:
        return entry_of(kind, found, group=group, role=role)
    return entry_of(kind, found, group=group, team=team.name)


# -- at a sign-in


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What somebody's groups say of one organization; `role` None: not in it, where `decided`."""

    decided: bool
    role: str | None
    teams: dict[int, bool]  # of each mapped team, whether they are in it


def apply(user: User, groups: frozenset[str], *, clock: Clock) -> None:
    """Make of a person in organizations what their groups say, each organization in one transaction.

    The last owner of an organization stays one, which is logged.
    """
    rows: dict[int, list[GroupRole]] = {}
    for row in GroupRole.objects.filter(organization__deleted_at=None).order_by("pk"):
        rows.setdefault(row.organization_id, []).append(row)
    for number, mapped in rows.items():
        wanted = _wanted(mapped, groups)
        if _differs(number, user, wanted):
            _put_into_effect(number, user, wanted, clock)


def _wanted(rows: Iterable[GroupRole], groups: frozenset[str]) -> _Wanted:
    roles, decided = [], False
    teams: dict[int, bool] = {}
    for row in rows:
        if row.team_id is None:
            decided = True
            roles += [row.role] if row.group in groups else []
        else:
            teams[row.team_id] = teams.get(row.team_id, False) or row.group in groups
    return _Wanted(decided, max(roles, key=_RANK.index, default=None), teams)


def _differs(organization_id: int, user: User, wanted: _Wanted) -> bool:
    held = Membership.objects.filter(organization_id=organization_id, user=user).values_list("role", flat=True).first()
    role = wanted.role if wanted.decided else held
    return held != role or bool(role and _to_move(user, wanted))


def _to_move(user: User, wanted: _Wanted) -> list[tuple[int, bool]]:
    """The teams somebody is to be put into (True) or taken out of."""
    inside = set(TeamMember.objects.filter(user=user, team_id__in=wanted.teams).values_list("team_id", flat=True))
    return [(team, belongs) for team, belongs in wanted.teams.items() if belongs != (team in inside)]


def _put_into_effect(organization_id: int, user: User, wanted: _Wanted, clock: Clock) -> None:
    with write():
        found = Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
        row = Membership.objects.filter(organization=found, user=user).first()
        entries: list[Entry] = []
        if found.deleted_at is None and wanted.decided:
            row = _set_role(found, user, row, wanted.role, entries, clock)
        if row is not None:
            _set_teams(found, user, wanted, entries)
        if entries:
            record(take(len(entries), clock), BY_PROVIDER, entries)
            bump_access()


def _set_role(
    found: Organization, user: User, row: Membership | None, role: str | None, entries: list[Entry], clock: Clock
) -> Membership | None:
    """Add, change or remove a membership; the row afterwards."""
    if row is None:
        if role is None:
            return None
        withdraw_invitations(found, user)
        entries.append(entry_of(Fact.MEMBER_ADDED, found, user, role=role))
        return Membership.objects.create(organization=found, user=user, role=role, since=clock())
    if row.role == role:
        return row
    if not has_other_owner(found, row):
        _log.warning("the last owner is in no group that owns, and stays owner", organization=found.name)
        return row
    if role is None:
        TeamMember.objects.filter(team__organization=found, user=user).delete()
        entries.append(entry_of(Fact.MEMBER_REMOVED, found, user, role=row.role))
        row.delete()
        return None
    entries.append(entry_of(Fact.MEMBER_CHANGED, found, user, role=role, before=row.role))
    row.role = role
    row.save(update_fields=["role"])
    return row


def _set_teams(found: Organization, user: User, wanted: _Wanted, entries: list[Entry]) -> None:
    names = dict(Team.objects.filter(organization=found, pk__in=wanted.teams).values_list("pk", "name"))
    for team, belongs in _to_move(user, wanted):
        if team not in names:
            continue  # it ended a moment ago
        if belongs:
            TeamMember.objects.create(team_id=team, user=user)
        else:
            TeamMember.objects.filter(team_id=team, user=user).delete()
        kind = Fact.TEAM_MEMBER_ADDED if belongs else Fact.TEAM_MEMBER_REMOVED
        entries.append(entry_of(kind, found, user, team=names[team]))
