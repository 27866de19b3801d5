# SPDX-License-Identifier: Apache-2.0
"""Second factors as far as rules go: of whom one is demanded, and what waits until it is there. Pure."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from packhouse.config import Settings
from packhouse.domain.addresses import is_loopback

CODE_DIGITS = 16
"""Digits of a recovery code: 53 bits."""
TRUST_DAYS = 30
"""Days for which a browser, once told so, isn't asked for a second factor."""


TOTP_SECONDS, TOTP_TOLERANCE = 30, 1
"""How long an app shows a code, and how many of the codes before and after are taken."""
TOTP_USED = TOTP_SECONDS * (2 * TOTP_TOLERANCE + 2)
"""Seconds for which a code that was used has to be remembered: longer than it can be taken."""


class Demand(StrEnum):
    """Of whom a second factor is demanded; each word includes the people of the ones before it."""

    NOBODY = "nobody"
    ADMINISTRATORS = "administrators"
    OWNERS = "owners"
    EVERYONE = "everyone"


def demand_of(settings: Settings) -> Demand:
    """As set; else of administrators, but of nobody while the server is this machine's alone."""
    if settings.two_factor:
        return Demand(settings.two_factor)
    public = urlsplit(settings.base_url or "").hostname
    alone = is_loopback(settings.host) and (public is None or is_loopback(public))
    return Demand.NOBODY if alone else Demand.ADMINISTRATORS


def covers(demand: Demand, *, admin: bool, owner: bool) -> bool:
    """Whether a second factor is demanded of somebody; `owner`: of a project."""
    match demand:
        case Demand.NOBODY:
            return False
        case Demand.ADMINISTRATORS:
            return admin
        case Demand.OWNERS:
            return admin or owner
        case Demand.EVERYONE:
            return True
