# SPDX-License-Identifier: Apache-2.0
"""Accounts: their names, their making outside the browser, their end, and the first administrator."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Set as AbstractSet

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from packhouse.catalogue.models import Claim, Organization, User
from packhouse.errors import Fault, Kind, PackhouseError, refuse
from packhouse.services.journal import COMMAND, Actor, Clock, Entry, Fact, bump_access, record, take, write

MAX_USERNAME = 50
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\Z", re.IGNORECASE | re.ASCII)

_RESERVED = """
    __token__ token admin administrator administrators root system packhouse anonymous nobody everyone all me
    self user users account accounts manage login logout register support security abuse help info postmaster
    hostmaster webmaster noreply no-reply mailer-daemon main default index simple legacy files api static
    search project projects pypi rss healthz readyz metrics null none undefined true false con prn aux nul
    command web upstream mirror"""
RESERVED_NAMES = frozenset(_RESERVED.split())
"""User names nobody gets: they would be taken for a part of the server, or for its keepers."""


KEEPERS = frozenset({"admin", "administrator", "root"})
"""Reserved names an administrator made by command may bear all the same."""


def check_username(name: str, *, keeper: bool = False) -> None:
    """Raise INVALID for a user name that breaks the grammar or is reserved, CONFLICT for one used now or ever.

    `keeper`: the account is made by command for an administrator, who may be called so.
    """
    check_account_name(name, reserved=RESERVED_NAMES - (KEEPERS if keeper else set()))
    check_free(name)


def check_account_name(name: str, *, reserved: AbstractSet[str] = RESERVED_NAMES) -> None:
    """Raise INVALID for a name that breaks the grammar people and organizations share, or is reserved."""
    if len(name) > MAX_USERNAME or not _NAME.match(name) or not name.isascii():
        message = (
            f"The user name has {len(name)} characters or some that don't go; expected 1 to {MAX_USERNAME} letters,"
            " digits, dots, hyphens and underscores of ASCII, first and last a letter or digit; choose another."
        )
        raise refuse(Kind.INVALID, "username-invalid", message, "username")
    if name.lower() in reserved:
        raise refuse(Kind.INVALID, "username-reserved", f"The name {name!r} is reserved; choose another.", "username")


def check_free(name: str) -> None:
    """Raise CONFLICT for a name that a person or an organization has, or had."""
    key = name.lower()
    if User.objects.filter(username_key=key).exists() or Organization.objects.filter(name_key=key).exists():
        raise refuse(Kind.CONFLICT, "username-taken", f"The user name {name!r} is taken; choose another.", "username")


def check_email(address: str) -> str:
    """The address in the form it is kept; raises INVALID when it is none, CONFLICT when an account has it."""
    address = address.strip()
    try:
        validate_email(address)
    except ValidationError as error:
        message = f"The e-mail address {address!r} is not one; expected name@domain; correct it."
        raise refuse(Kind.INVALID, "email-invalid", message, "email") from error
    if not address.isascii():
        raise refuse(
            Kind.INVALID, "email-invalid", "The e-mail address holds characters beyond ASCII; use another.", "email"
        )
    if (
        EmailAddress.objects.filter(email__iexact=address).exists()
        or User.objects.filter(email__iexact=address).exists()
    ):
        raise refuse(Kind.CONFLICT, "email-taken", "An account with this e-mail address exists; use another.", "email")
    return address.lower()


def create_user(
    actor: Actor, username: str, email: str, password: str | None, *, admin: bool = False, clock: Clock
) -> User:
    """Make an account whose address counts as verified; without a password it is set by a reset.

    Raises as `check_username` and `check_email` do.
    """
    check_password(password)
    hashed = make_password(password)  # slow on purpose, so not while others wait for the lock
    with write():
        check_username(username, keeper=admin and actor == COMMAND)
        address = check_email(email)
        user = User.objects.create(username=username, email=address, password=hashed, is_admin=admin)
        EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
        record_creation(actor, user, clock)
        if admin:
            _end_claims(clock)
    return user


def check_password(password: str | None) -> None:
    """Raise INVALID for a password the rules of this server don't take."""
    if password is None:
        return
    try:
        validate_password(password)
    except ValidationError as error:
        raise PackhouseError(
            Kind.INVALID, *(Fault("password-weak", message, "password") for message in error.messages)
        ) from error


