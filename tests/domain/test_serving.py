# SPDX-License-Identifier: Apache-2.0
"""The one decision on what may be served: each rule alone, all together, and what must hold whatever they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhouse.domain import serving
from packhouse.domain.listing import Status
from packhouse.domain.serving import (
    SERVED,
    Known,
    Mode,
    Policy,
    Subject,
    Verdict,
    judge,
    next_change,
    policy_from,
    read_age,
    read_pick,
    spell_age,
    spell_pick,
    split_picks,
)

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WEEK = 7 * 86_400


def subject(age: timedelta = 30 * DAY, **facts: Any) -> Subject:
    return Subject(**(dict[str, Any](project="foo", version="1.0", published=NOW - age, seen=NOW - age) | facts))


def rules_of(verdict: Verdict) -> list[str]:
    return [finding.rule for finding in verdict.against]


def test_without_rules_everything_is_served() -> None:
    assert judge(subject(), (), NOW) is SERVED
    assert judge(subject(timedelta(0)), (Policy("main"),), NOW) is SERVED
    assert Policy("main").is_silent


def test_hostile_231_the_cooldown_runs_from_the_later_of_upload_and_first_seen() -> None:
    policy = Policy("main", minimum_age=WEEK)
    backdated = subject(published=NOW - 400 * DAY, seen=NOW - DAY)
    ahead = subject(published=NOW + DAY, seen=NOW - 100 * DAY)
    unsaid = subject(published=None, seen=NOW - 2 * DAY)
    for file, until in ((backdated, NOW + 6 * DAY), (ahead, NOW + 8 * DAY), (unsaid, NOW + 5 * DAY)):
        verdict = judge(file, (policy,), NOW)
        assert rules_of(verdict) == ["minimum_age"]
        assert verdict.until == until
        assert f"{until:%Y-%m-%d %H:%M:%S} UTC" in verdict.against[0].reason
        assert judge(file, (policy,), until - timedelta(microseconds=1)).served is False
        assert judge(file, (policy,), until).served is True


def test_what_nobody_dated_is_not_too_new() -> None:
    assert judge(subject(published=None, seen=None), (Policy("main", minimum_age=WEEK),), NOW).served


@pytest.mark.parametrize(("pick", "exempt"), [("foo", True), ("foo==1.0", True), ("foo>=2", False), ("bar", False)])
def test_exemptions_from_the_cooldown_by_name_and_version(pick: str, exempt: bool) -> None:
    policy = Policy("main", minimum_age=WEEK, exempt=(pick,))
    assert judge(subject(DAY), (policy,), NOW).served is exempt


@pytest.mark.parametrize(
    ("pick", "version", "taken"),
    [
        ("foo", "1.0", True),
        ("foo<2,>=1", "1.5", True),
        ("foo<2,>=1", "2.0", False),
        ("foo==1.0", "1", True),
        ("foo>=1.0", "2.0rc1", True),  # pre-releases count as what they are
        ("foo>=1.0", "no version", False),
        ("f*", "1.0", True),
        ("*", "1.0", True),
        ("*<1", "1.0", False),
        ("fo", "1.0", False),
        ("not a pick", "1.0", False),
    ],
)
def test_deny_and_allow_by_name_and_version(pick: str, version: str, taken: bool) -> None:
    file = subject(version=version)
    assert judge(file, (Policy("main", deny=(pick,)),), NOW).served is not taken
    assert judge(file, (Policy("main", allow=(pick,)),), NOW).served is taken


def test_an_empty_allow_list_allows_nothing_and_says_so() -> None:
    verdict = judge(subject(), (Policy("prod", allow=(), since={"allow": 9}),), NOW)
    assert (verdict.against[0].index, verdict.against[0].serial) == ("prod", 9)
    assert "'prod' serves only what its rule allow names" in verdict.against[0].reason


@pytest.mark.parametrize("rule", serving.RULES_WITH_MODES)
def test_each_rule_can_be_off_or_only_warn(rule: str) -> None:
    for mode, (against, warnings) in {Mode.OFF: (0, 0), Mode.WARN: (0, 1), Mode.ENFORCE: (1, 0)}.items():
        given_ = {
            "minimum_age": Policy("main", minimum_age=WEEK),
            "allow": Policy("main", allow=("bar",)),
            "deny": Policy("main", deny=("foo",)),
            "malware": Policy("main", known=(Known("MAL-2026-1", ("",)),)),
        }
        policy = replace(given_[rule], modes={rule: mode})
        verdict = judge(subject(DAY), (policy,), NOW)
        assert (len(verdict.against), len(verdict.warnings)) == (against, warnings)
        assert policy.is_silent is (mode is Mode.OFF)


def test_what_its_origin_says_comes_before_every_exemption() -> None:
    policy = Policy("main", minimum_age=WEEK, exempt=("*",), allow=("*",))
    bad = subject(status=Status.QUARANTINED, status_reason="malware", held="Its sha256 is not known yet.")
    assert rules_of(judge(bad, (policy,), NOW)) == ["quarantine", "held"]
    assert "(malware)" in judge(bad, (), NOW).against[0].reason
    assert judge(subject(status=Status.QUARANTINED), (), NOW).until is None


def test_the_reason_that_lasts_longest_comes_first() -> None:
    policies = (Policy("top", minimum_age=WEEK), Policy("low", minimum_age=2 * WEEK), Policy("deep", deny=("foo",)))
    verdict = judge(subject(DAY), policies, NOW)
    assert [finding.index for finding in verdict.against] == ["deep", "low", "top"]
    assert verdict.until is None
    assert judge(subject(DAY), policies[:2], NOW).until == NOW + 13 * DAY


ages = st.integers(min_value=-5, max_value=40).map(lambda days: days * DAY)
policies = st.builds(
    Policy,
    index=st.sampled_from(["main", "dev"]),
    minimum_age=st.integers(min_value=0, max_value=30 * 86_400),
    exempt=st.sampled_from([(), ("foo",), ("foo>=2",)]),
    allow=st.sampled_from([None, (), ("foo",), ("bar",)]),
    deny=st.sampled_from([(), ("foo<2",), ("bar",)]),
    known=st.sampled_from([(), (Known("MAL-2026-1", ("<2",)),), (Known("MAL-2026-1", ("==9",)),)]),
    harmless=st.sampled_from([(), ("foo",)]),
    modes=st.dictionaries(st.sampled_from(serving.RULES_WITH_MODES), st.sampled_from(list(Mode))),
)


@given(ages, st.lists(policies, max_size=3), st.integers(min_value=0, max_value=60))
def test_hostile_243_nothing_gets_through_more_indexes_that_does_not_get_through_each(
    age: timedelta, chain: list[Policy], later: int
) -> None:
    file, moment = subject(age), NOW + later * DAY
    verdict = judge(file, chain, moment)
    assert verdict.served is all(judge(file, (policy,), moment).served for policy in chain)
    assert verdict == judge(file, list(chain), moment)


@given(ages, st.lists(policies, max_size=3))
def test_a_verdict_holds_until_the_next_change_and_time_only_ever_helps(age: timedelta, chain: list[Policy]) -> None:
    file = subject(age)
    verdict = judge(file, chain, NOW)
    change = next_change([verdict], NOW)
    if change is None:
        assert rules_of(judge(file, chain, NOW + 10_000 * DAY)) == rules_of(verdict)
    else:
        assert rules_of(judge(file, chain, change - timedelta(microseconds=1))) == rules_of(verdict)
        assert len(judge(file, chain, change).against) < len(verdict.against)
    if verdict.until is not None:
        assert judge(file, chain, verdict.until).served


def test_lists_of_releases_are_read_as_people_type_them() -> None:
    assert split_picks("a, b>=1,<2 acme-*; c == 1.0 , != 1.1\n d~=2.0") == [
        "a",
        "b>=1,<2",
        "acme-*",
        "c==1.0,!=1.1",
        "d~=2.0",
    ]
    assert split_picks(" ,; ") == []


@pytest.mark.parametrize(
    ("text", "spelled"),
    [("Foo_Bar", "foo-bar"), ("Acme.*", "acme-*"), ("*", "*"), ("A<2,>1", "a<2,>1"), ("x===1.0", "x===1.0")],
)
def test_a_pick_is_kept_in_one_spelling(text: str, spelled: str) -> None:
    kept = spell_pick(read_pick(text))
    assert kept == spelled
    assert read_pick(kept) == read_pick(text)


@pytest.mark.parametrize("text", ["", "-a", "a<", "a==x", "<2", "a b", "*a", "a**", "é"])
def test_what_is_no_pick(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_pick(text)


@pytest.mark.parametrize(
    ("text", "seconds", "spelled"),
    [("7d", WEEK, "7 days"), ("1 Day", 86_400, "1 day"), ("36h", 36 * 3600, "36 hours"), ("1h", 3600, "1 hour")],
)
def test_ages(text: str, seconds: int, spelled: str) -> None:
    assert read_age(text) == seconds
    assert spell_age(seconds) == spelled
    assert read_age(spelled) == seconds


@pytest.mark.parametrize("text", ["", "7", "-1d", "1e3d", "7w", "99999d", "٧d"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_age(text)


def test_a_policy_of_what_is_stored_leaves_out_what_does_not_fit() -> None:
    stored: dict[str, tuple[Any, int]] = {
        "minimum_age": (WEEK, 3),
        "minimum_age_mode": ("warn", 4),
        "deny": (["foo"], 5),
        "deny_mode": (["enforce"], 6),
        "allow": ("foo", 7),
        "minimum_age_exempt": ([1], 8),
        "images": ("block", 9),
    }
    policy = policy_from("main", stored)
    assert (policy.minimum_age, policy.deny, policy.allow, policy.exempt) == (WEEK, ("foo",), None, ())
    assert policy.mode("minimum_age") is Mode.WARN
    assert policy.mode("deny") is Mode.ENFORCE
    assert policy.since["deny"] == 5
    assert "images" not in policy.since
    assert policy_from("main", {"minimum_age": (-1, 1)}).minimum_age == 0
