# SPDX-License-Identifier: Apache-2.0
"""Plots are honest: bars begin at zero and are as high as their numbers, in whole units."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from packhouse.domain.plots import HEIGHT, percent, plot, share


def test_bars_begin_at_zero_and_the_highest_fills_the_box() -> None:
    drawn = plot([("a", 0), ("b", 5), ("c", 10)])
    assert [(bar.x, bar.y, bar.height, bar.label, bar.number) for bar in drawn.bars] == [
        (0, HEIGHT, 0, "a", 0),
        (9, HEIGHT // 2, HEIGHT // 2, "b", 5),
        (18, 0, HEIGHT, "c", 10),
    ]
    assert (drawn.width, drawn.height, drawn.most) == (26, HEIGHT, 10)


def test_nothing_is_no_bar() -> None:
    assert (plot([]).width, plot([]).bars, plot([("a", 0)]).bars[0].height) == (0, (), 0)
    assert (percent(1, 0), percent(1, 3), percent(3, 3)) == (0, 33, 100)


def test_what_is_not_all_is_not_said_to_be() -> None:
    said = [share(number, 1000) for number in (0, 1, 334, 999, 1000)]
    assert said == ["0 %", "under 1 %", "33 %", "over 99 %", "100 %"]


@given(st.lists(st.integers(min_value=0, max_value=10**15), min_size=1, max_size=60))
def test_heights_follow_the_numbers(numbers: list[int]) -> None:
    drawn = plot([("", number) for number in numbers])
    assert all((bar.height > 0) == (bar.number > 0) and bar.y + bar.height == HEIGHT for bar in drawn.bars)
    ordered = sorted(drawn.bars, key=lambda bar: bar.number)
    assert [bar.height for bar in ordered] == sorted(bar.height for bar in drawn.bars)
    assert max(bar.x + bar.width for bar in drawn.bars) == drawn.width
