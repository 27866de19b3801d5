# SPDX-License-Identifier: Apache-2.0
"""What the groups of a provider mean here, put into effect at each sign-in; and sign-in links for emergencies."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

import structlog
from allauth.account.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount

from packhouse.catalogue.models import Index, IndexGrant, SignInLink, User
from packhouse.config import Settings
from packhouse.domain.addresses import own_origin
from packhouse.domain.single_sign_on import GroupRules
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import group_roles, indexes
from packhouse.services.group_roles import BY_PROVIDER
from packhouse.services.journal import Actor, Clock, Entry, Fact, bump_access, record, take, write

_log = structlog.stdlib.get_logger(__name__)

LINK_LASTS = timedelta(minutes=15)


def rules_of(settings: Settings) -> GroupRules:
    """The group rules of these settings."""
    return GroupRules.of(settings.oidc_allow_groups, settings.oidc_admin_groups, settings.oidc_index_groups)


def apply_groups(user: User, groups: frozenset[str], rules: GroupRules, *, clock: Clock) -> None:
    """Make of a person what their groups say: administrator or not, reader of closed indexes or not, roles and teams.

    The last administrator stays one; an index that is not there is passed over. Both are logged.
    """
    wanted = rules.administers(groups)
    if wanted is not None and wanted != user.is_admin:
        _set_admin(user, wanted=wanted, clock=clock)
    for name, reads in rules.reads(groups).items():
        if not Index.objects.filter(name=name).exists():
            _log.warning("a group is mapped to an index that is not there", index=name)
        elif reads:
            indexes.grant_read(BY_PROVIDER, name, user, clock=clock)
        elif IndexGrant.objects.filter(index__name=name, user=user).exists():
            indexes.end_grant(BY_PROVIDER, name, user, clock=clock)
    group_roles.apply(user, groups, clock=clock)


def groups_that_count(rules: GroupRules) -> frozenset[str]:
    """The groups that mean something on this server; of others nothing is kept."""
    return rules.allow | rules.admin | {group for group, _ in rules.indexes} | group_roles.mapped_groups()


def _set_admin(user: User, *, wanted: bool, clock: Clock) -> None:
    with write():
        living = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        others = User.objects.filter(is_admin=True, is_active=True).exclude(pk=user.pk)
        if not wanted and not others.exists():
            _log.warning("the last administrator left the groups that administer, and stays one", user=user.username)
            return
        if wanted and living.guest_until is not None:
            _log.warning("a guest is in a group that administers, and is not made administrator", user=user.username)
            return
        if living.is_admin == wanted:
            return
        moment = take(1, clock)
        living.is_admin = user.is_admin = wanted
        living.save(update_fields=["is_admin"])
        kind = Fact.ADMIN_ADDED if wanted else Fact.ADMIN_REMOVED
        record(moment, BY_PROVIDER, [Entry(kind, detail={"user": living.username})])
        bump_access()


def note_joined(user: User, account: SocialAccount, *, clock: Clock) -> None:
    """Journal that an identity of the provider signs this account in from now on; within a transaction or not."""
    _note(Fact.IDENTITY_JOINED, user, account, clock)


def note_parted(user: User, account: SocialAccount, *, clock: Clock) -> None:
    """Journal that it does so no more."""
    _note(Fact.IDENTITY_PARTED, user, account, clock)


def _note(kind: Fact, user: User, account: SocialAccount, clock: Clock) -> None:
    with write():
        moment = take(1, clock)
        detail = {"user": user.username, "issuer": account.provider, "subject": account.uid}
        record(moment, Actor(user.pk, user.username, "web"), [Entry(kind, detail=detail)])
        bump_access()


def identities_of(user: User) -> list[SocialAccount]:
    """The identities that sign an account in, also of issuers of before."""
    return list(SocialAccount.objects.filter(user=user).order_by("pk"))


# -- emergencies


def make_link(actor: Actor, user: User, settings: Settings, *, clock: Clock) -> str:
    """A link that signs somebody in once within `LINK_LASTS`, where the provider is away; their owner is told.

    Raises FORBIDDEN for an account that is shut or has ended.
    """
    if not user.is_active or user.has_ended(clock()):
        message = f"The account {user.username!r} is shut, so no link is made for it; open it first."
        raise refuse(Kind.FORBIDDEN, "account-disabled", message)
    secret = secrets.token_urlsafe(32)
    with write():
        SignInLink.objects.filter(user=user, used_at=None).update(expires_at=clock())
        moment = take(1, clock)
        SignInLink.objects.create(digest=_digest(secret), user=user, expires_at=moment.at + LINK_LASTS)
        record(moment, actor, [Entry(Fact.SIGN_IN_LINK_MADE, detail={"user": user.username})])
    _tell(user, moment.at + LINK_LASTS)
    return f"{own_origin(settings)}/account/emergency/{secret}/"


def _tell(user: User, until: datetime) -> None:
    facts = {"username": user.username, "until": until}
    try:
        if user.email:
            get_adapter().send_mail("account/email/sign_in_link", user.email, facts)
    except PackhouseError as error:
        _log.warning("nobody was told of a sign-in link", user=user.username, reason=error.message)


def owner_of_link(secret: str, now: datetime) -> User:
    """Whom a link signs in; raises GONE for one that was used, has run out, or was never made."""
    link = SignInLink.objects.select_related("user").filter(digest=_digest(secret), used_at=None).first()
    if link is None or link.expires_at <= now:
        raise _gone()
    return link.user


def use_link(secret: str, *, clock: Clock) -> User:
    """Use a link up; raises as `owner_of_link`."""
    with write():
        rows = SignInLink.objects.select_for_update(of=("self",), no_key=True).select_related("user")
        link = rows.filter(digest=_digest(secret), used_at=None).first()
        if link is None or link.expires_at <= clock():
            raise _gone()
        moment = take(1, clock)
        link.used_at = moment.at
        link.save(update_fields=["used_at"])
        actor = Actor(link.user.pk, link.user.username, "web")
        record(moment, actor, [Entry(Fact.SIGN_IN_LINK_USED, detail={"user": link.user.username})])
    return link.user


def _gone() -> PackhouseError:
    message = "This sign-in link was used, replaced or has run out; `packhouse sign-in-link NAME` makes another."
    return refuse(Kind.GONE, "sign-in-link-gone", message)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
