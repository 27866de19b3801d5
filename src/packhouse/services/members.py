# SPDX-License-Identifier: Apache-2.0
"""The members of an organization: invitations, roles, leaving. It always keeps an owner whose account is open."""

from __future__ import annotations

from typing import Any

from packhouse.catalogue.models import (
    Membership,
    Organization,
    OrganizationInvitation,
    TeamMember,
    User,
)
from packhouse.domain.permissions import Action, Identity, OrganizationRole, may
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, offers
from packhouse.services.journal import COMMAND, Actor, Clock, Fact, bump_access, record, take, write
from packhouse.services.organizations import conflict, demand, entry_of
from packhouse.services.standing import Asker


def _for_role(*roles: str) -> Action:
    """What one must be allowed to give or take these roles: managers deal with members, owners with all."""
    return Action.RUN if set(roles) == {OrganizationRole.MEMBER.value} else Action.RULE


def invite(asker: Asker, name: str, user: User, role: OrganizationRole, *, clock: Clock) -> OrganizationInvitation:
    """Offer membership; raises CONFLICT for a member, one invited already, or one whose account is shut.

    A manager invites members alone (hostile-201).
    """
    with write():
        found, actor = demand(asker, _for_role(role.value), name, clock)
        _demand_new(found, user, clock)
        moment = take(1, clock)
        made = OrganizationInvitation.objects.create(
            organization=found,
            user=user,
            role=role.value,
            invited_by_id=actor.user_id or user.pk,
            created_at=moment.at,
            expires_at=moment.at + offers.VALID,
        )
        record(moment, actor, [entry_of(Fact.MEMBER_INVITED, found, user, role=role.value)])
    return made


def _demand_new(found: Organization, user: User, clock: Clock) -> None:
    held = None
    if Membership.objects.filter(organization=found, user=user).exists():
        held = conflict("member-exists", f"{user.username!r} is in {found.name!r} already; change the role there.")
    rows = OrganizationInvitation.objects.filter(organization=found)
    offers.demand_invitable(user, rows, held, "username", clock)


def answer(identity: Identity, invitation_id: int, *, accept: bool, clock: Clock) -> OrganizationInvitation:
    """Accept or decline one's own invitation; MISSING for anybody else's and for one that is no longer open."""
    with write():
        person = access.still_valid(identity, clock())
        may(person, Action.ACCOUNT).demand()
        row = _open_invitation(clock, pk=invitation_id, user_id=person.user_id)
        moment = take(2 if accept else 1, clock)
        offers.end(row, "accepted" if accept else "declined")
        entries = [entry_of(Fact.MEMBER_INVITATION_ENDED, row.organization, row.user, how=row.state)]
        if accept:
            Membership.objects.create(organization=row.organization, user=row.user, role=row.role, since=moment.at)
            entries.append(entry_of(Fact.MEMBER_ADDED, row.organization, row.user, role=row.role))
            bump_access()
        record(moment, Actor.of(person), entries)
    return row


def withdraw(asker: Asker, name: str, invitation_id: int, *, clock: Clock) -> None:
    """Take an open invitation of this organization back."""
    with write():
        found, _ = demand(asker, Action.RUN, name, clock)
        row = _open_invitation(clock, pk=invitation_id, organization=found)
        _, actor = demand(asker, _for_role(row.role), name, clock)
        offers.end(row, "withdrawn")
        record(take(1, clock), actor, [entry_of(Fact.MEMBER_INVITATION_ENDED, found, row.user, how=row.state)])


def _open_invitation(clock: Clock, **of: Any) -> OrganizationInvitation:
    rows = OrganizationInvitation.objects.select_related("organization").filter(organization__deleted_at=None, **of)
    return offers.open_invitation(rows, clock)


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
        record(moment, actor, [entry_of(Fact.MEMBER_CHANGED, found, user, role=role.value, before=before)])


def _add_by_command(actor: Actor, found: Organization, user: User, role: OrganizationRole, clock: Clock) -> None:
    if actor is not COMMAND:
        raise _nomember_of(found, user)
    moment = take(1, clock)
    withdraw_invitations(found, user)
    Membership.objects.create(organization=found, user=user, role=role.value, since=moment.at)
    bump_access()
    record(moment, actor, [entry_of(Fact.MEMBER_ADDED, found, user, role=role.value)])


def remove_member(asker: Asker, name: str, user: User, *, clock: Clock) -> None:
    """Take somebody out of an organization and its teams; the last owner stays."""
    with write():
        found, _ = demand(asker, Action.RUN, name, clock)
        row = member_of(found, user)
        _, actor = demand(asker, _for_role(row.role), name, clock)
        _remove(found, row, actor, clock)


def leave(identity: Identity, name: str, *, clock: Clock) -> None:
    """Leave an organization and its teams; the last owner can't."""
    with write():
        found, actor = demand(identity, Action.BELONG, name, clock)
        _remove(found, member_of(found, User.objects.get(pk=actor.user_id or 0)), actor, clock)


def member_of(found: Organization, user: User) -> Membership:
    """What somebody is to an organization; raises MISSING for who is not in it."""
    row = Membership.objects.select_related("user").filter(organization=found, user=user).first()
    if row is None:
        raise _nomember_of(found, user)
    return row


def _nomember_of(found: Organization, user: User) -> PackhouseError:
    message = f"{user.username!r} is not in the organization {found.name!r}; invite them first."
    return refuse(Kind.MISSING, "member-missing", message, "username")


def _remove(found: Organization, row: Membership, actor: Actor, clock: Clock) -> None:
    _demand_other_owner(found, row)
    moment = take(1, clock)
    TeamMember.objects.filter(team__organization=found, user_id=row.user_id).delete()
    entry = entry_of(Fact.MEMBER_REMOVED, found, row.user, role=row.role)
    row.delete()
    bump_access()
    record(moment, actor, [entry])


def has_other_owner(found: Organization, row: Membership) -> bool:
    """Whether an owner whose account is open remains without this row, or it is no owner's."""
    others = Membership.objects.filter(organization=found, role=OrganizationRole.OWNER.value, user__is_active=True)
    return row.role != OrganizationRole.OWNER.value or others.exclude(pk=row.pk).exists()


def withdraw_invitations(found: Organization, user: User) -> None:
    """Close what was offered to somebody who comes in by another way."""
    rows = OrganizationInvitation.objects.filter(organization=found, user=user, state=offers.OPEN)
    rows.update(state="withdrawn")


def _demand_other_owner(found: Organization, row: Membership) -> None:
    """hostile-201: what is done to the row leaves an owner whose account is open."""
    if not has_other_owner(found, row):
        raise conflict("last-owner", f"{found.name!r} would be left without an owner; make somebody else owner first.")


def open_invitations(user: User, clock: Clock) -> list[OrganizationInvitation]:
    """Invitations a person has not answered."""
    rows = offers.living(OrganizationInvitation.objects.filter(user=user, organization__deleted_at=None), clock)
    return list(rows.select_related("organization", "invited_by").order_by("created_at"))
