# SPDX-License-Identifier: Apache-2.0
"""Who is named as a reader of a closed index: people, organizations, teams and single tokens, and how they are spelled.

`alice` is a person, `acme` all members and tokens of an organization, `acme/core` a team, `token:12` a token.
"""

from __future__ import annotations

from packhouse.catalogue.models import IndexGrant, Organization, Team, Token, User
from packhouse.errors import Kind, refuse
from packhouse.services.organizations import find_organization
from packhouse.services.people import find_user
from packhouse.services.teams import find_team

Reader = User | Organization | Team | Token
TOKEN = "token:"


def find_reader(text: str) -> Reader:
    """The reader that is spelled so; raises MISSING."""
    name = text.strip()
    if name.startswith(TOKEN):
        return _token(name.removeprefix(TOKEN))
    organization, slash, team = name.partition("/")
    if slash:
        return find_team(find_organization(organization), team)
    found = Organization.objects.filter(name_key=name.lower(), deleted_at=None).first()
    return find_user(name) if found is None else found


def _token(number: str) -> Token:
    known = number.isascii() and number.isdecimal() and len(number) < 19
    found = Token.objects.filter(pk=int(number), deleted_at=None).first() if known else None
    if found is None:
        message = f"There is no living token with the id {number[:20]!r}; see `packhouse token list`."
        raise refuse(Kind.MISSING, "token-missing", message, "reader")
    return found


def spelled(reader: Reader) -> str:
    """The reader as it is typed."""
    match reader:
        case User():
            return reader.username
        case Team():
            return f"{reader.organization.name}/{reader.name}"
        case Token():
            return f"{TOKEN}{reader.pk}"
    return reader.name


def kind_of(reader: Reader) -> str:
    """The column of a grant that names it."""
    return type(reader).__name__.lower()


def readers_of(index: str) -> list[str]:
    """Those named as readers of an index as they are typed: people first, each kind by name.

    A token that has ended is left out.
    """
    rows = IndexGrant.objects.filter(index__name=index).select_related("user", "organization", "team__organization")
    named = [row.user or row.organization or row.team for row in rows if row.token_id is None]
    kinds = (User, Organization, Team)
    told = sorted((kinds.index(type(one)), spelled(one)) for one in named if one is not None)
    living = IndexGrant.objects.filter(index__name=index, token__deleted_at=None, token__isnull=False)
    tokens = living.order_by("token_id").values_list("token_id", flat=True)
    return [*(name for _, name in told), *(f"{TOKEN}{pk}" for pk in tokens)]