def record_creation(actor: Actor, user: User, clock: Clock) -> None:
    """Journal a new account; to be called in the transaction that made it."""
    moment = take(1, clock)
    if Organization.objects.filter(name_key=user.username_key).exists():  # one that was made at the same moment
        check_free(user.username)
    record(moment, actor, [Entry(Fact.USER_CREATED, detail={"user": user.username, "admin": user.is_admin})])
    bump_access()


def disable_user(actor: Actor, user: User, *, reason: str = "", clock: Clock) -> None:
    """Shut an account: from the commit on, no session or token of it is good. The last administrator stays."""
    with write():
        living = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        demand_other_administrator(living)
        _set_active(actor, living, active=False, reason=reason, clock=clock)


def demand_other_administrator(user: User) -> None:
    """Raise CONFLICT for the only administrator whose account is open."""
    others = User.objects.filter(is_admin=True, is_active=True).exclude(pk=user.pk)
    if user.is_admin and not others.exists():
        message = f"{user.username!r} is the only administrator; make another one first."
        raise refuse(Kind.CONFLICT, "last-administrator", message)


def enable_user(actor: Actor, user: User, *, reason: str = "", clock: Clock) -> None:
    """Open an account again."""
    with write():
        living = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        _set_active(actor, living, active=True, reason=reason, clock=clock)


def _set_active(actor: Actor, user: User, *, active: bool, reason: str, clock: Clock) -> None:
    if user.is_active == active:
        return
    moment = take(1, clock)
    user.is_active = active
    user.save(update_fields=["is_active"])
    kind = Fact.USER_ENABLED if active else Fact.USER_DISABLED
    detail = {"user": user.username, "reason": reason} if reason else {"user": user.username}
    record(moment, actor, [Entry(kind, detail=detail)])
    bump_access()


def find_user(name: str) -> User:
    """The account with this name, whatever its case; raises MISSING."""
    user = User.objects.filter(username_key=name.lower()).first()
    if user is None:
        raise refuse(Kind.MISSING, "user-missing", f"There is no user {name!r} here.", "username")
    return user


def has_administrator() -> bool:
    """Whether somebody may administer this server."""
    return User.objects.filter(is_admin=True, is_active=True).exists()


def offer_first_administrator(clock: Clock) -> str | None:
    """Make the secret by which one signed-in person becomes the first administrator; None when there is one.

    An earlier secret that was not used ends.
    """
    with write():
        if has_administrator():
            return None
        secret = secrets.token_urlsafe(32)
        _end_claims(clock)
        Claim.objects.create(digest=_digest(secret), created_at=clock())
    return secret


def claim_first_administrator(actor: Actor, secret: str, user: User, *, clock: Clock) -> User:
    """Make `user` the first administrator by the secret; a second use, or a server with one, is GONE."""
    with write():
        claim = Claim.objects.select_for_update(no_key=True).filter(digest=_digest(secret.strip())).first()
        if claim is None:
            raise refuse(Kind.MISSING, "claim-unknown", "This claim link is not one of this server; see its terminal.")
        if claim.ended_at is not None or has_administrator():
            raise claimed()
        person = User.objects.select_for_update(no_key=True).get(pk=user.pk, is_active=True)
        _end_claims(clock)
        moment = take(1, clock)
        person.is_admin = True
        person.save(update_fields=["is_admin"])
        record(moment, actor, [Entry(Fact.ADMIN_CLAIMED, detail={"user": person.username})])
        bump_access()
    return person


def claimed() -> PackhouseError:
    """The refusal of a claim link that has done its work."""
    sentence = "This claim link was used or replaced; `packhouse user create --admin` makes another administrator."
    return refuse(Kind.GONE, "claim-used", sentence)


def claim_is_open(secret: str) -> bool:
    """Whether the secret still makes an administrator."""
    return Claim.objects.filter(digest=_digest(secret.strip()), ended_at=None).exists() and not has_administrator()


def _end_claims(clock: Clock) -> None:
    Claim.objects.filter(ended_at=None).update(ended_at=clock())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
