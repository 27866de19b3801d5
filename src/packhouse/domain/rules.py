# SPDX-License-Identifier: Apache-2.0
"""The rules of an index as people read and set them: what each is for, what it may be, and its value in words.

The values of both profiles are in `domain.policy`; docs/administrator.md lists them, and a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from packhouse.domain import serving
from packhouse.domain.names import LONGEST_NAME, is_valid_name, normalize
from packhouse.domain.policy import NO_LIMIT, PRIVATE, PROFILES, Profile
from packhouse.domain.wording import shown
from packhouse.errors import Kind, PackhouseError, refuse

PROFILE = "profile"
"""The key under which an index names its profile."""
DEFAULT = "default"
"""What is typed to take a rule back to what the profile says."""

_YES, _NO = frozenset({"yes", "true", "on", "1"}), frozenset({"no", "false", "off", "0"})
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SPOKEN_UNITS = (("GB", 10**9), ("GiB", 2**30), ("MB", 10**6), ("MiB", 2**20), ("kB", 10**3), ("KiB", 2**10))
_SIZE = re.compile(r"([0-9]{1,18}) ?([a-z]{0,3})\Z", re.IGNORECASE | re.ASCII)
_MOST_BYTES = 10**15
_MOST_NAMES = 1000


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it is for in one sentence, and the least and most of a number (0 and 0: it is no number)."""

    about: str
    least: int = 0
    most: int = 0
    size: bool = False
    choices: tuple[str, ...] = ()


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "allow_local_versions": Rule("Versions like 1.0+cu121."),
        "allow_private_classifiers": Rule("Files with a classifier that begins with Private ::."),
        "allow_unknown_classifiers": Rule("Classifiers that are not on the list of trove classifiers."),
        "allow_deprecated_classifiers": Rule("Classifiers that were replaced or dropped."),
        "allow_odd_emails": Rule("Addresses nobody can write to."),
        "allow_odd_urls": Rule("Links that are not of http or https, or have no label; they are shown as text."),
        "allow_broken_descriptions": Rule("Descriptions that do not render; they are shown as plain text."),
        "allow_unlisted_platforms": Rule("Wheels for linux_x86_64 and other platforms off the public index's list."),
        "allow_direct_urls": Rule("Dependencies named by an http address."),
        "allow_startup_code": Rule("Wheels with code that runs at every start of Python."),
        "max_file_size": Rule("Bytes of the largest file; none: what the server takes.", 1, _MOST_BYTES, size=True),
        "max_project_size": Rule(
            "Bytes of all files of a project together; none: what the server takes.", 1, _MOST_BYTES, size=True
        ),
        "largest_unpacked": Rule("Bytes that an archive may unpack to.", 1, _MOST_BYTES, size=True),
        "images": Rule("Pictures from elsewhere in descriptions.", choices=("block", "proxy", "allow")),
        "longest_name": Rule("Characters of a new project's name.", 1, LONGEST_NAME),
        "allow_lookalike_names": Rule("New names that look like existing ones (pi1low)."),
        "allow_stdlib_names": Rule("New names that are those of modules of the standard library."),
        "prohibited_names": Rule("Names no new project may take."),
        "closes_after_days": Rule("Days after which a release takes no new files.", 0, 100_000),
        "new_projects_per_hour": Rule("New projects by one person in an hour.", 0, 1_000_000),
        "new_projects_per_hour_from_address": Rule("New projects from one address in an hour.", 0, 1_000_000),
        "uploads_per_minute": Rule("Files by one token in a minute.", 0, 1_000_000),
        "needs_verified_email": Rule("Publishing needs a confirmed e-mail address."),
        "needs_two_factor": Rule("Publishing needs a second factor."),
        "staging": Rule("What is published here is on trial: tokens that only stage publish here."),
    }
)
"""Every rule of uploads by its key, in the order they are listed in."""

_PICKS = "requests, urllib3<2, acme-*"
SERVING_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        serving.MINIMUM_AGE: Rule("Files are served from this age on: 7d, 12h; none: at once."),
        "minimum_age_mode": Rule("What minimum_age does.", choices=tuple(serving.Mode)),
        serving.EXEMPT: Rule(f"Releases that minimum_age leaves alone: {_PICKS}."),
        serving.ALLOW: Rule(f"The only releases that are served: {_PICKS}; none: all."),
        "allow_mode": Rule("What allow does.", choices=tuple(serving.Mode)),
        serving.DENY: Rule(f"Releases that are not served: {_PICKS}."),
        "deny_mode": Rule("What deny does.", choices=tuple(serving.Mode)),
        "malware_mode": Rule("What the list of known malware does.", choices=tuple(serving.Mode)),
        serving.HARMLESS: Rule(f"Releases that the list of known malware is wrong about: {_PICKS}."),
    }
)
"""Every rule of what an index serves; each holds for the page, the JSON documents, the metadata and the file alike."""

