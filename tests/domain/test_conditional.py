# SPDX-License-Identifier: Apache-2.0
"""Conditional requests: C2, C3, hostile-170."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhouse.domain.conditional import etag_matches, http_date, not_modified, read_http_date

ETAG = '"0123456789abcdef-j-zstd"'
MODIFIED = 1_700_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
LATER = MODIFIED + 100.0


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        (ETAG, True),
        (f"W/{ETAG}", True),
        (f'"a", W/"b",{ETAG}', True),
        ("*", True),
        (" * ", True),
        ('"*"', False),
        ("", False),
        (ETAG.strip('"'), False),
        ('"0123456789abcdef-j"', False),
        ('"x0123456789abcdef-j-zstd"', False),
        (",".join(f'"{n}"' for n in range(10_000)), False),
        (",".join(f'"{n}"' for n in range(10_000)) + "," + ETAG, True),
    ],
)
def test_hostile_170_if_none_match(header: str, matches: bool) -> None:
    assert etag_matches(header, ETAG) is matches
    assert not_modified({"if-none-match": header, "if-modified-since": DATE}, ETAG, MODIFIED, LATER) is matches


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (DATE, MODIFIED),
        ("Tuesday, 14-Nov-23 22:13:20 GMT", MODIFIED),
        ("Tue Nov 14 22:13:20 2023", MODIFIED),
        (" Tue, 14 Nov 2023 22:13:20 GMT ", MODIFIED),
        ("Tue, 14 Nov 2023 22:13:20 +0100", None),
        ("2023-11-14T22:13:20Z", None),
        ("Thu, 31 Feb 2023 00:00:00 GMT", None),
        ("0", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_dates_of_three_forms(text: str, moment: int | None) -> None:
    assert read_http_date(text) == moment


@given(st.integers(0, 253_402_300_799))
def test_dates_round_trip(moment: int) -> None:
    assert read_http_date(http_date(moment)) == moment


def test_C3_if_modified_since() -> None:
    def asked(since: str, now: float = LATER) -> bool:
        return not_modified({"if-modified-since": since}, ETAG, MODIFIED, now)

    assert asked(DATE)
    assert asked("Wed, 15 Nov 2023 00:00:00 GMT")
    assert not asked("Tue, 14 Nov 2023 22:13:19 GMT")
    assert not asked("yesterday")
    assert not_modified({}, ETAG, MODIFIED, LATER) is False


@pytest.mark.parametrize(("age", "expected"), [(-5.0, False), (0.0, False), (1.99, False), (2.0, True)])
def test_decision_8_a_young_page_is_sent_again(age: float, expected: bool) -> None:
    assert not_modified({"if-modified-since": DATE}, ETAG, MODIFIED, MODIFIED + age) is expected


@given(st.text(), st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_total_on_garbage(match: str, since: str, now: float) -> None:
    assert not_modified({"if-none-match": match}, ETAG, MODIFIED, now) is (match.strip() == "*")
    assert not_modified({"if-modified-since": since}, ETAG, MODIFIED, now) is False


def test_hostile_170_a_huge_header_is_quick() -> None:
    header = ",".join(f'"{n}"' for n in range(1_000_000))
    began = time.process_time()
    assert not etag_matches(header, ETAG)
    assert time.process_time() - began < 2
