# SPDX-License-Identifier: Apache-2.0
"""What is offered and waits for an answer: a role in a project, membership in an organization, a project itself.

An offer is open until it is answered, withdrawn or runs out; of one kind, one at a time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from django.db.models import QuerySet

from packhouse.catalogue.models import Invitation, OrganizationInvitation, Transfer, User
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.journal import Clock

VALID = timedelta(days=30)
"""How long an invitation waits."""
OPEN = "open"

Invited = TypeVar("Invited", Invitation, OrganizationInvitation)
Offer = TypeVar("Offer", Invitation, OrganizationInvitation, Transfer)


def living(rows: QuerySet[Offer], clock: Clock) -> QuerySet[Offer]:
    """Those of these offers that can be answered."""
    return rows.filter(state=OPEN, expires_at__gt=clock())


def expire(rows: QuerySet[Any], clock: Clock) -> None:
    """Mark the offers that have run out, so that another may take their place."""
    rows.filter(state=OPEN, expires_at__lte=clock()).update(state="expired")


def demand_invitable(user: User, rows: QuerySet[Any], held: PackhouseError | None, field: str, clock: Clock) -> None:
    """Raise CONFLICT for somebody whose account is shut, who has it already (`held`), or is invited.

    `rows`: the invitations to the thing in question.
    """
    expire(rows, clock)
    if not user.is_active:
        message = f"The account {user.username!r} is disabled; invite another."
        raise refuse(Kind.CONFLICT, "user-disabled", message, field)
    if held is not None:
        raise held
    if rows.filter(user=user, state=OPEN).exists():
        message = f"{user.username!r} is invited already; wait for the answer or withdraw it."
        raise refuse(Kind.CONFLICT, "invitation-open", message, field)


def open_invitation(rows: QuerySet[Invited], clock: Clock) -> Invited:
    """The one open invitation of these rows, locked; raises MISSING."""
    found = living(rows, clock).select_for_update(of=("self",), no_key=True).select_related("user").first()
    if found is None:
        message = "There is no such open invitation; it was answered, withdrawn or ran out."
        raise refuse(Kind.MISSING, "invitation-missing", message)
    return found


def end(offer: Invitation | OrganizationInvitation | Transfer, how: str) -> None:
    """Close an offer: `accepted`, `declined` or `withdrawn`."""
    offer.state = how
    offer.save(update_fields=["state"])
