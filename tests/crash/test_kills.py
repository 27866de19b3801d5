# SPDX-License-Identifier: Apache-2.0
"""The short form of `make crash-test`: every point once, a few random moments (fault table, row 1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.trial import POINTS, Trials

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]

HALVES = [
    [*POINTS[:8], "random", "random", "start", "random"],
    [*POINTS[8:], "s16", "random", "random", "start", "random"],
]


@pytest.mark.parametrize("points", HALVES, ids=["receiving", "committing"])
def test_faults_1_kill_9_at_every_step_loses_nothing(tmp_path: Path, points: list[str]):
    figures = Trials(tmp_path, seed=len(points)).run(points)
    assert figures.faults() == []
    assert figures.trials.total() == len(points)
    assert not figures.missed, "a step was not come by"
    assert figures.acknowledged > 0
