# SPDX-License-Identifier: Apache-2.0
"""Who may register now, and changing it: what a setting says holds; what it leaves open, administrators choose."""

from __future__ import annotations

from dataclasses import dataclass

from packhouse.config import Settings
from packhouse.domain.permissions import Identity
from packhouse.domain.registration import Registration, settle
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import choices
from packhouse.services.administering import as_administrator
from packhouse.services.journal import Actor, Clock, Entry, Fact, record, take

_MODE, _DOMAINS = "registration", "registration domains"


@dataclass(frozen=True, slots=True)
class Choice:
    """What an administrator wants; None leaves as it is, "" (a mode) and () (domains) take the choice back."""

    mode: str | None = None
    domains: tuple[str, ...] | None = None


def in_force(settings: Settings) -> Registration:
    """Who may register now, and who decided it."""
    if settings.registration and settings.registration_domains:
        return settle(settings)
    found = choices.chosen(_MODE, _DOMAINS)
    return settle(settings, found.get(_MODE), found.get(_DOMAINS))


def choose(asker: Identity | Actor, wanted: Choice, reason: str, settings: Settings, *, clock: Clock) -> Registration:
    """Change who may register, from the commit on; what is in force then. The same again changes nothing.

    Raises CONFLICT for what a setting decides, INVALID for the reason, FORBIDDEN for who does not administer.
    """
    why = choices.read_reason(reason)
    _demand_free(wanted, settings)

    def act(actor: Actor) -> Registration:
        before, kept = in_force(settings), choices.chosen(_MODE, _DOMAINS)
        mode = kept.get(_MODE) if wanted.mode is None else wanted.mode or None
        domains = kept.get(_DOMAINS) if wanted.domains is None else list(wanted.domains) or None
        if (mode, domains) == (kept.get(_MODE), kept.get(_DOMAINS)):
            return before
        moment = take(1, clock)
        choices.put(_MODE, mode, moment.at)
        choices.put(_DOMAINS, domains, moment.at)
        after = settle(settings, mode, domains)
        detail = {"mode": after.mode, "domains": list(after.domains), "reason": why}
        was = {"mode_before": before.mode, "domains_before": list(before.domains)}
        record(moment, actor, [Entry(Fact.REGISTRATION_SET, detail=detail | was)])
        return after

    return as_administrator(asker, act, clock=clock)


def _demand_free(wanted: Choice, settings: Settings) -> None:
    if wanted.mode is not None and settings.registration:
        raise _locked("mode", "REGISTRATION", settings.registration)
    if wanted.domains is not None and settings.registration_domains:
        raise _locked("domains", "REGISTRATION_DOMAINS", " ".join(settings.registration_domains))


def _locked(field: str, setting: str, value: str) -> PackhouseError:
    message = (
        f"PACKHOUSE_{setting} is set to {value!r} where this server runs, and that holds; change it there, or remove"
        " it there to decide here."
    )
    return refuse(Kind.CONFLICT, "setting-decides", message, field)
