# SPDX-License-Identifier: Apache-2.0
"""Tokens that a token makes, sees and ends: those of its owner that may do no more than it.

A token made by another ends with it. Which tokens a token has to do with is one question, `may_do_no_more`: whoever
makes or rotates a token gets its secret, and must not be able to do more by it, nor longer, nor from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_network

from packhouse.catalogue.models import IndexGrant, Token, User
from packhouse.domain.permissions import Action, Identity, TokenScope, may
from packhouse.errors import Kind, refuse
from packhouse.services import access, tokens
from packhouse.services.journal import Actor, Clock, write


def itself(identity: Identity) -> Token:
    """The token that asks."""
    return Token.objects.select_related("user", "organization").get(pk=identity.token_id or 0)


def list_tokens(identity: Identity) -> list[Token]:
    """The living tokens of its owner that may do no more than the one that asks, newest first, itself among them."""
    asking = itself(identity)
    return [row for row in _of_the_same(asking) if may_do_no_more(row, asking)]


def _of_the_same(asking: Token) -> list[Token]:
    if asking.organization is not None:
        return tokens.tokens_of_organization(asking.organization)
    return tokens.tokens_of(asking.user)


def may_do_no_more(other: Token, asking: Token) -> bool:
    """Whether a token of the same owner can do nothing that the asking one can't."""
    if other.pk == asking.pk:
        return True
    if IndexGrant.objects.filter(token=other).exists():
        return False  # it reads something by its own name
    return (
        _scope_of(asking).includes(_scope_of(other))
        and _is_within(other.networks, asking.networks)
        and (asking.expires_at is None or (other.expires_at is not None and other.expires_at <= asking.expires_at))
    )


def _scope_of(token: Token) -> TokenScope:
    return TokenScope(
        frozenset(token.scopes), frozenset(token.indexes), frozenset(token.projects), frozenset(token.organizations)
    )


def _is_within(inner: Iterable[str], outer: Iterable[str]) -> bool:
    """Whether each of these networks lies in one of those; none means anywhere."""
    wide, narrow = [ip_network(one) for one in outer], [ip_network(one) for one in inner]
    if not wide:
        return True
    return bool(narrow) and all(
        any(one.version == other.version and one.subnet_of(other) for other in wide)  # type: ignore[arg-type]
        for one in narrow
    )


def create(
    identity: Identity,
    label: str,
    scopes: Iterable[str] = tokens.DEFAULT_SCOPES,
    indexes: Iterable[str] = (),
    projects: Iterable[str] = (),
    expires_at: datetime | None = None,
    *,
    networks: Iterable[str] = (),
    clock: Clock,
) -> tuple[Token, str]:
    """Make a token that may do no more than the one that asks, and that ends with it; returns its row and its secret.

    What is not said is as of the asking token: its indexes, projects, networks and end. Those it made before whose
    time is over are ended on the way. Raises FORBIDDEN for one that could do more, else as `tokens.create_token` does.
    """
    with write():
        asking, actor = _asking(identity, clock)
        over = Token.objects.filter(made_by=asking, expires_at__lte=clock())
        tokens.end_tokens(actor, over, clock=clock, how="its time was over")
        limits = [*asking.projects, *(f"{tokens.ALL_OF}{name}" for name in asking.organizations)]
        made, secret = tokens.create_token(
            actor,
            asking.user,
            label,
            scopes,
            list(indexes) or asking.indexes,
            list(projects) or limits,
            asking.expires_at if expires_at is None else expires_at,
            networks=list(networks) or asking.networks,
            of=asking.organization,
            made_by=asking,
            clock=clock,
        )
        if not may_do_no_more(made, asking):
            raise _too_much(asking)
    return made, secret


def _too_much(asking: Token) -> Exception:
    ends = "" if asking.expires_at is None else f", until {asking.expires_at:%Y-%m-%d %H:%M} UTC at the latest"
    message = (
        f"The token would be good for more than the one that asks, which allows {', '.join(asking.scopes)}"
        f" in {', '.join(asking.indexes) or 'every index'} for"
        f" {', '.join([*asking.projects, *(f'@{name}' for name in asking.organizations)]) or 'every project'}"
        f" from {', '.join(asking.networks) or 'anywhere'}{ends}; ask for less."
    )
    return refuse(Kind.FORBIDDEN, "token-beyond", message)


def rotate(identity: Identity, token_id: int, grace: timedelta, *, clock: Clock) -> tuple[Token, str]:
    """Give one of these tokens a new secret, the asking one included; raises MISSING for any other."""
    with write():
        asking, actor = _asking(identity, clock)
        return tokens.rotate_token(actor, _one_of(asking, token_id), grace, clock=clock)


def end(identity: Identity, token_id: int, *, clock: Clock) -> Token:
    """End one of these tokens at once, with those it made; raises MISSING for any other."""
    with write():
        asking, actor = _asking(identity, clock)
        token = _one_of(asking, token_id)
        tokens.delete_token(actor, token, clock=clock)
    return token


def end_itself(identity: Identity, *, clock: Clock) -> Token:
    """End the token that asks: any may."""
    with write():
        asking, actor = _asking(identity, clock, Action.ITSELF)
        tokens.end_tokens(actor, Token.objects.filter(pk=asking.pk), clock=clock)
    return asking


def _asking(identity: Identity, clock: Clock, action: Action = Action.TOKENS) -> tuple[Token, Actor]:
    """The token that asks, which may do this now, and who is journalled.

    It is held, its owner first: whoever ends it meanwhile waits, and ends what it makes too.
    """
    held = Token.objects.filter(pk=identity.token_id or 0)
    User.objects.select_for_update(no_key=True).filter(pk__in=held.values("user")).first()
    held.select_for_update(no_key=True).first()
    current = access.still_valid(identity, clock())
    may(current, action).demand()
    return itself(current), Actor.of(current)


def _one_of(asking: Token, token_id: int) -> Token:
    found = Token.objects.filter(pk=min(token_id, 2**62), deleted_at=None, organization=asking.organization)
    token = (found if asking.organization_id else found.filter(user=asking.user)).first()
    if token is None or not may_do_no_more(token, asking):
        message = "There is no such token, or it may do more than the one that asks; see the list of those that do not."
        raise refuse(Kind.MISSING, "token-missing", message)
    return token
