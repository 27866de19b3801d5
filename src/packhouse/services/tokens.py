# SPDX-License-Identifier: Apache-2.0
"""API tokens: making, rotating, finding and deleting them. What a token may do is judged in `domain.permissions`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from packhouse.catalogue.models import Index, Organization, Token, User
from packhouse.domain.names import check_name, normalize
from packhouse.domain.networks import read_networks
from packhouse.domain.permissions import TOKEN_ACTIONS
from packhouse.errors import Kind, refuse
from packhouse.services.access import HINT_LENGTH, account_ended, digest_of, is_token, mint
from packhouse.services.journal import COMMAND, Actor, Clock, Entry, Fact, bump_access, record, take, write

DEFAULT_SCOPES = ("upload", "read")
MAX_NAME = 100
MAX_TOKENS = 1000
"""Living tokens of one person."""
SHORTEST_PREFIX = 6
"""Characters by which a token may be found."""
ALL_OF = "@"
"""Before the name of an organization: all of its projects."""
GRACE = timedelta(days=1)
"""How long the secret before a rotation is good when nothing else is said: programs get the new one meanwhile."""
LONGEST_GRACE = timedelta(days=30)


def create_token(  # noqa: PLR0913 - what a token is made of
    actor: Actor,
    user: User,
    name: str,
    scopes: Iterable[str] = DEFAULT_SCOPES,
    indexes: Iterable[str] = (),
    projects: Iterable[str] = (),
    expires_at: datetime | None = None,
    *,
    networks: Iterable[str] = (),
    of: Organization | None = None,
    made_by: Token | None = None,
    clock: Clock,
) -> tuple[Token, str]:
    """Make a token for `user`; returns its row and the token itself, which is not kept.

    `projects` may name an organization (`@acme`), for all of its projects. Empty `indexes` or `projects` mean all the
    person may use, empty `networks` any address. `of`: the token belongs to this organization, and `user` makes it.
    `made_by`: the token that makes it, with which it ends.
    Raises FORBIDDEN for somebody else's account, INVALID for a name, scope, index, project, expiry or network that
    makes no sense, CONFLICT for a name in use.
    """
    _demand_person(actor, user.pk)
    label, secret, wanted = _label(name), mint("u" if of is None else "o"), list(projects)
    with write():
        owner = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        _demand_room(owner, label, of, clock())
        token = Token(
            user=owner,
            organization=of,
            made_by=made_by,
            name=label,
            digest=digest_of(secret),
            hint=secret[:HINT_LENGTH],
            scopes=_scopes(scopes),
            indexes=_indexes(indexes),
            projects=_projects(name for name in wanted if not name.startswith(ALL_OF)),
            organizations=_organizations((name[1:] for name in wanted if name.startswith(ALL_OF)), owner),
            networks=read_networks(networks),
            expires_at=_expiry(expires_at, clock()),
        )
        moment = take(1, clock)
        token.created_at = moment.at
        token.save()
        record(moment, actor, [_entry(Fact.TOKEN_CREATED, token)])
        bump_access()
    return token, secret


def rotate_token(actor: Actor, token: Token, grace: timedelta = GRACE, *, clock: Clock) -> tuple[Token, str]:
    """Give a token a new secret; returns its row and the secret. The one before is good for `grace` more.

    Whatever else is known of the token stays. One that had a rotation under way loses the secret before that at once.
    Raises MISSING for a token that was deleted, INVALID for a grace below nothing or too long.
    """
    _demand_own(actor, token)
    if not timedelta() <= grace <= LONGEST_GRACE:
        message = f"The old secret is to be good for {grace}, expected at most {LONGEST_GRACE.days} days; choose less."
        raise refuse(Kind.INVALID, "token-grace-invalid", message, "grace")
    secret = mint("u" if token.organization_id is None else "o")
    with write():
        living = _locked(Token.objects.filter(pk=token.pk))
        if not living:
            raise refuse(Kind.MISSING, "token-missing", "This token was deleted; make another one.")
        row, moment = living[0], take(1, clock)
        row.old_digest, row.old_hint, row.old_until = row.digest, row.hint, moment.at + grace
        row.digest, row.hint, row.rotated_at = digest_of(secret), secret[:HINT_LENGTH], moment.at
        row.save(update_fields=["digest", "hint", "rotated_at", "old_digest", "old_hint", "old_until"])
        detail = {"old_hint": row.old_hint, "old_until": row.old_until.isoformat()}
        record(moment, actor, [_entry(Fact.TOKEN_ROTATED, row, **detail)])
        bump_access()
    return row, secret


def delete_token(actor: Actor, token: Token, *, clock: Clock) -> None:
    """End a token at once; deleting one that is deleted already changes nothing."""
    _demand_own(actor, token)
    with write():
        end_tokens(actor, Token.objects.filter(pk=token.pk), clock=clock)


def delete_tokens_of(actor: Actor, user: User, *, clock: Clock) -> int:
    """End every token of a person at once; returns how many there were."""
    _demand_person(actor, user.pk)
    with write():
        return end_tokens(actor, Token.objects.filter(user=user, organization=None), clock=clock)


def delete_every_token(actor: Actor, *, clock: Clock) -> int:
    """End every token of everybody at once, as after a breach; returns how many there were. For a command alone."""
    if actor is not COMMAND:
        raise refuse(Kind.FORBIDDEN, "actor-unknown", "Only a command ends everybody's tokens.")
    with write():
        return end_tokens(actor, Token.objects.all(), clock=clock)


def end_tokens(actor: Actor, tokens: QuerySet[Token], *, clock: Clock, **detail: str) -> int:
    """End those of these tokens that live, and those they made, in a transaction under way; returns how many.

    An entry each, with `detail`.
    """
    living = _with_those_made(_locked(tokens))
    if living:
        moment = take(len(living), clock)
        Token.objects.filter(pk__in=[row.pk for row in living]).update(deleted_at=moment.at)
        record(moment, actor, [_entry(Fact.TOKEN_DELETED, row, **detail) for row in living])
        bump_access()
    return len(living)


def _with_those_made(ending: list[Token]) -> list[Token]:
    """These, and the living ones they made, and so on."""
    found = {row.pk: row for row in ending}
    while ending:
        ending = [row for row in _locked(Token.objects.filter(made_by__in=ending)) if row.pk not in found]
        found |= {row.pk: row for row in ending}
    return list(found.values())


def _locked(tokens: QuerySet[Token]) -> list[Token]:
    """The living ones, held in one order, so that nobody waits in a ring."""
    rows = (
        tokens.filter(deleted_at=None)
        .select_for_update(of=("self",), no_key=True)
        .select_related("user", "organization")
    )
    return list(rows.order_by("pk"))


def find_token(text: str) -> Token:
    """The one living token with this id, whose first characters these are, or that is this.

    Raises MISSING when there is none, CONFLICT when several begin so.
    """
    text = text.strip()
    living = Token.objects.select_related("user").filter(deleted_at=None)
    if text.isdecimal() and text.isascii():
        found = list(living.filter(pk=int(text[:18])))
    elif is_token(text):
        digest = digest_of(text)
        found = list(living.filter(Q(digest=digest) | Q(old_digest=digest)))
    else:
        found = _beginning(text[:HINT_LENGTH])
    if not found:
        raise refuse(
            Kind.MISSING, "token-missing", "No living token has this id or begins so; list them and try again."
        )
    if len(found) > 1:
        raise refuse(Kind.CONFLICT, "token-ambiguous", "Several tokens begin so; give the id or the whole token.")
    return found[0]


def _beginning(start: str) -> list[Token]:
    """Living tokens that begin so; the case counts, also where the database's LIKE ignores it."""
    if len(start) < SHORTEST_PREFIX:
        return []
    rows = Token.objects.select_related("user").filter(deleted_at=None, hint__startswith=start)
    return [token for token in rows if token.hint.startswith(start)][:2]


