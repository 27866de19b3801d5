# SPDX-License-Identifier: Apache-2.0
"""Who asks, and what they are to an index or a project: facts for `domain.permissions.may`.

A token is `pkh_`, a kind letter, 32 random characters (190 bits) and 6 characters of CRC-32, all base 62. The
checksum spares the database what cannot be a token; only the sha256 of a whole token is kept.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
import secrets
import string
import threading
import zlib
from dataclasses import replace
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import DatabaseError

from packhouse.catalogue import credentials
from packhouse.catalogue.activity.models import TokenUse
from packhouse.catalogue.credentials import TokenFacts
from packhouse.catalogue.models import Index, Membership, Organization, Placement, User
from packhouse.catalogue.rows import fetch_one
from packhouse.catalogue.standing import GRANTED, ROLE, granted_values, role_of, role_values
from packhouse.catalogue.upload_facts import is_staging
from packhouse.domain.networks import is_within
from packhouse.domain.permissions import (
    ANONYMOUS,
    Identity,
    IndexRight,
    OrganizationRight,
    OrganizationRole,
    ProjectRight,
    ReadMode,
    TokenScope,
)
from packhouse.domain.second_factors import Demand, demand_of
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.resources import now as wall_clock

_log = logging.getLogger(__name__)

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 32
CHECKSUM_LENGTH = 6
HINT_LENGTH = 9
"""Characters of a token that are kept to tell tokens apart: the prefix, the kind and 4 of the random ones."""

MAX_HEADER = 4096
MAX_AGENT = 512
NOTE_EVERY = timedelta(minutes=1)

_SHAPE = re.compile(rf"pkh_[a-z][0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}\Z")


def mint(kind: str = "u") -> str:
    """Make a new token string of a kind (`u`: of a user)."""
    start = f"pkh_{kind}" + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return start + checksum(start)


def checksum(start: str) -> str:
    """The six characters that end a token that starts so."""
    number, digits = zlib.crc32(start.encode("ascii")), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def is_token(text: str) -> bool:
    """Whether the text has the shape and the checksum of a token of ours."""
    return bool(_SHAPE.match(text)) and checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]


def digest_of(token: str) -> str:
    """What is kept of a token (hex sha256)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def authenticate(authorization: str | None, now: datetime, address: str = "") -> Identity:
    """The identity an `Authorization` header speaks for, sent from an address; anonymous when there is none.

    Accepted are `Basic` with the user name `__token__`, `Bearer` and `token`; passwords of accounts never are.
    Raises UNAUTHENTICATED for anything else, naming the token by its first characters when it is one of ours (AU3),
    FORBIDDEN for a token that is for other addresses.
    """
    if authorization is None:
        return ANONYMOUS
    text = _token_in(authorization)
    if not is_token(text):
        raise _unknown()
    token = credentials.by_digest(digest_of(text))
    if token is None:
        raise _unknown()
    _refuse_dead(token, now)
    if token.networks and not is_within(address, token.networks):
        message = (
            f"The token that begins with {token.hint} is good from {', '.join(token.networks)} alone, and this request"
            f" comes from {address or 'an address that is not known'}; use it there, or make another one."
        )
        raise refuse(Kind.FORBIDDEN, "token-address", message)
    return _speaking(token)


_SECOND_FACTORS = ("totp", "webauthn")


def _token_in(authorization: str) -> str:
    """The token string in a header value."""
    if len(authorization) > MAX_HEADER:
        raise _unusable("the header is longer than 4096 characters")
    scheme, _, rest = authorization.strip().partition(" ")
    rest = rest.strip()
    match scheme.lower():
        case "bearer" | "token":
            return rest
        case "basic":
            return _token_of_basic(rest)
        case _:
            raise _unusable("the scheme is none of Basic, Bearer, token")


def _token_of_basic(encoded: str) -> str:
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError) as error:
        raise _unusable("the Basic credentials are not base64 of UTF-8 text") from error
    if not colon:
        raise _unusable("the Basic credentials hold no colon")
    if user.strip() != "__token__":
        raise refuse(
            Kind.UNAUTHENTICATED,
            "password-refused",
            "User names and passwords are not accepted here; use the user name __token__ and an API token as password.",
        )
    return password.strip()


