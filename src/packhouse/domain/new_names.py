# SPDX-License-Identifier: Apache-2.0
"""Which names a new project may take, by the rules of an index (rows D8, D10 and D11 of the upload contract)."""

from __future__ import annotations

import sys

from packhouse.domain.names import normalize
from packhouse.domain.policy import Profile
from packhouse.domain.wording import shown
from packhouse.errors import Fault

_FORMER = """
    asynchat asyncore cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib nis nntplib ossaudiodev pipes
    smtpd sndhdr spwd sunau telnetlib uu xdrlib audioop aifc formatter parser symbol binhex macpath dummy-threading
    queue configparser urllib2 httplib"""
STDLIB = frozenset(normalize(name.strip("_")) for name in {*sys.stdlib_module_names, *_FORMER.split()})
"""Normalized names of modules of the standard library, present and past."""


def name_faults(name: str, profile: Profile, lookalike: str | None) -> list[Fault]:
    """What speaks against a new project of this name; `lookalike` is an existing project that looks the same."""
    faults = []
    normalized = normalize(name)
    if len(name) > profile.longest_name:
        message = (
            f"The name {shown(name)} has {len(name)} characters, expected at most {profile.longest_name}; shorten it."
        )
        faults.append(Fault("name-too-long", message, "name"))
    if not profile.allow_stdlib_names and normalized in STDLIB:
        message = f"The name {shown(name)} isn't allowed: it is that of a module of the standard library; rename."
        faults.append(Fault("name-stdlib", message, "name"))
    if normalized in profile.prohibited_names:
        faults.append(
            Fault("name-prohibited", f"The name {shown(name)} isn't allowed here; rename the project.", "name")
        )
    if lookalike is not None and not profile.allow_lookalike_names:
        message = f"The name {shown(name)} is too similar to the existing project {shown(lookalike)}; rename."
        faults.append(Fault("name-lookalike", message, "name"))
    return faults
