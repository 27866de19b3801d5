# SPDX-License-Identifier: Apache-2.0
"""The table of one's API tokens."""

from __future__ import annotations

from datetime import datetime
from math import inf

from packhouse.catalogue.activity.models import TokenUse
from packhouse.catalogue.models import Token
from packhouse.web.tables import Choice, Column, Row, Table


def _end(row: Row) -> float:
    return row["ends"].timestamp() if row["ends"] else inf


def _last_use(row: Row) -> float:
    return row["used"].timestamp() if row["used"] else 0.0


TOKENS = Table(
    "tokens",
    (
        Column("name", lambda row: row["name"].lower()),
        Column("begins"),
        Column("projects"),
        Column("indexes"),
        Column("allows"),
        Column("only_from"),
        Column("made"),
        Column("used", _last_use),
        Column("used_from"),
        Column("ends", _end),
        Column("expired"),
    ),
    (
        Choice("living", "In force", lambda row: not row["expired"]),
        Choice("expired", "Ended", lambda row: row["expired"]),
        Choice("unused", "Never used", lambda row: row["used"] is None),
    ),
)
"""`projects`: empty for the entire account. Nothing in it opens anything."""


def token_row(token: Token, use: TokenUse | None, moment: datetime) -> Row:
    """A token as tables show it, at a moment."""
    return {
        "token": token,
        "use": use,
        "name": token.name,
        "begins": token.hint,
        "projects": [*(f"@{name}" for name in token.organizations), *token.projects],
        "indexes": list(token.indexes),
        "allows": list(token.scopes),
        "only_from": list(token.networks),
        "made": token.created_at,
        "used": use.used_at if use else None,
        "used_from": use.address if use else "",
        "ends": token.expires_at,
        "old_until": token.old_until if token.old_until and token.old_until > moment else None,
        "expired": token.expires_at is not None and token.expires_at <= moment,
    }