def _unusable(why: str) -> PackhouseError:
    message = f"The credentials can't be read: {why}; send an API token as the password of user __token__."
    return refuse(Kind.UNAUTHENTICATED, "credentials-unreadable", message)


def _unknown() -> PackhouseError:
    message = "The credentials are not a valid API token of this server; make a token on your account's token page."
    return refuse(Kind.UNAUTHENTICATED, "token-unknown", message)


def _refuse_dead(token: TokenFacts, now: datetime) -> None:
    """Raise when a token, or its owner, is no longer what it was."""
    why = code = ""
    if token.deleted:
        code, why = "token-deleted", "was deleted"
    elif token.retires_at is not None and token.retires_at <= now:
        code, why = "token-rotated", f"was replaced by a new secret, at the latest at {_said(token.retires_at)}"
    elif token.expires_at is not None and token.expires_at <= now:
        code, why = "token-expired", f"expired at {_said(token.expires_at)}"
    elif not token.is_active:
        code, why = "account-disabled", "belongs to a disabled account or a deleted organization"
    elif token.guest_until is not None and token.guest_until <= now:
        raise account_ended(token.username, token.guest_until, Kind.UNAUTHENTICATED)
    if code:
        message = f"The token that begins with {token.hint} {why}; make a new one on your account's token page."
        raise refuse(Kind.UNAUTHENTICATED, code, message)


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def account_ended(username: str, until: datetime, kind: Kind = Kind.FORBIDDEN) -> PackhouseError:
    """The refusal of a guest whose time is over."""
    message = f"The guest account {username!r} ended at {_said(until)}; ask an administrator to extend it."
    return refuse(kind, "account-ended", message)


def identity_of_user(user: User) -> Identity:
    """The identity of somebody signed in; anonymous when the account is disabled, or a guest's whose time is over."""
    if not user.is_active or user.has_ended(wall_clock()):
        return ANONYMOUS
    verified = EmailAddress.objects.filter(user=user, primary=True, verified=True).exists()
    second = has_second_factor(user)
    administers = _administers(second, is_admin=user.is_admin)
    return Identity(user.pk, user.username, administers, verified, second, until=user.guest_until)


def has_second_factor(user: User) -> bool:
    """Whether an app or a key is asked for when this person signs in."""
    return bool(Authenticator.objects.filter(user=user, type__in=_SECOND_FACTORS).exists())


def _administers(second: bool, *, is_admin: bool) -> bool:
    """Whether somebody has an administrator's rights, by session or token: not without the second factor demanded."""
    return is_admin and (second or demand_of(settings.PACKHOUSE) is Demand.NOBODY)


def _speaking(token: TokenFacts) -> Identity:
    """The identity a living token speaks for."""
    return Identity(
        user_id=token.user_id if token.organization_id is None else None,
        username=token.username,
        is_admin=_administers(token.two_factor, is_admin=token.is_admin),
        email_verified=token.verified,
        two_factor=token.two_factor,
        token_id=token.token_id,
        scope=TokenScope(token.scopes, token.indexes, token.projects, token.organizations),
        until=min(filter(None, (token.expires_at, token.retires_at, token.guest_until)), default=None),
        local=bool(token.networks),
        organization_id=token.organization_id,
        digest=token.digest,
    )


def still_valid(identity: Identity, now: datetime) -> Identity:
    """The same identity as it is now, read again: for use inside the transaction that acts on it.

    Raises UNAUTHENTICATED when its token or account ended meanwhile.
    """
    if identity.token_id is None:
        user = User.objects.filter(pk=identity.user_id or 0, is_active=True).first()
        if user is None:
            raise _unknown()
        if user.guest_until is not None and user.has_ended(now):
            raise account_ended(user.username, user.guest_until, Kind.UNAUTHENTICATED)
        return replace(
            identity, username=user.username, is_admin=_administers(has_second_factor(user), is_admin=user.is_admin)
        )
    token = credentials.by_digest(identity.digest)
    if token is None:
        raise _unknown()
    _refuse_dead(token, now)
    return _speaking(token)


