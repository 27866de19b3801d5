# SPDX-License-Identifier: Apache-2.0
"""Byte ranges: F5, F6, decision 5, hostile-165."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from packhouse.domain.ranges import Span, choose_span

ETAG = '"abc"'
MODIFIED = 1_700_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
WHOLE = Span(200, 0, 100, 100)
OUTSIDE = Span(416, 0, 0, 100)


def span(value: str, size: int = 100, **others: str) -> Span:
    headers = {"range": value} | {name.replace("_", "-"): text for name, text in others.items()}
    return choose_span(headers, size, ETAG, MODIFIED)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", Span(206, 0, 1, 100)),
        ("bytes=10-19", Span(206, 10, 20, 100)),
        ("bytes=90-", Span(206, 90, 100, 100)),
        ("bytes=90-5000", Span(206, 90, 100, 100)),
        ("bytes=-5", Span(206, 95, 100, 100)),
        ("bytes=-500", Span(206, 0, 100, 100)),
        ("bytes=0-", Span(206, 0, 100, 100)),
        ("BYTES = 0 - 9 ", Span(206, 0, 10, 100)),
        ("bytes=00000000000000000000000000-9", Span(206, 0, 10, 100)),
        ("bytes=100-", OUTSIDE),
        ("bytes=-0", OUTSIDE),
        ("bytes=5-2", OUTSIDE),
        (f"bytes={'9' * 60}-", OUTSIDE),
        (f"bytes=0-{'9' * 60}", Span(206, 0, 100, 100)),
        (f"bytes={'9' * 5000}-", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=", WHOLE),
        ("bytes=0-1,5-6", WHOLE),
        ("bytes=" + "0-," * 10_000, WHOLE),
        ("items=0-1", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=\u0661-\u0662", WHOLE),
        ("bytes=--5", WHOLE),
        ("0-5", WHOLE),
        ("", WHOLE),
    ],
)
def test_F6_hostile_165_range(value: str, expected: Span) -> None:
    assert span(value) == expected


def test_F6_content_range() -> None:
    assert span("bytes=10-19").content_range == "bytes 10-19/100"
    assert span("bytes=100-").content_range == "bytes */100"
    assert choose_span({}, 100, ETAG, MODIFIED).content_range is None


def test_an_empty_file_has_no_ranges() -> None:
    assert span("bytes=0-", size=0) == Span(416, 0, 0, 0)
    assert span("bytes=-1", size=0) == Span(416, 0, 0, 0)


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (ETAG, 206),
        (f" {ETAG} ", 206),
        (DATE, 206),
        (f"W/{ETAG}", 200),
        ('"other"', 200),
        ("Tue, 14 Nov 2023 22:13:21 GMT", 200),
        ("", 200),
        ("garbage", 200),
    ],
)
def test_F6_hostile_165_if_range(if_range: str, status: int) -> None:
    assert span("bytes=0-9", if_range=if_range).status == status


@given(st.one_of(st.text(), st.text("0123456789-=, bytes").map("bytes=".__add__)), st.integers(0, 10**15), st.text())
@example("bytes=1-0", 0, "")
def test_total_on_garbage(value: str, size: int, if_range: str) -> None:
    for headers in ({"range": value}, {"range": value, "if-range": if_range}):
        found = choose_span(headers, size, ETAG, MODIFIED)
        assert found.status in {200, 206, 416}
        assert 0 <= found.start <= found.end <= size
        assert (found.start < found.end) or found.status == 416 or size == 0


@given(st.integers(1, 1000), st.data())
def test_every_sane_range_is_answered_exactly(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, size - 1))
    body = bytes(n % 251 for n in range(size))
    found = span(f"bytes={first}-{last}", size)
    assert body[found.start : found.end] == body[first : last + 1]
    assert found.content_range == f"bytes {first}-{last}/{size}"
