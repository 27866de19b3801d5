# SPDX-License-Identifier: Apache-2.0
"""The rules of an index as people see and change them. They hold from the next upload and the next page on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from packhouse.domain.permissions import Action, Identity, may
from packhouse.domain.policy import PRIVATE
from packhouse.domain.rules import PROFILE, RULES, SERVING_RULES, read_rule, serving_value, spoken, value_of
from packhouse.services import access
from packhouse.services.indexes import base_profile, find_index, profile_from, rules_of, set_rule
from packhouse.services.journal import Actor, Clock, write


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule of an index now: its value in words, that of the index's profile, and whether it was set on the index."""

    key: str
    value: str
    profile_value: str
    is_set: bool
    about: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RulesOfIndex:
    """The profile of an index, whether it was chosen, every rule, and what else is set on it (key, value).

    `serving` are the rules of what it serves, which follow no profile.
    """

    profile: str
    profile_is_set: bool
    rules: tuple[RuleState, ...]
    others: tuple[tuple[str, str], ...]
    serving: tuple[RuleState, ...] = ()


def rules_in_force(name: str) -> RulesOfIndex:
    """Every rule of an index with its value and where that comes from; raises MISSING."""
    find_index(name)
    rules = rules_of(name)
    base, now = base_profile(rules), profile_from(rules)
    states = tuple(
        RuleState(key, value_of(now, key), value_of(base, key), key in rules, rule.about, _choices(key))
        for key, rule in RULES.items()
    )
    known = {PROFILE, *RULES, *SERVING_RULES}
    others = tuple((key, spoken(value)) for key, value in sorted(rules.items()) if key not in known)
    return RulesOfIndex(base.name, PROFILE in rules, states, others, _serving(rules))


def _serving(rules: dict[str, Any]) -> tuple[RuleState, ...]:
    """The rules of what is served; no profile has any."""
    return tuple(
        RuleState(
            key, serving_value(key, rules.get(key)), serving_value(key, None), key in rules, rule.about, rule.choices
        )
        for key, rule in SERVING_RULES.items()
    )


def _choices(key: str) -> tuple[str, ...]:
    """What can be chosen from; nothing for a value that is typed."""
    return ("yes", "no") if isinstance(getattr(PRIVATE, key), bool) else RULES[key].choices


def change_rule(actor: Actor, name: str, key: str, text: str, *, clock: Clock) -> str:
    """Set a rule, or the profile, of an index by what was typed (`default` takes it back); returns the value now.

    Raises MISSING for an unknown index, INVALID for a key or value that makes no sense.
    """
    find_index(name)
    value: Any = read_rule(key, text)
    with write():
        set_rule(actor, name, key, value, clock=clock)
        state = rules_in_force(name)
    if key == PROFILE:
        return state.profile
    return next(rule.value for rule in (*state.rules, *state.serving) if rule.key == key)


def change_rules_as(identity: Identity, name: str, changes: dict[str, str], *, clock: Clock) -> int:
    """Set rules as an administrator in the browser, all or none; returns how many entries the journal got.

    Raises FORBIDDEN for anybody else, and everything `change_rule` does.
    """
    with write():
        current = access.still_valid(identity, clock())
        may(current, Action.ADMINISTER).demand()
        find_index(name)
        values = {key: read_rule(key, text) for key, text in changes.items()}
        before = rules_of(name)
        for key, value in values.items():
            set_rule(Actor.of(current), name, key, value, clock=clock)
        after = rules_of(name)
    return sum(before.get(key) != after.get(key) for key in changes)