def index_right(identity: Identity, index_name: str) -> IndexRight:
    """The index as far as rights go; raises MISSING for one that does not exist."""
    index = Index.objects.filter(name=index_name).only("id", "name", "read").first()
    if index is None:
        raise missing_index(index_name)
    return right_on(identity, index)


_GRANTED = f"SELECT {GRANTED} FROM catalogue_index i WHERE i.id = %s"  # noqa: S608 - our own words
_ROLE = f"""
SELECT {ROLE}, COALESCE(o.name, '') FROM catalogue_project p
LEFT JOIN catalogue_organization o ON o.id = p.organization_id
WHERE p.name = %s"""  # noqa: S608 - our own words


def organization_right(identity: Identity, organization: Organization) -> OrganizationRight:
    """The organization as far as rights go."""
    held = Membership.objects.filter(organization=organization, user_id=identity.user_id or 0)
    role = held.values_list("role", flat=True).first()
    return OrganizationRight(organization.name, None if role is None else OrganizationRole(role))


def right_on(identity: Identity, index: Index) -> IndexRight:
    """The same, for a row at hand."""
    mode = ReadMode(index.read)
    granted = False
    if mode is ReadMode.CLOSED and not identity.anonymous:
        granted = bool(fetch_one(_GRANTED, *granted_values(identity), index.pk)[0])
    stages = identity.scope is not None and identity.scope.only_stages and is_staging(index.name)
    return IndexRight(index.name, mode, granted, stages)


def missing_index(name: str) -> PackhouseError:
    """The refusal for an index nobody made."""
    return refuse(Kind.MISSING, "index-unknown", f"There is no index {name!r} here; see the list of indexes.")


def project_right(identity: Identity, name: str) -> ProjectRight:
    """The project as far as rights go; `name` is normalized.

    A deleted project exists for its former owners only: roles stay when a project is deleted.
    """
    row = fetch_one(_ROLE, *role_values(identity), name)
    if row is None:
        return ProjectRight(name, exists=False)
    limited = identity.scope is not None and bool(identity.scope.indexes)
    return ProjectRight(name, True, role_of(row[0]), row[1], _standing(name) if limited else frozenset())


def _standing(project: str) -> frozenset[str]:
    """The names of the indexes in which a project has a file now."""
    rows = Placement.objects.filter(project__name=project, to_serial=None)
    return frozenset(rows.values_list("index__name", flat=True).distinct())


def audience_of(index_name: str) -> str:
    """The audience id of an index, "" when anybody may read it; raises MISSING for an unknown index."""
    audience = Index.objects.filter(name=index_name).values_list("audience", flat=True).first()
    if audience is None:
        raise missing_index(index_name)
    return audience


def index_of_audience(audience: str) -> str | None:
    """The name of the index with this audience id; None for an id that is none (any more)."""
    return Index.objects.filter(audience=audience).values_list("name", flat=True).first() if audience else None


class _Throttle:
    """When each token's use was written last, in memory; forgets all when it grows beyond its bound."""

    BOUND = 10_000

    def __init__(self) -> None:
        self._noted: dict[int, datetime] = {}
        self._lock = threading.Lock()

    def due(self, token_id: int, now: datetime) -> bool:
        """Whether it is time to write again; counts as written when so."""
        with self._lock:
            last = self._noted.get(token_id)
            if last is not None and timedelta() <= now - last < NOTE_EVERY:
                return False
            if len(self._noted) >= self.BOUND:
                self._noted.clear()
            self._noted[token_id] = now
            return True


_throttle = _Throttle()


def note_use(identity: Identity, address: str, agent: str, now: datetime) -> None:
    """Remember when and from where a token was used: at most once a minute for each token and process."""
    if identity.token_id is None or not _throttle.due(identity.token_id, now):
        return
    mark = {"used_at": now, "address": address[:64], "agent": agent[:MAX_AGENT]}
    try:
        TokenUse.objects.update_or_create(token_id=identity.token_id, defaults=mark)
    except DatabaseError as error:  # what the token did is done and answered; a mark may be lost
        _log.warning("use of token %s not noted: %s", identity.token_id, error)
