# SPDX-License-Identifier: Apache-2.0
"""Organizations: making and ending them, their members and teams. One always keeps an owner whose account is open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q

from packhouse.catalogue.models import (
    IndexGrant,
    Membership,
    Organization,
    OrganizationInvitation,
    Project,
    Team,
    TeamMember,
    TeamRole,
    Token,
    Transfer,
    User,
)
from packhouse.domain.names import normalize
from packhouse.domain.permissions import Action, Identity, OrganizationRole, ProjectRole, may
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, tokens
from packhouse.services.journal import COMMAND, Actor, Clock, Entry, Fact, bump_access, record, take, write
from packhouse.services.people import check_account_name, check_free, find_user
from packhouse.services.standing import Asker

VALID = timedelta(days=30)
OPEN = "open"
MAX_OWNED = 50
"""Organizations one person may be owner of."""
MAX_TEAMS = 200


def find_organization(name: str) -> Organization:
    """The living organization of this name, whatever its case; raises MISSING."""
    found = Organization.objects.filter(name_key=name.lower(), deleted_at=None).first()
    if found is None:
        raise refuse(Kind.MISSING, "organization-unknown", f"There is no organization {name[:60]!r} here.", "name")
    return found


def find_team(organization: Organization, name: str) -> Team:
    """A team of an organization; raises MISSING."""
    found = Team.objects.filter(organization=organization, name=name.lower()).first()
    if found is None:
        message = f"The organization {organization.name!r} has no team {name[:60]!r}."
        raise refuse(Kind.MISSING, "team-unknown", message, "team")
    return found


def demand(asker: Asker, action: Action, name: str, clock: Clock) -> tuple[Organization, Actor]:
    """The living organization, locked, and the actor for the journal; raises MISSING, UNAUTHENTICATED or FORBIDDEN."""
    rows = Organization.objects.select_for_update(no_key=True)
    found = rows.filter(name_key=name.lower(), deleted_at=None).first()
    if found is None:
        raise refuse(Kind.MISSING, "organization-unknown", f"There is no organization {name[:60]!r} here.", "name")
    if isinstance(asker, Actor):
        if asker is not COMMAND:
            raise refuse(Kind.FORBIDDEN, "actor-unknown", "Only a command acts without an identity; sign in.")
        return found, asker
    identity = access.still_valid(asker, clock())
    may(identity, action, organization=access.organization_right(identity, found)).demand()
    return found, Actor.of(identity)


def create_organization(asker: Asker, name: str, owner: User, title: str = "", *, clock: Clock) -> Organization:
    """Make an organization with its first owner. Its name is never given to anybody else, person or organization.

    Raises INVALID or CONFLICT for a name that breaks the grammar of user names or is taken, FORBIDDEN when `owner` is
    somebody else than who asks.
    """
    title = _title(title)
    with write():
        actor = _maker(asker, owner, clock)
        check_account_name(name)
        if Membership.objects.filter(user=owner, role=OrganizationRole.OWNER.value).count() >= MAX_OWNED:
            message = f"You own {MAX_OWNED} organizations, which is the most; leave one first."
            raise refuse(Kind.CONFLICT, "organizations-too-many", message)
        moment = take(2, clock)
        check_free(name)  # the counter is ours: whoever took the name meanwhile has committed
        made = Organization.objects.create(name=name, name_key=name.lower(), title=title, created_at=moment.at)
        Membership.objects.create(organization=made, user=owner, role=OrganizationRole.OWNER.value, since=moment.at)
        entries = [
            _entry(Fact.ORGANIZATION_CREATED, made, title=title),
            _entry(Fact.MEMBER_ADDED, made, owner, role=OrganizationRole.OWNER.value),
        ]
        record(moment, actor, entries)
        bump_access()
    return made


def _maker(asker: Asker, owner: User, clock: Clock) -> Actor:
    if isinstance(asker, Actor):
        return COMMAND
    identity = access.still_valid(asker, clock())
    may(identity, Action.ACCOUNT).demand()
    if identity.user_id != owner.pk:
        raise refuse(Kind.FORBIDDEN, "forbidden", "You become the first owner of an organization yourself.")
    return Actor.of(identity)


def set_title(asker: Asker, name: str, title: str, *, clock: Clock) -> None:
    """Say what an organization is called in full; the same again changes nothing."""
    title = _title(title)
    with write():
        found, actor = demand(asker, Action.RUN, name, clock)
        if found.title == title:
            return
        before, found.title = found.title, title
        found.save(update_fields=["title"])
        record(take(1, clock), actor, [_entry(Fact.ORGANIZATION_TITLE, found, title=title, before=before)])


def _title(title: str) -> str:
    text = " ".join(title.split())
    if len(text) > 200 or not (text.isprintable() or not text):
        message = f"The full name has {len(text)} characters, expected at most 200 printable ones; change it."
        raise refuse(Kind.INVALID, "organization-title-invalid", message, "title")
    return text


def delete_organization(asker: Asker, name: str, *, clock: Clock) -> None:
    """End an organization that has no projects any more: members, teams, tokens and invitations end with it.

    Raises CONFLICT while it has projects. Its name stays taken.
    """
    with write():
        found, actor = demand(asker, Action.RULE, name, clock)
        if Project.objects.filter(organization=found, deleted_serial=None).exists():
            message = f"{found.name!r} still has projects; transfer or delete them first."
            raise _conflict("organization-has-projects", message)
        tokens.end_tokens(actor, Token.objects.filter(organization=found), clock=clock)
        IndexGrant.objects.filter(organization=found).delete()
        Team.objects.filter(organization=found).delete()
        Membership.objects.filter(organization=found).delete()
        OrganizationInvitation.objects.filter(organization=found, state=OPEN).update(state="withdrawn")
        Transfer.objects.filter(to_organization=found, state=OPEN).update(state="declined")
        moment = take(1, clock)
        found.deleted_at = moment.at
        found.save(update_fields=["deleted_at"])
        record(moment, actor, [_entry(Fact.ORGANIZATION_DELETED, found)])
        bump_access()


# --- members


def _for_role(*roles: str) -> Action:
    """What one must be allowed to give or take these roles: managers deal with members, owners with all."""
    return Action.RUN if set(roles) == {OrganizationRole.MEMBER.value} else Action.RULE


def invite(asker: Asker, name: str, user: User, role: OrganizationRole, *, clock: Clock) -> OrganizationInvitation:
    """Offer membership; raises CONFLICT for a member, one invited already, or one whose account is shut.

    A manager invites members alone (hostile-201).
    """
    with write():
        found, actor = demand(asker, _for_role(role.value), name, clock)
        _expire(found, clock)
        _demand_new(found, user)
        moment = take(1, clock)
        made = OrganizationInvitation.objects.create(
            organization=found,
            user=user,
            role=role.value,
            invited_by_id=actor.user_id or user.pk,
            created_at=moment.at,
            expires_at=moment.at + VALID,
        )
        record(moment, actor, [_entry(Fact.MEMBER_INVITED, found, user, role=role.value)])
    return made


def _demand_new(found: Organization, user: User) -> None:
    if not user.is_active:
        raise _conflict("user-disabled", f"The account {user.username!r} is disabled; invite another.")
    if Membership.objects.filter(organization=found, user=user).exists():
        raise _conflict("member-exists", f"{user.username!r} is in {found.name!r} already; change the role there.")
    if OrganizationInvitation.objects.filter(organization=found, user=user, state=OPEN).exists():
        raise _conflict("invitation-open", f"{user.username!r} is invited already; wait for the answer or withdraw it.")


def _expire(found: Organization, clock: Clock) -> None:
    OrganizationInvitation.objects.filter(organization=found, state=OPEN, expires_at__lte=clock()).update(
        state="expired"
    )


def answer(identity: Identity, invitation_id: int, *, accept: bool, clock: Clock) -> OrganizationInvitation:
    """Accept or decline one's own invitation; MISSING for anybody else's and for one that is no longer open."""
    with write():
        person = access.still_valid(identity, clock())
        may(person, Action.ACCOUNT).demand()
        row = _open_invitation(clock, pk=invitation_id, user_id=person.user_id)
        moment = take(2 if accept else 1, clock)
        row.state = "accepted" if accept else "declined"
        row.save(update_fields=["state"])
        entries = [_entry(Fact.MEMBER_INVITATION_ENDED, row.organization, row.user, how=row.state)]
        if accept:
            Membership.objects.create(organization=row.organization, user=row.user, role=row.role, since=moment.at)
            entries.append(_entry(Fact.MEMBER_ADDED, row.organization, row.user, role=row.role))
            bump_access()
        record(moment, Actor.of(person), entries)
    return row


def withdraw(asker: Asker, name: str, invitation_id: int, *, clock: Clock) -> None:
    """Take an open invitation of this organization back."""
    with write():
        found, _ = demand(asker, Action.RUN, name, clock)
        row = _open_invitation(clock, pk=invitation_id, organization=found)
        _, actor = demand(asker, _for_role(row.role), name, clock)
        row.state = "withdrawn"
        row.save(update_fields=["state"])
        record(take(1, clock), actor, [_entry(Fact.MEMBER_INVITATION_ENDED, found, row.user, how=row.state)])


def _open_invitation(clock: Clock, **of: Any) -> OrganizationInvitation:
    rows = OrganizationInvitation.objects.select_for_update(of=("self",), no_key=True)
    living = rows.filter(state=OPEN, organization__deleted_at=None, expires_at__gt=clock())
    found = living.select_related("organization", "user").filter(**of).first()
    if found is None:
        message = "There is no such open invitation; it was answered, withdrawn or ran out."
        raise refuse(Kind.MISSING, "invitation-missing", message)
    return found


def set_member(asker: Asker, name: str, user: User, role: OrganizationRole, *, clock: Clock) -> None:
    """Give a member another role; by command somebody who is none becomes one without being asked.

    Raises MISSING for somebody else, CONFLICT for the last owner.
    """
    with write():
        found, _ = demand(asker, Action.RUN, name, clock)
        row = Membership.objects.filter(organization=found, user=user).first()
        if row is None:
            _, actor = demand(asker, Action.RULE, name, clock)
            _add_by_command(actor, found, user, role, clock)
            return
        _, actor = demand(asker, _for_role(row.role, role.value), name, clock)
        if row.role == role.value:
            return
        _demand_other_owner(found, row)
        moment = take(1, clock)
        before, row.role = row.role, role.value
        row.save(update_fields=["role"])
        bump_access()
        record(moment, actor, [_entry(Fact.MEMBER_CHANGED, found, user, role=role.value, before=before)])


def _add_by_command(actor: Actor, found: Organization, user: User, role: OrganizationRole, clock: Clock) -> None:
    if actor is not COMMAND:
        raise _no_member(found, user)
    moment = take(1, clock)
    Membership.objects.create(organization=found, user=user, role=role.value, since=moment.at)
    bump_access()
    record(moment, actor, [_entry(Fact.MEMBER_ADDED, found, user, role=role.value)])


def remove_member(asker: Asker, name: str, user: User, *, clock: Clock) -> None:
    """Take somebody out of an organization and its teams; the last owner stays."""
    with write():
        found, _ = demand(asker, Action.RUN, name, clock)
        row = _member(found, user)
        _, actor = demand(asker, _for_role(row.role), name, clock)
        _remove(found, row, actor, clock)


def leave(identity: Identity, name: str, *, clock: Clock) -> None:
    """Leave an organization and its teams; the last owner can't."""
    with write():
        found, actor = demand(identity, Action.BELONG, name, clock)
        _remove(found, _member(found, User.objects.get(pk=actor.user_id or 0)), actor, clock)