def tokens_of(user: User) -> list[Token]:
    """The living tokens of a person, newest first, expired ones included."""
    rows = Token.objects.filter(user=user, organization=None, deleted_at=None).select_related("made_by")
    return list(rows.order_by("-created_at", "-pk"))


def tokens_of_organization(of: Organization) -> list[Token]:
    """The living tokens of an organization, newest first, expired ones included."""
    rows = Token.objects.filter(organization=of, deleted_at=None).select_related("user", "made_by")
    return list(rows.order_by("-created_at", "-pk"))


def _demand_own(actor: Actor, token: Token) -> None:
    """Raise FORBIDDEN for a token of another; of an organization's its own service has judged who asks."""
    if token.organization_id is None:
        _demand_person(actor, token.user_id)


def _demand_person(actor: Actor, user_id: int) -> None:
    if actor.user_id is not None and actor.user_id != user_id:
        raise refuse(Kind.FORBIDDEN, "token-of-another", "Tokens are made and deleted by their owner; sign in as them.")


def _label(name: str) -> str:
    label = " ".join(name.split())
    if not label or len(label) > MAX_NAME or not label.isprintable():
        message = f"The token's name has {len(label)} characters, expected 1 to {MAX_NAME} printable ones; change it."
        raise refuse(Kind.INVALID, "token-name-invalid", message, "name")
    return label


