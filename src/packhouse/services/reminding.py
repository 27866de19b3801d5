# SPDX-License-Identifier: Apache-2.0
"""Reminders of tokens that end soon: a week before, and once more the day before."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from packhouse.catalogue.activity.models import TokenReminder
from packhouse.catalogue.models import Token, User
from packhouse.services import mailing
from packhouse.services.notices import RUNNERS, TOKENS
from packhouse.services.resources import Resources

BEFORE = (timedelta(days=7), timedelta(days=1))
"""How long before its end somebody is reminded; not of a token made for less than twice that."""
SPOKEN = timedelta(days=14)
"""Reminders are remembered for so long after they were sent: longer than any is due."""


def remind(resources: Resources) -> int:
    """Write to everybody with tokens that end soon, one mail each; returns how many tokens were named.

    Raises UnreachableError without a mail server; then all are written to again.
    """
    now = resources.clock()
    TokenReminder.objects.filter(at__lt=now - SPOKEN).delete()
    ending = Token.objects.filter(deleted_at=None, expires_at__gt=now, expires_at__lte=now + BEFORE[0])
    rows = list(ending.select_related("user", "organization").order_by("expires_at", "pk"))
    sent = dict(TokenReminder.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", "step"))
    due: dict[User, list[Token]] = defaultdict(list)
    for row in rows:
        if _step(row, now) > sent.get(row.pk, 0):
            for person in _concerned(row):
                due[person].append(row)
    for person, tokens in due.items():
        if not person.is_active:
            continue
        mailing.send(resources.settings, [person], _subject(tokens), _text(resources, tokens))
    named = {row for tokens in due.values() for row in tokens}
    for row in named:
        TokenReminder.objects.update_or_create(pk=row.pk, defaults={"step": _step(row, now), "at": now})
    return len(named)


def _concerned(token: Token) -> list[User]:
    """Whose token it is: a person's own, or an organization's, which several may run."""
    if token.organization_id is None:
        return [token.user]
    return list(User.objects.filter(memberships__organization_id=token.organization_id, memberships__role__in=RUNNERS))


def _step(token: Token, now: datetime) -> int:
    """Which reminder is due: 0 for none, 1 for the week's, 2 for the day's."""
    if token.expires_at is None:  # the query leaves these out
        return 0
    left, life = token.expires_at - now, token.expires_at - token.created_at
    return max((step for step, before in enumerate(BEFORE, 1) if left <= before and life >= 2 * before), default=0)


def _subject(tokens: list[Token]) -> str:
    first = tokens[0]
    if len(tokens) > 1:
        return f"{len(tokens)} API tokens end soon"
    if first.organization is None:
        return f"Your API token {first.name!r} ends soon"
    return f"The API token {first.name!r} of {first.organization} ends soon"


def _text(resources: Resources, tokens: list[Token]) -> str:
    lines = [
        f"- {row.name!r}{f' of {row.organization}' if row.organization else ''} ({row.hint}...)"
        f" on {row.expires_at:%d %B %Y, %H:%M} UTC"
        for row in tokens
    ]
    return "\n".join(
        [
            "These API tokens end soon; whatever uses them is refused after that:",
            "",
            *lines,
            "",
            "Make others in time, and give them to the programs that use these:",
            "",
            *(mailing.link(resources.settings, page) for page in _pages(tokens)),
        ]
    )


def _pages(tokens: list[Token]) -> list[str]:
    """Where others are made: one's own page, and those of organizations."""
    found = {f"/manage/organization/{row.organization.name}/tokens/" if row.organization else TOKENS for row in tokens}
    return sorted(found)