def _member(found: Organization, user: User) -> Membership:
    row = Membership.objects.select_related("user").filter(organization=found, user=user).first()
    if row is None:
        raise _no_member(found, user)
    return row


def _no_member(found: Organization, user: User) -> PackhouseError:
    message = f"{user.username!r} is not in the organization {found.name!r}; invite them first."
    return refuse(Kind.MISSING, "member-missing", message, "username")


def _remove(found: Organization, row: Membership, actor: Actor, clock: Clock) -> None:
    _demand_other_owner(found, row)
    moment = take(1, clock)
    TeamMember.objects.filter(team__organization=found, user_id=row.user_id).delete()
    entry = _entry(Fact.MEMBER_REMOVED, found, row.user, role=row.role)
    row.delete()
    bump_access()
    record(moment, actor, [entry])


def _demand_other_owner(found: Organization, row: Membership) -> None:
    """hostile-201: what is done to the row leaves an owner whose account is open."""
    if row.role != OrganizationRole.OWNER.value:
        return
    others = Membership.objects.filter(organization=found, role=OrganizationRole.OWNER.value, user__is_active=True)
    if not others.exclude(pk=row.pk).exists():
        raise _conflict("last-owner", f"{found.name!r} would be left without an owner; make somebody else owner first.")


# --- teams