def _demand_room(owner: User, label: str, of: Organization | None, now: datetime) -> None:
    """Judge the owner inside the transaction: active, the name free, not too many."""
    if not owner.is_active:
        message = f"The account {owner.username!r} is disabled, so no token is made for it."
        raise refuse(Kind.FORBIDDEN, "account-disabled", message)
    if owner.guest_until is not None and owner.has_ended(now):
        raise account_ended(owner.username, owner.guest_until)
    mine = {"user": owner, "organization": None} if of is None else {"organization": of}
    living = Token.objects.filter(**mine, deleted_at=None)
    if living.filter(name=label).exists():
        message = f"There is a token named {label!r} already; choose another name or delete that one."
        raise refuse(Kind.CONFLICT, "token-name-taken", message, "name")
    if living.count() >= MAX_TOKENS:
        message = f"There are {MAX_TOKENS} tokens, which is the most; delete one first."
        raise refuse(Kind.CONFLICT, "tokens-too-many", message)


def _scopes(scopes: Iterable[str]) -> list[str]:
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in TOKEN_ACTIONS]
    if unknown or not wanted:
        found = ", ".join(unknown) or "nothing"
        message = f"The scope is {found!r}, expected some of {', '.join(TOKEN_ACTIONS)}; choose from these."
        raise refuse(Kind.INVALID, "token-scope-invalid", message, "scope")
    return wanted


def _indexes(names: Iterable[str]) -> list[str]:
    wanted = sorted(set(names))
    known = set(Index.objects.filter(name__in=wanted).values_list("name", flat=True))
    for name in wanted:
        if name not in known:
            raise refuse(Kind.INVALID, "index-unknown", f"There is no index {name!r} here; see the list.", "index")
    return wanted


def _organizations(names: Iterable[str], owner: User) -> list[str]:
    """The names as organizations of this person spell them."""
    keys = {name.lower() for name in names}
    known = Organization.objects.filter(name_key__in=keys, memberships__user=owner, deleted_at=None)
    found = {row.name_key: row.name for row in known}
    for key in sorted(keys):
        if key not in found:
            message = f"You are in no organization {key[:60]!r}; see the list of yours."
            raise refuse(Kind.INVALID, "organization-unknown", message, "organization")
    return sorted(found.values())


def _projects(names: Iterable[str]) -> list[str]:
    wanted = set()
    for name in names:
        check_name(name)
        wanted.add(normalize(name))
    return sorted(wanted)


def _expiry(at: datetime | None, now: datetime) -> datetime | None:
    if at is not None and at <= now:
        raise refuse(
            Kind.INVALID, "token-expiry-past", f"The expiry {at:%Y-%m-%d %H:%M} is past; choose a later one.", "expires"
        )
    return at


def _entry(kind: Fact, token: Token, **more: str) -> Entry:
    detail = {
        "token": token.pk,
        "name": token.name,
        "hint": token.hint,
        "user": token.user.username,
        "organization": "" if token.organization is None else token.organization.name,
        "scopes": token.scopes,
        "indexes": token.indexes,
        "projects": token.projects,
        "organizations": token.organizations,
        "networks": token.networks,
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        **({} if token.made_by is None else {"made_by": token.made_by.hint}),
        **more,
    }
    return Entry(kind, detail=detail)
