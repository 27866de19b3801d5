# SPDX-License-Identifier: Apache-2.0
"""Small plots, drawn by hand: bars that begin at zero, with nothing smoothed, and every number kept for the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 60
STEP = 9
"""Units of width of a bar, the gap after it among them."""
GAP = 1


@dataclass(frozen=True, slots=True)
class Bar:
    """An upright bar; x and y are its upper left corner, downwards positive."""

    x: int
    y: int
    width: int
    height: int
    label: str
    number: int


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars side by side in a box of this size; `most` is the number of the highest, which is as high as the box."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    most: int


def plot(points: Sequence[tuple[str, int]]) -> Plot:
    """A bar for each (label, number); numbers are 0 or more. What is not 0 can be seen, if only one unit high."""
    most = max((number for _, number in points), default=0)
    bars = []
    for place, (label, number) in enumerate(points):
        height = max(1, round(HEIGHT * number / most)) if number else 0
        bars.append(Bar(place * STEP, HEIGHT - height, STEP - GAP, height, label, number))
    return Plot(max(0, len(points) * STEP - GAP), HEIGHT, tuple(bars), most)


def percent(number: int, whole: int) -> int:
    """How much of a whole it is, in full percent; of nothing it is 0."""
    return round(100 * number / whole) if whole else 0


def share(number: int, whole: int) -> str:
    """The same in words; what is not nothing and not all is never said to be."""
    rounded = percent(number, whole)
    if rounded == 0 and number:
        return "under 1 %"
    return "over 99 %" if rounded == 100 and number < whole else f"{rounded} %"