def create_team(asker: Asker, name: str, team: str, *, clock: Clock) -> Team:
    """Make a team, in lower case; raises INVALID or CONFLICT for its name."""
    with write():
        found, actor = demand(asker, Action.RUN, name, clock)
        key = check_team_name(team)
        if Team.objects.filter(organization=found, name=key).exists():
            raise refuse(Kind.CONFLICT, "team-taken", f"There is a team {key!r} already; choose another name.", "team")
        if Team.objects.filter(organization=found).count() >= MAX_TEAMS:
            raise _conflict("teams-too-many", f"There are {MAX_TEAMS} teams, which is the most; delete one first.")
        moment = take(1, clock)
        made = Team.objects.create(organization=found, name=key, created_at=moment.at)
        record(moment, actor, [_entry(Fact.TEAM_CREATED, found, team=key)])
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
        record(moment, actor, [_entry(Fact.TEAM_DELETED, found, team=row.name)])


def set_team_member(asker: Asker, name: str, team: str, user: User, *, inside: bool, clock: Clock) -> None:
    """Put a member of the organization into a team, or take one out; the same again changes nothing."""
    with write():
        found, actor = demand(asker, Action.RUN, name, clock)
        row = find_team(found, team)
        _member(found, user)
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
        record(moment, actor, [_entry(kind, found, user, team=row.name)])


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
        entry = _entry(
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


# --- what is known of them


def list_organizations() -> list[Any]:
    """The living organizations, by name, with how many `members` they have and projects `owned`."""
    living = Q(projects__deleted_serial=None)
    counted = Organization.objects.filter(deleted_at=None).annotate(
        members=Count("memberships", distinct=True), owned=Count("projects", filter=living, distinct=True)
    )
    return list(counted.order_by("name_key"))


def organizations_of(user: User) -> list[Membership]:
    """A person's organizations, by name."""
    rows = Membership.objects.filter(user=user, organization__deleted_at=None)
    return list(rows.select_related("organization").order_by("organization__name_key"))


def open_invitations(user: User, clock: Clock) -> list[OrganizationInvitation]:
    """Invitations a person has not answered."""
    rows = OrganizationInvitation.objects.filter(
        user=user, state=OPEN, expires_at__gt=clock(), organization__deleted_at=None
    )
    return list(rows.select_related("organization", "invited_by").order_by("created_at"))


def _conflict(code: str, message: str) -> PackhouseError:
    return refuse(Kind.CONFLICT, code, message, "username")


def _entry(kind: Fact, found: Organization, user: User | None = None, *, project: str = "", **detail: str) -> Entry:
    who = {} if user is None else {"user": user.username}
    return Entry(kind, project=project, detail={"organization": found.name, **who, **detail})
