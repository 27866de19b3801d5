# SPDX-License-Identifier: Apache-2.0
"""Which names a new project may take, by the rules of an index (rows D8, D10 and D11 of the upload contract)."""

from __future__ import annotations

from packhouse.domain.names import normalize
from packhouse.domain.policy import Profile
from packhouse.domain.stdlib_names import is_stdlib_name
from packhouse.domain.wording import shown
from packhouse.errors import Fault


def name_faults(name: str, profile: Profile, lookalike: str | None) -> list[Fault]:
    """What speaks against a new project of this name; `lookalike` is an existing project that looks the same."""
    faults = []
    normalized = normalize(name)
    if len(name) > profile.longest_name:
        message = (
            f"The name {shown(name)} has {len(name)} characters, expected at most {profile.longest_name}; shorten it."
        )
        faults.append(Fault("name-too-long", message, "name"))
    if not profile.allow_stdlib_names and is_stdlib_name(name):
        message = f"The name {shown(name)} isn't allowed: it is that of a module of the standard library; rename."
        faults.append(Fault("name-stdlib", message, "name"))
    if normalized in profile.prohibited_names:
        faults.append(
            Fault("name-prohibited", f"The name {shown(name)} isn't allowed here; rename the project.", "name")
        )
    if lookalike is not None and not profile.allow_lookalike_names:
        faults.append(lookalike_fault(name, lookalike))
    return faults


def lookalike_fault(name: str, lookalike: str) -> Fault:
    """That a new name looks like an existing one: a fault or, where the rule lets it pass, a warning."""
    message = f"The name {shown(name)} is too similar to the existing project {shown(lookalike)}; rename."
    return Fault("name-lookalike", message, "name")
