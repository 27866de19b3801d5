# SPDX-License-Identifier: Apache-2.0
"""The API tokens of an organization: they speak for it alone, whoever comes and goes; its owners and managers run them.

They publish to its projects, and a new project they begin belongs to it. They read what the organization was named a
reader of.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from packhouse.catalogue.models import Membership, Organization, Token, User
from packhouse.domain.permissions import Action, OrganizationRole
from packhouse.errors import Kind, refuse
from packhouse.services import tokens
from packhouse.services.journal import Actor, Clock, write
from packhouse.services.organizations import demand
from packhouse.services.standing import Asker


def create(
    asker: Asker,
    name: str,
    label: str,
    scopes: Iterable[str] = tokens.DEFAULT_SCOPES,
    indexes: Iterable[str] = (),
    projects: Iterable[str] = (),
    expires_at: datetime | None = None,
    *,
    networks: Iterable[str] = (),
    clock: Clock,
) -> tuple[Token, str]:
    """Make a token of an organization; raises as `tokens.create_token` does, FORBIDDEN for who doesn't run it."""
    with write():
        found, actor = demand(asker, Action.RUN, name, clock)
        maker = _maker(found, actor)
        return tokens.create_token(
            actor, maker, label, scopes, indexes, projects, expires_at, networks=networks, of=found, clock=clock
        )


def _maker(found: Organization, actor: Actor) -> User:
    """Who stands for the token: who makes it, or for a command the organization's first owner."""
    if actor.user_id is not None:
        return User.objects.get(pk=actor.user_id)
    owners = Membership.objects.filter(organization=found, role=OrganizationRole.OWNER.value, user__is_active=True)
    return owners.select_related("user").order_by("since", "pk")[0].user


def rotate(asker: Asker, name: str, token_id: int, grace: timedelta, *, clock: Clock) -> tuple[Token, str]:
    """Give a token of an organization a new secret; raises MISSING for a token that isn't its own."""
    with write():
        found, actor = demand(asker, Action.RUN, name, clock)
        return tokens.rotate_token(actor, own(found, token_id), grace, clock=clock)


def delete(asker: Asker, name: str, token_id: int, *, clock: Clock) -> Token:
    """End a token of an organization at once; raises MISSING for a token that isn't its own."""
    with write():
        found, actor = demand(asker, Action.RUN, name, clock)
        token = own(found, token_id)
        tokens.delete_token(actor, token, clock=clock)
    return token


def delete_all(actor: Actor, found: Organization, *, clock: Clock) -> int:
    """End every token of an organization by command; returns how many there were."""
    with write():
        demand(actor, Action.RUN, found.name, clock)
        return tokens.end_tokens(actor, Token.objects.filter(organization=found), clock=clock)


def own(found: Organization, token_id: int) -> Token:
    """A living token of this organization; raises MISSING."""
    token = Token.objects.filter(pk=token_id, organization=found, deleted_at=None).first()
    if token is None:
        message = f"The organization {found.name!r} has no such token; see the list of its tokens."
        raise refuse(Kind.MISSING, "token-missing", message)
    return token