_MOST_PICKS = 5000


def read_rule(key: str, text: str) -> Any:
    """The value that `text` gives a rule (or the profile), as it is stored; None takes the rule back.

    Raises INVALID, `rule-unknown` or `rule-value-invalid`, naming what is possible.
    """
    text = text.strip()
    if key == PROFILE:
        return _choice(key, text, tuple(PROFILES))
    rule = RULES.get(key) or SERVING_RULES.get(key)
    if rule is None:
        keys = [PROFILE, *RULES, *SERVING_RULES]
        near = get_close_matches(key, keys, 1)
        hint = f"did you mean {near[0]}? Expected" if near else "expected"
        message = f"There is no rule {shown(key)}; {hint} one of: {', '.join(keys)}."
        raise refuse(Kind.INVALID, "rule-unknown", message, "rule")
    if text.lower() == DEFAULT:
        return None
    if rule.choices:
        return _choice(key, text, rule.choices)
    if key in SERVING_RULES:
        return _age(key, text) if key == serving.MINIMUM_AGE else _picks(key, text)
    default = getattr(PRIVATE, key)
    if isinstance(default, bool):
        return _yes_or_no(key, text)
    if isinstance(default, tuple):
        return _names(key, text)
    return _number(key, text, rule, may_be_none=default is None)


def _choice(key: str, text: str, choices: tuple[str, ...]) -> str | None:
    if text.lower() == DEFAULT:
        return None
    if text.lower() not in choices:
        raise _wrong(key, text, " or ".join(choices))
    return text.lower()


def _yes_or_no(key: str, text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise _wrong(key, text, "yes or no")
    return text.lower() in _YES


def _names(key: str, text: str) -> list[str]:
    if text.lower() == NO_LIMIT:
        return []
    names = text.replace(",", " ").split()
    for name in names or [""]:
        if not is_valid_name(name):
            raise _wrong(key, name, "project names separated by commas, or none")
    if len(names) > _MOST_NAMES:
        raise _wrong(key, f"{len(names)} names", f"at most {_MOST_NAMES} names")
    return sorted({normalize(name) for name in names})


def _age(key: str, text: str) -> int | None:
    if text.lower() == NO_LIMIT:
        return None
    try:
        return serving.read_age(text) or None
    except ValueError:
        raise _wrong(key, text, "an age such as 7d or 12h of at most ten years, or none") from None


def _picks(key: str, text: str) -> list[str] | None:
    if text.lower() == NO_LIMIT:
        return None
    picks = serving.split_picks(text)
    for pick in picks or [""]:
        try:
            serving.read_pick(pick)
        except ValueError:
            raise _wrong(key, pick, "projects, with versions where wanted (urllib3<2, acme-*), or none") from None
    if len(picks) > _MOST_PICKS:
        raise _wrong(key, f"{len(picks)} releases", f"at most {_MOST_PICKS}")
    return sorted({serving.spell_pick(serving.read_pick(pick)) for pick in picks})


def _number(key: str, text: str, rule: Rule, *, may_be_none: bool) -> int | str:
    if may_be_none and text.lower() == NO_LIMIT:
        return NO_LIMIT
    match = _SIZE.match(text)
    unit = _UNITS.get(match[2].lower() if match else "", 0)
    number = int(match[1]) * unit if match and (rule.size or not match[2]) else -1
    if not unit or not rule.least <= number <= rule.most:
        kind = "a number of bytes such as 100MB or 2GiB" if rule.size else "a whole number"
        limits = f"{kind} from {rule.least} to {spoken(rule.most, size=rule.size)}"
        raise _wrong(key, text, limits + (", or none" if may_be_none else ""))
    return number


def _wrong(key: str, text: str, expected: str) -> PackhouseError:
    message = f"The rule {key} can't be {shown(text)}: expected {expected}, or {DEFAULT} for what the profile says."
    return refuse(Kind.INVALID, "rule-value-invalid", message, key)


def spoken(value: Any, *, size: bool = False) -> str:
    """A value in the words in which it is typed: yes, 20, 100 MB, none, a,b."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return NO_LIMIT
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value) or NO_LIMIT
    if size and isinstance(value, int):
        return _spoken_size(value)
    return str(value)


def _spoken_size(value: int) -> str:
    for unit, factor in _SPOKEN_UNITS:
        if value and value % factor == 0:
            return f"{value // factor} {unit}"
    return str(value)


def serving_value(key: str, value: Any) -> str:
    """The value of a rule of what is served as it is stored (None: not set), in words."""
    if key in SERVING_RULES and SERVING_RULES[key].choices:
        return str(value or serving.Mode.ENFORCE)
    return serving.spell_age(value) if key == serving.MINIMUM_AGE and type(value) is int else spoken(value)


def value_of(profile: Profile, key: str) -> str:
    """The value of a rule in a profile, in words."""
    return spoken(getattr(profile, key), size=RULES[key].size)
