# SPDX-License-Identifier: Apache-2.0
"""The fuzzers' short form: every saved input once more, and a few hundred that Hypothesis makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.targets import LARGEST_SEED, TARGETS, saved

SAVED = [pytest.param(name, file, id=f"{name}/{file.name}") for name in TARGETS for file in saved(name)]


@pytest.mark.parametrize(("name", "file"), SAVED)
def test_saved_inputs_have_one_reading(name: str, file: Path) -> None:
    accepted = TARGETS[name].check(file.read_bytes())
    if file.name.startswith(("accept-", "reject-")):
        assert accepted is file.name.startswith("accept-")


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_saved(name: str) -> None:
    made = {seed for seed, data in TARGETS[name].seeds().items() if len(data) <= LARGEST_SEED}
    assert made
    assert made <= {file.name for file in saved(name)}


@pytest.mark.parametrize("name", [name for name in TARGETS if name.endswith("-made")])
@given(data=st.binary(max_size=120))
def test_nearly_sound_inputs_have_one_reading(name: str, data: bytes) -> None:
    TARGETS[name].check(data)


@pytest.mark.parametrize("name", [name for name in TARGETS if not name.endswith("-made")])
@given(data=st.data())
def test_damaged_inputs_have_one_reading(name: str, data: st.DataObject) -> None:
    sound = data.draw(st.sampled_from(sorted(TARGETS[name].seeds().values())))
    at = data.draw(st.integers(0, len(sound)))
    cut = data.draw(st.integers(0, 8))
    TARGETS[name].check(sound[:at] + data.draw(st.binary(max_size=8)) + sound[at + cut :])
