# SPDX-License-Identifier: Apache-2.0
"""What may be served from an index at a moment, and why not: the one decision for everything that shows files.

Pages, JSON, metadata, file addresses, search, feeds, promotion and the explain page all ask `judge`. It is pure: the
caller brings the file's facts, the policies of the indexes it is served through, and the moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from packhouse.domain.listing import Status
from packhouse.domain.names import is_valid_name, normalize


class Mode(StrEnum):
    """What a rule does with a file it finds: nothing, a note for people, or hide it."""

    OFF = "off"
    WARN = "warn"
    ENFORCE = "enforce"


MINIMUM_AGE = "minimum_age"
ALLOW = "allow"
DENY = "deny"
EXEMPT = "minimum_age_exempt"
MALWARE = "malware"
HARMLESS = "malware_exempt"
RULES_WITH_MODES = (MINIMUM_AGE, ALLOW, DENY, MALWARE)
MODE = "_mode"
"""What the key of a rule's mode ends in."""

KEYS = (
    MINIMUM_AGE,
    f"{MINIMUM_AGE}{MODE}",
    EXEMPT,
    ALLOW,
    f"{ALLOW}{MODE}",
    DENY,
    f"{DENY}{MODE}",
    f"{MALWARE}{MODE}",
    HARMLESS,
)
"""The rules of an index that say what it serves, as they are stored."""

QUARANTINE = "quarantine"
HELD = "held"

