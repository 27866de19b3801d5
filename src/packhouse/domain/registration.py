# SPDX-License-Identifier: Apache-2.0
"""Who may register: the mode, the domains of e-mail addresses, and who decided each. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packhouse.config import EMAIL_DOMAIN, Settings
from packhouse.domain.addresses import is_loopback
from packhouse.errors import Kind, refuse

MODES = ("open", "invited", "closed")
MAX_DOMAINS = 100

SETTING, CHOSEN, USUAL = "setting", "chosen", "usual"
"""Who decided: whoever runs the server, by a setting, which nothing else overrides; an administrator; nobody."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What is in force; `domains` empty: every domain. `mode_by` and `domains_by` are SETTING, CHOSEN or USUAL."""

    mode: str
    domains: tuple[str, ...] = ()
    mode_by: str = USUAL
    domains_by: str = USUAL

    def admits(self, email: str) -> bool:
        """Whether somebody with this address registers without an invitation where registration is open."""
        return not self.domains or email.rpartition("@")[2].lower() in self.domains


def settle(settings: Settings, mode: str | None = None, domains: Iterable[str] | None = None) -> Registration:
    """What is in force, of the settings and of what administrators chose (None: nothing).

    A mode nobody decided is open while the server is bound to this machine alone, or where domains are named; else
    it is invited.
    """
    named, named_by = (settings.registration_domains, SETTING) if settings.registration_domains else ((), USUAL)
    if not named and domains is not None:
        named, named_by = tuple(domains), CHOSEN
    if settings.registration:
        return Registration(settings.registration, named, SETTING, named_by)
    if mode is not None:
        return Registration(mode, named, CHOSEN, named_by)
    return Registration("open" if named or is_loopback(settings.host) else "invited", named, USUAL, named_by)


def read_mode(text: str) -> str:
    """A mode as it is typed; raises INVALID."""
    if text not in MODES:
        message = f"The registration mode is {text[:30]!r}, expected {', '.join(MODES)} or default; choose one."
        raise refuse(Kind.INVALID, "registration-invalid", message, "mode")
    return text


def read_domains(text: str) -> tuple[str, ...]:
    """Domains as they are typed, separated by commas or white space; raises INVALID naming the first that is none."""
    found = tuple(dict.fromkeys(word.lower() for word in re.split(r"[\s,]+", text) if word))
    for one in found:
        if len(one) > 253 or not EMAIL_DOMAIN.fullmatch(one):
            message = f"The domain is {one[:60]!r}, expected the part behind the @ of addresses (example.org); mend it."
            raise refuse(Kind.INVALID, "registration-domain", message, "domains")
    if len(found) > MAX_DOMAINS:
        message = f"There are {len(found)} domains, expected at most {MAX_DOMAINS}; name fewer."
        raise refuse(Kind.INVALID, "registration-domain", message, "domains")
    return found
