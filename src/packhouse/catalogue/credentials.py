# SPDX-License-Identifier: Apache-2.0
"""What is known of a token and its owner, in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from packhouse.catalogue.rows import fetch_one, moment_out, read_json


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """A token and its owner now; `verified`, `two_factor` and `guest_until` are about the owner, or who made it.

    Of a token that belongs to an organization `username` is that one's name, `is_active` says whether it lives, and
    `guest_until` is None.

    `retires_at` is set where it was found by the secret of before its rotation, which ends then. `digest` is that of
    the secret it was found by.
    """

    token_id: int
    hint: str
    scopes: frozenset[str]
    indexes: frozenset[str]
    projects: frozenset[str]
    organizations: frozenset[str]
    networks: tuple[str, ...]
    digest: str
    retires_at: datetime | None
    expires_at: datetime | None
    deleted: bool
    user_id: int
    username: str
    organization_id: int | None
    is_admin: bool
    is_active: bool
    verified: bool
    two_factor: bool
    guest_until: datetime | None


_SELECT = """
SELECT t.id, t.hint, t.scopes, t.indexes, t.projects, t.organizations, t.networks,
       t.digest, t.old_digest, t.old_hint, t.old_until, t.expires_at,
       CASE WHEN o.id IS NULL THEN u.guest_until END, t.deleted_at IS NOT NULL,
       u.id, COALESCE(o.name, u.username), t.organization_id, u.is_admin AND o.id IS NULL,
       CASE WHEN o.id IS NULL THEN u.is_active ELSE o.deleted_at IS NULL END,
       EXISTS (SELECT 1 FROM account_emailaddress e WHERE e.user_id = u.id AND e."primary" AND e.verified),
       EXISTS (SELECT 1 FROM mfa_authenticator a WHERE a.user_id = u.id AND a.type IN ('totp', 'webauthn'))
FROM catalogue_token t JOIN catalogue_user u ON u.id = t.user_id
LEFT JOIN catalogue_organization o ON o.id = t.organization_id
"""


def by_digest(digest: str) -> TokenFacts | None:
    """The token with a secret of this sha256, its own or the one before its last rotation; dead or alive."""
    row = fetch_one(_SELECT + "WHERE t.digest = %s OR t.old_digest = %s", digest, digest)
    if row is None:
        return None
    token_id, hint, scopes, indexes, projects, organizations, networks, *rest = row
    own, old, old_hint, old_until, expires_at, guest_until, deleted, *rest = rest
    user_id, username, organization_id, *flags = rest
    is_admin, is_active, verified, two_factor = (bool(flag) for flag in flags)
    retired = own != digest and old == digest
    return TokenFacts(
        token_id=token_id,
        hint=old_hint if retired else hint,
        scopes=frozenset(read_json(scopes)),
        indexes=frozenset(read_json(indexes)),
        projects=frozenset(read_json(projects)),
        organizations=frozenset(read_json(organizations)),
        networks=tuple(read_json(networks)),
        digest=digest,
        retires_at=moment_out(old_until) if retired else None,
        expires_at=None if expires_at is None else moment_out(expires_at),
        deleted=bool(deleted),
        user_id=user_id,
        username=username,
        organization_id=organization_id,
        is_admin=is_admin,
        is_active=is_active,
        verified=verified,
        two_factor=two_factor,
        guest_until=None if guest_until is None else moment_out(guest_until),
    )
