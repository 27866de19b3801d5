# SPDX-License-Identifier: Apache-2.0
"""What is known of a token and its owner, in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from packhouse.catalogue.rows import fetch_one, moment_out, read_json


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """A token and its owner now; `verified` and `two_factor` are about the owner."""

    token_id: int
    hint: str
    scopes: frozenset[str]
    indexes: frozenset[str]
    projects: frozenset[str]
    expires_at: datetime | None
    deleted: bool
    user_id: int
    username: str
    is_admin: bool
    is_active: bool
    verified: bool
    two_factor: bool


_SELECT = """
SELECT t.id, t.hint, t.scopes, t.indexes, t.projects, t.expires_at, t.deleted_at IS NOT NULL,
       u.id, u.username, u.is_admin, u.is_active,
       EXISTS (SELECT 1 FROM account_emailaddress e WHERE e.user_id = u.id AND e."primary" AND e.verified),
       EXISTS (SELECT 1 FROM mfa_authenticator a WHERE a.user_id = u.id AND a.type IN ('totp', 'webauthn'))
FROM catalogue_token t JOIN catalogue_user u ON u.id = t.user_id
"""


def by_digest(digest: str) -> TokenFacts | None:
    """The token with this sha256, dead or alive."""
    return _facts(fetch_one(_SELECT + "WHERE t.digest = %s", digest))


def by_id(token_id: int) -> TokenFacts | None:
    """The token with this id, dead or alive."""
    return _facts(fetch_one(_SELECT + "WHERE t.id = %s", token_id))


def _facts(row: Any) -> TokenFacts | None:
    if row is None:
        return None
    token_id, hint, scopes, indexes, projects, expires_at, deleted, user_id, username, *flags = row
    return TokenFacts(
        token_id,
        hint,
        frozenset(read_json(scopes)),
        frozenset(read_json(indexes)),
        frozenset(read_json(projects)),
        None if expires_at is None else moment_out(expires_at),
        bool(deleted),
        user_id,
        username,
        *(bool(flag) for flag in flags),
    )
