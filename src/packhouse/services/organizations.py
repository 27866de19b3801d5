# SPDX-License-Identifier: Apache-2.0
"""Organizations: making and ending them, and who may do what with one."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q

from packhouse.catalogue.models import (
    GroupRole,
    IndexGrant,
    Membership,
    Organization,
    OrganizationInvitation,
    Project,
    Team,
    Token,
    Transfer,
    User,
)
from packhouse.domain.permissions import Action, OrganizationRole, may
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, offers, tokens
from packhouse.services.journal import COMMAND, Actor, Clock, Entry, Fact, bump_access, record, take, write
from packhouse.services.people import check_account_name, check_free
from packhouse.services.standing import Asker

MAX_OWNED = 50
"""Organizations one person may be owner of."""
MAX_TEAMS = 200


def find_organization(name: str) -> Organization:
    """The living organization of this name, whatever its case; raises MISSING."""
    found = Organization.objects.filter(name_key=name.lower(), deleted_at=None).first()
    if found is None:
        raise refuse(Kind.MISSING, "organization-unknown", f"There is no organization {name[:60]!r} here.", "name")
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
            entry_of(Fact.ORGANIZATION_CREATED, made, title=title),
            entry_of(Fact.MEMBER_ADDED, made, owner, role=OrganizationRole.OWNER.value),
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
        record(take(1, clock), actor, [entry_of(Fact.ORGANIZATION_TITLE, found, title=title, before=before)])


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
            raise conflict("organization-has-projects", message)
        tokens.end_tokens(actor, Token.objects.filter(organization=found), clock=clock)
        IndexGrant.objects.filter(organization=found).delete()
        GroupRole.objects.filter(organization=found).delete()
        Team.objects.filter(organization=found).delete()
        Membership.objects.filter(organization=found).delete()
        OrganizationInvitation.objects.filter(organization=found, state=offers.OPEN).update(state="withdrawn")
        Transfer.objects.filter(to_organization=found, state=offers.OPEN).update(state="declined")
        moment = take(1, clock)
        found.deleted_at = moment.at
        found.save(update_fields=["deleted_at"])
        record(moment, actor, [entry_of(Fact.ORGANIZATION_DELETED, found)])
        bump_access()


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


def conflict(code: str, message: str) -> PackhouseError:
    """A refusal that is told beside the name of a person."""
    return refuse(Kind.CONFLICT, code, message, "username")


def entry_of(kind: Fact, found: Organization, user: User | None = None, *, project: str = "", **detail: str) -> Entry:
    """A fact about an organization, for the journal."""
    who = {} if user is None else {"user": user.username}
    return Entry(kind, project=project, detail={"organization": found.name, **who, **detail})
