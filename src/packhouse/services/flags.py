# SPDX-License-Identifier: Apache-2.0
"""Switches of the whole server, thrown by administrators: read-only, no new projects, no new accounts."""

from __future__ import annotations

from packhouse.catalogue.models import Flag
from packhouse.domain.permissions import Identity
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.administering import as_administrator
from packhouse.services.choices import read_reason
from packhouse.services.journal import Actor, Clock, Entry, Fact, record, take

READ_ONLY, NO_NEW_PROJECTS, NO_NEW_USERS = "read-only", "no-new-projects", "no-new-users"
ABOUT = {
    READ_ONLY: "Nothing is published or changed, but by administrators. Installing, reading and signing in go on.",
    NO_NEW_PROJECTS: "Projects that are there take releases; no new ones begin.",
    NO_NEW_USERS: "Nobody registers, not by an invitation either. Administrators make accounts by command.",
}


def set_flag(asker: Identity | Actor, name: str, reason: str, *, on: bool, clock: Clock) -> bool:
    """Throw a switch, from the commit on; False when it stood so already. The reason is shown to whom it stops."""
    if name not in ABOUT:
        raise refuse(Kind.INVALID, "flag-unknown", f"There is no flag {name[:30]!r}; they are {', '.join(ABOUT)}.")
    why = read_reason(reason)

    def act(actor: Actor) -> bool:
        found = Flag.objects.filter(name=name).first()
        if (found is not None) == on and (found is None or found.reason == why):
            return False
        moment = take(1, clock)
        if on:
            Flag.objects.update_or_create(name=name, defaults={"reason": why, "since": moment.at})
        else:
            Flag.objects.filter(name=name).delete()
        record(moment, actor, [Entry(Fact.FLAG_SET, detail={"flag": name, "on": on, "reason": why})])
        return True

    return as_administrator(asker, act, clock=clock)


def is_on(name: str) -> bool:
    """Whether a switch is thrown now."""
    return Flag.objects.filter(name=name).exists()


def demand_off(name: str) -> None:
    """Raise what a switch says to whom it stops; nothing when it is off."""
    found = Flag.objects.filter(name=name).first()
    if found is not None:
        raise stopped(name, found.reason)


def stopped(name: str, reason: str = "") -> PackhouseError:
    """The refusal of a switch that is thrown."""
    why = f" ({reason})" if reason else ""
    if name == NO_NEW_PROJECTS:
        message = f"This server takes no new projects at the moment{why}; publish to one that is there, or try later."
        return refuse(Kind.FORBIDDEN, "flag-no-new-projects", message)
    if name == NO_NEW_USERS:
        message = f"This server makes no new accounts at the moment{why}; try again later."
        return refuse(Kind.FORBIDDEN, "flag-no-new-users", message)
    message = f"This server is read-only at the moment{why}; installing goes on, try again later."
    refusal = refuse(Kind.UNAVAILABLE, "flag-read-only", message)
    refusal.retry_after = 300
    return refusal