_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\*\Z")
_SPACED = re.compile(r"\s*(===|~=|==|!=|<=|>=|<|>)\s*")
_JOINED = re.compile(r"\s*,\s*(?=[<>=!~])")
_PICK = re.compile(r"([^<>=!~]*)(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pick:
    """Some releases: of the project `name` (normalized), or of all whose names begin so, in these versions."""

    name: str
    prefix: bool
    versions: SpecifierSet | None

    def takes(self, project: str, version: str) -> bool:
        """Whether a release of a project (normalized) is meant."""
        if not (project.startswith(self.name) if self.prefix else project == self.name):
            return False
        return self.versions is None or _is_in(self.versions, version)


def _is_in(versions: SpecifierSet, version: str) -> bool:
    try:
        return versions.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def split_picks(text: str) -> list[str]:
    """The picks of a text, which are separated by commas, semicolons or white space: `a, b>=1,<2 acme-*`."""
    joined = _JOINED.sub(",", _SPACED.sub(r"\1", text))
    return [part for part in re.split(r"[;\s]+|,(?![<>=!~])", joined) if part]


@lru_cache(maxsize=4096)
def read_pick(text: str) -> Pick:
    """One pick: `name`, `name<2,>=1`, `acme-*` or `*` (every project). Raises ValueError for anything else."""
    match = _PICK.match(text)
    name, versions = match.groups() if match else ("", "")
    try:
        specifiers = SpecifierSet(versions) if versions else None
    except InvalidSpecifier as error:
        raise ValueError(text) from error
    if name == "*":
        return Pick("", prefix=True, versions=specifiers)
    if _PREFIX.match(name):
        return Pick(re.sub(r"[-_.]+", "-", name[:-1]).lower(), prefix=True, versions=specifiers)
    if not is_valid_name(name):
        raise ValueError(text)
    return Pick(normalize(name), prefix=False, versions=specifiers)


def spell_pick(pick: Pick) -> str:
    """A pick as it is stored and shown."""
    return f"{pick.name}{'*' if pick.prefix else ''}{pick.versions or ''}"


@dataclass(frozen=True, slots=True)
class Known:
    """Malware that a list names: of one project, in versions that any of these specifiers takes ("": all).

    `serial` is that of the journal entry that took it over.
    """

    identifier: str
    versions: tuple[str, ...]
    summary: str = ""
    serial: int = 0

    def takes(self, version: str) -> bool:
        """Whether a version is meant; one that can't be read is when all are."""
        return any(not spec or _is_in(_specifiers(spec), version) for spec in self.versions)


@lru_cache(maxsize=4096)
def _specifiers(text: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        return SpecifierSet("<0")  # none


@dataclass(frozen=True, slots=True)
class Policy:
    """What one index serves: `minimum_age` in seconds (0: none), picks as stored, and the mode of each rule.

    `allow` None means that there is no such rule; an empty list allows nothing. `since` has the serial from which
    each rule that is set holds. `known` is what lists of malware say of the one project that is asked about, of which
    `harmless` is left alone.
    """

    index: str
    minimum_age: int = 0
    exempt: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    modes: Mapping[str, Mode] = field(default_factory=dict)
    since: Mapping[str, int] = field(default_factory=dict)
    harmless: tuple[str, ...] = ()
    known: tuple[Known, ...] = ()

    def mode(self, rule: str) -> Mode:
        """The mode of a rule; one that is set is enforced unless it says otherwise."""
        return self.modes.get(rule, Mode.ENFORCE)

    @property
    def is_silent(self) -> bool:
        """Whether no rule of it can find anything."""
        return not any(self.mode(rule) is not Mode.OFF for rule in self._set())

    def _set(self) -> tuple[str, ...]:
        wanted = {
            MINIMUM_AGE: self.minimum_age > 0,
            ALLOW: self.allow is not None,
            DENY: bool(self.deny),
            MALWARE: bool(self.known),
        }
        return tuple(rule for rule in RULES_WITH_MODES if wanted[rule])


def policy_from(index: str, rules: Mapping[str, tuple[Any, int]]) -> Policy:
    """The policy of an index of its stored rules (value, serial from which it holds); unfit values count as unset."""
    values = {key: value for key, (value, _) in rules.items() if key in KEYS}
    allow = values.get(ALLOW)
    return Policy(
        index,
        minimum_age=_seconds(values.get(MINIMUM_AGE)),
        exempt=_texts(values.get(EXEMPT)),
        allow=_texts(allow) if isinstance(allow, list) else None,
        deny=_texts(values.get(DENY)),
        modes={rule: Mode(values[rule + MODE]) for rule in RULES_WITH_MODES if values.get(rule + MODE) in list(Mode)},
        since={key: serial for key, (_, serial) in rules.items() if key in KEYS},
        harmless=_texts(values.get(HARMLESS)),
    )


def _seconds(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else ()


@dataclass(frozen=True, slots=True)
class Subject:
    """A file somebody asks for.

    `project` is normalized; `published` is its upload time as its origin says it and `seen` when this server first
    saw it, None where nobody said. `status` is that of its project. `held` is a sentence why its origin does not
    hand it out yet, or "".
    """

    project: str
    version: str
    published: datetime | None
    seen: datetime | None
    status: Status = Status.ACTIVE
    status_reason: str = ""
    held: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: `reason` is one sentence; it began `since` and ends `until` (None: nobody knows when).

    `serial` is the journal entry that set the rule, 0 when no entry did.
    """

    rule: str
    index: str
    reason: str
    since: datetime | None = None
    until: datetime | None = None
    serial: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`against` hides the file (the one that lasts longest first); `warnings` only say something."""

    against: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def served(self) -> bool:
        """Whether the file is served."""
        return not self.against

    @property
    def until(self) -> datetime | None:
        """When it will be served if nothing but time passes; None when it is served, or when time does not help."""
        return self.against[0].until if self.against else None


SERVED = Verdict()
_NEVER = datetime.max.replace(tzinfo=UTC)


def judge(subject: Subject, policies: Iterable[Policy], now: datetime) -> Verdict:
    """Whether a file is served through indexes with these policies at the moment `now` (aware)."""
    against = list(_of_origin(subject))
    warnings: list[Finding] = []
    for policy in policies:
        for finding in _findings(subject, policy, now):
            (against if policy.mode(finding.rule) is Mode.ENFORCE else warnings).append(finding)
    if not against and not warnings:
        return SERVED
    against.sort(key=lambda finding: finding.until or _NEVER, reverse=True)
    return Verdict(tuple(against), tuple(warnings))


def _of_origin(subject: Subject) -> Iterable[Finding]:
    """What is against a file wherever it is served."""
    if subject.status is Status.QUARANTINED:
        why = f" ({subject.status_reason})" if subject.status_reason else ""
        yield Finding(QUARANTINE, "", f"The project {subject.project!r} is quarantined{why}; its files are not served.")
    if subject.held:
        yield Finding(HELD, "", subject.held)


def _findings(subject: Subject, policy: Policy, now: datetime) -> Iterable[Finding]:
    """What the rules of one index that are not off find."""
    what = f"{subject.project}=={subject.version}"
    if policy.known and policy.mode(MALWARE) is not Mode.OFF and not _any(policy.harmless, subject):
        for known in policy.known:
            if known.takes(subject.version):
                why = f": {known.summary}" if known.summary else ""
                message = f"The index {policy.index!r} serves no malware: {what} is known as {known.identifier}{why}."
                yield Finding(MALWARE, policy.index, message, serial=known.serial)
                break
    if policy.deny and policy.mode(DENY) is not Mode.OFF:
        for pick in policy.deny:
            if _takes(pick, subject):
                yield _found(DENY, policy, f"The index {policy.index!r} denies {what} (its rule deny names {pick}).")
                break
    if policy.allow is not None and policy.mode(ALLOW) is not Mode.OFF and not _any(policy.allow, subject):
        message = f"The index {policy.index!r} serves only what its rule allow names, and {what} is not among that."
        yield _found(ALLOW, policy, message)
    if policy.minimum_age and policy.mode(MINIMUM_AGE) is not Mode.OFF and not _any(policy.exempt, subject):
        yield from _too_new(subject, policy, what, now)


def _too_new(subject: Subject, policy: Policy, what: str, now: datetime) -> Iterable[Finding]:
    """The cooldown runs from the later of two moments, so that a backdated upload time shortens nothing."""
    known = [moment for moment in (subject.published, subject.seen) if moment is not None]
    if not known:
        return
    since = max(known)
    until = since + timedelta(seconds=policy.minimum_age)
    if now < until:
        age = spell_age(policy.minimum_age)
        message = (
            f"The index {policy.index!r} serves files from an age of {age} on (its rule minimum_age); {what} is too"
            f" new until {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC."
        )
        yield replace(_found(MINIMUM_AGE, policy, message), since=since, until=until)


def _found(rule: str, policy: Policy, reason: str) -> Finding:
    return Finding(rule, policy.index, reason, serial=policy.since.get(rule, 0))


def _any(picks: Iterable[str], subject: Subject) -> bool:
    return any(_takes(pick, subject) for pick in picks)


def _takes(pick: str, subject: Subject) -> bool:
    try:
        return read_pick(pick).takes(subject.project, subject.version)
    except ValueError:
        return False


_AGE = re.compile(r"([0-9]{1,6}) ?(d|day|days|h|hour|hours)\Z", re.IGNORECASE | re.ASCII)
LONGEST_AGE = 3650 * 86_400
"""Seconds of the longest cooldown: ten years."""


def read_age(text: str) -> int:
    """An age in seconds: `7d`, `12h`, `7 days`. Raises ValueError for anything else, and for more than ten years."""
    match = _AGE.match(text.strip())
    seconds = int(match[1]) * (86_400 if match[2].lower().startswith("d") else 3_600) if match else -1
    if not 0 <= seconds <= LONGEST_AGE:
        raise ValueError(text)
    return seconds


def spell_age(seconds: int) -> str:
    """An age as it is typed and shown: `7 days`, `36 hours`."""
    number, unit = (seconds // 86_400, "day") if seconds % 86_400 == 0 else (seconds // 3_600, "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def next_change(verdicts: Iterable[Verdict], now: datetime) -> datetime | None:
    """The next moment after `now` at which time alone makes another verdict of one of these; None: never."""
    moments = [
        finding.until
        for verdict in verdicts
        for finding in verdict.against
        if finding.until is not None and finding.until > now
    ]
    return min(moments, default=None)
