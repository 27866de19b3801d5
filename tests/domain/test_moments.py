# SPDX-License-Identifier: Apache-2.0
"""Moments as addresses name them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhouse.domain.moments import AsOf, Named, began, holds, read_moment
from packhouse.errors import Kind, PackhouseError

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_a_day_is_its_end_and_a_time_is_itself() -> None:
    day = read_moment("2026-11-01")
    assert day.first == datetime(2026, 11, 1, tzinfo=UTC)
    assert day.last == datetime(2026, 11, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    for text in ("2026-11-01T12:00:00Z", "2026-11-01T12:00Z", "2026-11-01T13:00:00+01:00", "2026-11-01T12:00:00.0Z"):
        assert read_moment(text) == Named(first=NOON, last=NOON)
    assert read_moment("serial-4711") == Named(serial=4711)


@pytest.mark.parametrize(
    "text",
    [
        "", "1e309", "now", "epoch", "0", "serial-", "serial--1", "serial-1e3", "serial-9999999999999999999",
        "2026-13-01", "2026-02-30", "2026-1-1", "20261101", "2026-W45-1", "0000-01-01", "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59", "2026-11-01T24:30:00Z", "2026-11-01T12:00:00", "2026-11-01T12:00:00z",
        "2026-11-01 12:00:00Z", "2026-11-01Z", "٢٠٢٦-11-01", "2026-11-01\n", "x" * 5000,
    ],
)  # fmt: skip
def test_hostile_242_what_is_no_moment(text: str) -> None:
    with pytest.raises(PackhouseError) as caught:
        read_moment(text)
    assert (caught.value.kind, caught.value.code) == (Kind.INVALID, "moment-invalid")
    assert len(caught.value.message) < 400


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    with suppress(PackhouseError):
        named = read_moment(text)
        assert (named.serial is None) is (named.first is not None)


def test_rows_hold_from_their_serial_up_to_before_their_end() -> None:
    as_of = AsOf(7, NOON)
    assert holds("p", None) == "p.to_serial IS NULL"
    assert holds("p", as_of) == "p.from_serial <= 7 AND (p.to_serial IS NULL OR p.to_serial > 7)"
    assert began("p", as_of) == "p.from_serial <= 7"
