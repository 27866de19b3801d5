# SPDX-License-Identifier: Apache-2.0
"""A project on its way to another owner, a person or an organization, who has to accept it.

Who gave it away loses their own role; other collaborators stay. Teams of an organization it leaves have no part in it
any more.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q

from packhouse.catalogue.models import Membership, Organization, Project, Role, TeamRole, Transfer, User
from packhouse.domain.permissions import Action, Identity, OrganizationRole, ProjectRole, may
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, offers, pages
from packhouse.services.journal import Actor, Clock, Entry, Fact, bump_access, record, take, write
from packhouse.services.standing import Asker, demand

VALID = timedelta(days=14)
_RUNNERS = (OrganizationRole.OWNER.value, OrganizationRole.MANAGER.value)

Receiver = User | Organization


def find_receiver(name: str) -> Receiver:
    """The person or organization of this name, which only one can bear; raises MISSING."""
    key = name.strip().lower()
    person = User.objects.filter(username_key=key, is_active=True).first()
    found = person or Organization.objects.filter(name_key=key, deleted_at=None).first()
    if found is None:
        message = f"There is no person or organization {name[:60]!r} here; check the spelling."
        raise refuse(Kind.MISSING, "receiver-missing", message, "receiver")
    return found


def offer(asker: Asker, name: str, receiver: Receiver, *, clock: Clock) -> Transfer | None:
    """Offer a project; None when it moved at once: by command, or to an organization whose projects the asker runs.

    Raises CONFLICT for whom it belongs to already, and while another offer is open.
    """
    with write():
        project, actor = demand(asker, Action.MANAGE, name, clock)
        _demand_other(project, receiver)
        offers.expire(Transfer.objects.filter(project=project), clock)
        if Transfer.objects.filter(project=project, state=offers.OPEN).exists():
            message = f"{project.name!r} is offered to somebody already; wait for the answer or withdraw that."
            raise _conflict("transfer-open", message)
        if actor.user_id is None or _runs(actor.user_id, receiver):
            _move(project, receiver, actor.user_id, actor, clock)
            return None
        moment = take(1, clock)
        made = Transfer.objects.create(
            project=project,
            to_user=receiver if isinstance(receiver, User) else None,
            to_organization=receiver if isinstance(receiver, Organization) else None,
            offered_by_id=actor.user_id,
            created_at=moment.at,
            expires_at=moment.at + VALID,
        )
        record(moment, actor, [_entry(Fact.TRANSFER_OFFERED, project, to=str(receiver))])
    return made


def _demand_other(project: Project, receiver: Receiver) -> None:
    if isinstance(receiver, Organization):
        there = project.organization_id == receiver.pk
    else:
        owned = Role.objects.filter(project=project, user=receiver, role=ProjectRole.OWNER.value).exists()
        there = owned and project.organization_id is None
    if there:
        raise _conflict("transfer-pointless", f"{project.name!r} belongs to {str(receiver)!r} already.")


def _runs(user_id: int, receiver: Receiver) -> bool:
    if isinstance(receiver, User):
        return False
    return Membership.objects.filter(organization=receiver, user_id=user_id, role__in=_RUNNERS).exists()


def withdraw(asker: Asker, name: str, *, clock: Clock) -> None:
    """Take the open offer of a project back; raises MISSING when there is none."""
    with write():
        project, actor = demand(asker, Action.MANAGE, name, clock)
        row = Transfer.objects.filter(project=project, state=offers.OPEN).first()
        if row is None:
            raise _missing()
        offers.end(row, "withdrawn")
        to = str(row.to_user or row.to_organization)
        record(take(1, clock), actor, [_entry(Fact.TRANSFER_ENDED, project, to=to, how=row.state)])


def answer(identity: Identity, transfer_id: int, *, accept: bool, clock: Clock) -> Transfer:
    """Accept or decline what was offered to oneself or to an organization one runs.

    Raises MISSING for other offers, for one that is no longer open, and when who offered it may not give it any more.
    """
    with write():
        person = access.still_valid(identity, clock())
        may(person, Action.ACCOUNT).demand()
        of = Transfer.objects.filter(pk=transfer_id).values("project_id")
        project = Project.objects.select_for_update(no_key=True).filter(pk__in=of, deleted_serial=None).first()
        row = offers.living(Transfer.objects.filter(_to(person.user_id or 0), pk=transfer_id), clock)
        found = row.select_related("to_user", "to_organization", "offered_by").first()
        if project is None or found is None or (accept and not _may_give(found, project)):
            raise _missing()
        receiver: Receiver = found.to_user or found.to_organization  # type: ignore[assignment]  # one of them is set
        offers.end(found, "accepted" if accept else "declined")
        said = {"to": str(receiver), "offered_by": found.offered_by.username, "how": found.state}
        actor, entry = Actor.of(person), _entry(Fact.TRANSFER_ENDED, project, **said)
        record(take(1, clock), actor, [entry])
        if accept:
            _move(project, receiver, found.offered_by_id, actor, clock)
    return found


def _to(user_id: int) -> Q:
    """Of a transfer: that this person may answer it."""
    run = Membership.objects.filter(user_id=user_id, role__in=_RUNNERS).values("organization_id")
    return Q(to_user_id=user_id) | Q(to_organization_id__in=run, to_organization__deleted_at=None)


def _may_give(found: Transfer, project: Project) -> bool:
    giver = access.identity_of_user(found.offered_by)
    return may(giver, Action.MANAGE, project=access.project_right(giver, project.name)).allowed


def _move(project: Project, receiver: Receiver, giver_id: int | None, actor: Actor, clock: Clock) -> None:
    """Make the receiver the owner; who gave it away loses their role, unless it is they who receive."""
    before = project.organization.name if project.organization else ""
    new_owner = receiver.pk if isinstance(receiver, User) else None
    entries = [_entry(Fact.PROJECT_MOVED, project, to=str(receiver), before=before)]
    leaving = Role.objects.filter(project=project, user_id=giver_id or 0).exclude(user_id=new_owner or 0)
    for row in leaving.select_related("user"):
        entries.append(_entry(Fact.ROLE_REMOVED, project, user=row.user.username, role=row.role))
        row.delete()
    if isinstance(receiver, User):
        entries.append(_entry(Fact.ROLE_ADDED, project, user=receiver.username, role=ProjectRole.OWNER.value))
    moment = take(len(entries), clock)
    TeamRole.objects.filter(project=project).delete()
    project.organization = receiver if isinstance(receiver, Organization) else None
    project.save(update_fields=["organization"])
    if isinstance(receiver, User):
        owner = {"role": ProjectRole.OWNER.value, "since": moment.at}
        Role.objects.update_or_create(project=project, user=receiver, defaults=owner)
    bump_access()
    record(moment, actor, entries)
    pages.touch_project(project, moment)  # mirrors read these entries, and expect a page that is no older
    pages.refresh_everywhere(project, moment)


def offers_to(user: User, clock: Clock) -> list[Transfer]:
    """What a person may accept or decline."""
    rows = offers.living(Transfer.objects.filter(_to(user.pk), project__deleted_serial=None), clock)
    return list(rows.select_related("project", "to_organization", "offered_by").order_by("created_at"))


def open_offer(project: Project, clock: Clock) -> Transfer | None:
    """The open offer of a project."""
    rows = offers.living(Transfer.objects.filter(project=project), clock)
    return rows.select_related("to_user", "to_organization", "offered_by").first()


def _missing() -> PackhouseError:
    message = "There is no such open offer; it was answered, withdrawn or ran out."
    return refuse(Kind.MISSING, "transfer-missing", message)


def _conflict(code: str, message: str) -> PackhouseError:
    return refuse(Kind.CONFLICT, code, message, "receiver")


def _entry(kind: Fact, project: Project, **detail: str) -> Entry:
    index = project.placements.order_by("pk").values_list("index__name", flat=True).first() or ""
    return Entry(kind, index, project.name, detail=detail)
