# SPDX-License-Identifier: Apache-2.0
"""The management API on tokens: the one that asks, and those of its owner that may do no more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from packhouse.catalogue.activity.models import TokenUse
from packhouse.catalogue.models import Token
from packhouse.domain.permissions import TOKEN_ACTIONS, Action
from packhouse.errors import Kind, refuse
from packhouse.services import delegating, tokens
from packhouse.web import resources
from packhouse.web.api.operations import Asked, Field, Operation, Takes
from packhouse.web.api.shapes import MOMENT, NUMBER, TEXT, many, perhaps, thing

_TOKEN = {
    "id": NUMBER,
    "name": TEXT,
    "begins": TEXT,
    "owner": TEXT,
    "scopes": many(TEXT),
    "indexes": many(TEXT),
    "projects": many(TEXT),
    "networks": many(TEXT),
    "created": MOMENT,
    "expires": perhaps(MOMENT),
    "used": perhaps(MOMENT),
    "used_from": TEXT,
    "made_by": perhaps(NUMBER),
}
TOKEN = thing(**_TOKEN)
TOKENS = thing(tokens=many(TOKEN))
SECRET = thing(**_TOKEN, token=TEXT)
ENDED = thing(ended=NUMBER)
LONGEST_HOURS = int(tokens.LONGEST_GRACE / timedelta(hours=1))


def show_itself(asked: Asked) -> object:
    """The token that asks."""
    return _told([delegating.itself(asked.identity)])[0]


def end_itself(asked: Asked) -> object:
    """End the token that asks."""
    return {"ended": delegating.end_itself(asked.identity, clock=resources.get().clock).pk}


def show_all(asked: Asked) -> object:
    """Every token of the same owner that may do no more than the one that asks."""
    return {"tokens": _told(delegating.list_tokens(asked.identity))}


def create(asked: Asked) -> object:
    """Make one, and show its secret this once."""
    said = asked.body
    made, secret = delegating.create(
        asked.identity,
        asked.text("name"),
        said.get("scopes") or tokens.DEFAULT_SCOPES,
        said.get("indexes") or (),
        said.get("projects") or (),
        said.get("expires"),
        networks=said.get("networks") or (),
        clock=resources.get().clock,
    )
    return _told([made])[0] | {"token": secret}


def end(asked: Asked, token: int) -> object:
    """End one of them."""
    return {"ended": delegating.end(asked.identity, token, clock=resources.get().clock).pk}


def rotate(asked: Asked, token: int) -> object:
    """Give one of them a new secret, and show it this once."""
    hours = asked.body.get("grace_hours", int(tokens.GRACE / timedelta(hours=1)))
    if hours > LONGEST_HOURS:
        message = f"The field grace_hours is {hours}, expected at most {LONGEST_HOURS}; choose less."
        raise refuse(Kind.INVALID, "token-grace-invalid", message, "grace_hours")
    made, secret = delegating.rotate(asked.identity, token, timedelta(hours=hours), clock=resources.get().clock)
    return _told([made])[0] | {"token": secret}


def _told(rows: list[Token]) -> list[dict[str, Any]]:
    used = TokenUse.objects.in_bulk([row.pk for row in rows])
    return [_one(row, used.get(row.pk)) for row in rows]


def _one(row: Token, use: TokenUse | None) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "begins": row.hint,
        "owner": row.organization.name if row.organization else row.user.username,
        "scopes": row.scopes,
        "indexes": row.indexes,
        "projects": [*(f"{tokens.ALL_OF}{name}" for name in row.organizations), *row.projects],
        "networks": row.networks,
        "created": row.created_at,
        "expires": row.expires_at,
        "used": use.used_at if use else None,
        "used_from": use.address if use else "",
        "made_by": row.made_by_id,
    }


_NEW = (
    Field("name", "What it is called; no other living token of the owner may be called so.", required=True),
    Field("scopes", f"Of {', '.join(TOKEN_ACTIONS)}; without them upload and read.", Takes.TEXTS),
    Field("indexes", "The only indexes it is for.", Takes.TEXTS),
    Field("projects", "The only projects it is for; @NAME for all of an organization's.", Takes.TEXTS),
    Field("networks", "The only addresses or networks it is good from.", Takes.TEXTS),
    Field("expires", "When it ends.", Takes.MOMENT),
)
_ROTATION = (Field("grace_hours", "Hours for which the old secret is good yet; 24 unless said.", Takes.NUMBER),)

OPERATIONS = (
    Operation("GET", "token", Action.ITSELF, show_itself, "The token that asks.", TOKEN),
    Operation("DELETE", "token", Action.ITSELF, end_itself, "End the token that asks.", ENDED, always=True),
    Operation("GET", "tokens", Action.TOKENS, show_all, "The owner's tokens that may do no more than it.", TOKENS),
    Operation("POST", "tokens", Action.TOKENS, create, "Make a token that may do no more than it.", SECRET, _NEW),
    Operation("DELETE", "tokens/<int:token>", Action.TOKENS, end, "End one of them.", ENDED, always=True),
    Operation(
        "POST", "tokens/<int:token>/rotation", Action.TOKENS, rotate, "Give one a new secret.", SECRET, _ROTATION
    ),
)
