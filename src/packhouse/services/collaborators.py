# SPDX-License-Identifier: Apache-2.0
"""The people of a project: inviting, answering, changing roles, leaving. A project always keeps an owner."""

from __future__ import annotations

from packhouse.catalogue.models import Invitation, Project, Role, User
from packhouse.domain.permissions import Action, Identity, ProjectRole
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, offers, pages
from packhouse.services.journal import Actor, Clock, Entry, Fact, Moment, bump_access, record, take, write
from packhouse.services.standing import Asker, demand


def invite(asker: Asker, name: str, user: User, role: ProjectRole, *, clock: Clock) -> Invitation:
    """Offer a person a role; raises CONFLICT for one who has a role or an open invitation, or whose account is shut."""
    with write():
        project, actor = demand(asker, Action.MANAGE, name, clock)
        _demand_invitable(project, user, clock)
        moment = take(1, clock)
        invitation = Invitation.objects.create(
            project=project,
            user=user,
            role=role.value,
            invited_by_id=actor.user_id or user.pk,
            created_at=moment.at,
            expires_at=moment.at + offers.VALID,
        )
        _record(project, moment, actor, Fact.INVITATION_SENT, user, role=role.value)
    return invitation


def _demand_invitable(project: Project, user: User, clock: Clock) -> None:
    held = None
    if Role.objects.filter(project=project, user=user).exists():
        held = _conflict("role-exists", f"{user.username!r} has a role in {project.name!r} already; change that.")
    offers.demand_invitable(user, Invitation.objects.filter(project=project), held, "user", clock)


def answer(identity: Identity, invitation_id: int, *, accept: bool, clock: Clock) -> Invitation:
    """Accept or decline one's own invitation; MISSING for anybody else's and for one that is no longer open."""
    with write():
        person = access.still_valid(identity, clock())
        _hold_project_of(invitation_id)
        invitation = _open_invitation(clock, pk=invitation_id, user_id=person.user_id)
        project, actor = invitation.project, Actor.of(person)
        moment = take(2 if accept else 1, clock)
        offers.end(invitation, "accepted" if accept else "declined")
        entries = [_entry(project, Fact.INVITATION_ENDED, invitation.user, how=invitation.state)]
        if accept:
            Role.objects.create(project=project, user=invitation.user, role=invitation.role, since=moment.at)
            entries.append(_entry(project, Fact.ROLE_ADDED, invitation.user, role=invitation.role))
            bump_access()
        record(moment, actor, entries)
        if accept:  # mirrors read that a role was added, and expect a page that is no older
            pages.touch_project(project, moment)
            pages.refresh_everywhere(project, moment)
    return invitation


def withdraw(asker: Asker, name: str, invitation_id: int, *, clock: Clock) -> None:
    """Take an open invitation of this project back."""
    with write():
        project, actor = demand(asker, Action.MANAGE, name, clock)
        invitation = _open_invitation(clock, pk=invitation_id, project_id=project.pk)
        moment = take(1, clock)
        offers.end(invitation, "withdrawn")
        _record(project, moment, actor, Fact.INVITATION_ENDED, invitation.user, how="withdrawn")


def _hold_project_of(invitation_id: int) -> None:
    """Lock the project before the invitation, as whoever manages it does: nobody waits in a ring."""
    of = Invitation.objects.filter(pk=invitation_id).values("project_id")
    Project.objects.select_for_update(no_key=True).filter(pk__in=of).first()


def _open_invitation(clock: Clock, **of: int | None) -> Invitation:
    rows = Invitation.objects.select_related("project").filter(project__deleted_serial=None, **of)
    return offers.open_invitation(rows, clock)


def change_role(asker: Asker, name: str, user: User, role: ProjectRole, *, clock: Clock) -> None:
    """Give a collaborator another role; the last owner stays one."""
    with write():
        project, actor = demand(asker, Action.MANAGE, name, clock)
        row = _role_of(project, user)
        if row.role == role.value:
            return
        _demand_other_owner(project, row)
        moment = take(1, clock)
        before, row.role = row.role, role.value
        row.save(update_fields=["role"])
        bump_access()
        _record(project, moment, actor, Fact.ROLE_CHANGED, user, role=role.value, before=before)


def remove(asker: Asker, name: str, user: User, *, clock: Clock) -> None:
    """Take a collaborator's role away; the last owner's stays."""
    with write():
        project, actor = demand(asker, Action.MANAGE, name, clock)
        _remove(project, actor, user, clock)


def leave(identity: Identity, name: str, *, clock: Clock) -> None:
    """Give up one's own role; the last owner can't."""
    with write():
        project, actor = demand(identity, Action.YANK, name, clock)  # what every collaborator may do
        _remove(project, actor, User.objects.get(pk=identity.user_id or 0), clock)


def _remove(project: Project, actor: Actor, user: User, clock: Clock) -> None:
    row = _role_of(project, user)
    _demand_other_owner(project, row)
    moment = take(1, clock)
    row.delete()
    bump_access()
    _record(project, moment, actor, Fact.ROLE_REMOVED, user, role=row.role)


def _role_of(project: Project, user: User) -> Role:
    row = Role.objects.filter(project=project, user=user).first()
    if row is None:
        message = f"{user.username!r} has no role in {project.name!r}."
        raise refuse(Kind.MISSING, "role-missing", message)
    return row


def _demand_other_owner(project: Project, row: Role) -> None:
    """hostile-201: what is done to the row leaves an owner whose account is open."""
    if row.role != ProjectRole.OWNER.value:
        return
    if project.organization_id is not None:
        return
    others = Role.objects.filter(project=project, role=ProjectRole.OWNER.value, user__is_active=True)
    if not others.exclude(pk=row.pk).exists():
        raise _conflict(
            "last-owner", f"{project.name!r} would be left without an owner; make somebody else owner first."
        )


def _conflict(code: str, message: str) -> PackhouseError:
    return refuse(Kind.CONFLICT, code, message, "user")


def _record(project: Project, moment: Moment, actor: Actor, kind: Fact, user: User, **detail: str) -> None:
    record(moment, actor, [_entry(project, kind, user, **detail)])


def _entry(project: Project, kind: Fact, user: User, **detail: str) -> Entry:
    index = project.placements.order_by("pk").values_list("index__name", flat=True).first() or ""
    return Entry(kind, index, project.name, detail={"user": user.username, **detail})
