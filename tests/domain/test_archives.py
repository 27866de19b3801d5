# SPDX-License-Identifier: Apache-2.0
"""Sound archives pass, broken ones are refused with the fault's code; nothing is half-read."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus import make_sdist, make_wheel

from packhouse.domain.archives import ArchiveVerdict, judge_archive
from packhouse.domain.filenames import parse_filename
from packhouse.domain.policy import PRIVATE, Profile


def judge(made: tuple[str, bytes], profile: Profile = PRIVATE) -> ArchiveVerdict:
    return judge_archive(io.BytesIO(made[1]), parse_filename(made[0]), profile)


def test_a_sound_wheel() -> None:
    verdict = judge(make_wheel("Foo.Bar", "1.0", lines=["Requires-Dist: a>=1"], description="Hello"))
    assert not verdict.faults
    assert not verdict.warnings
    assert verdict.core is not None
    assert (verdict.core.name, verdict.core.requires_dist, verdict.core.description) == ("Foo.Bar", ("a>=1",), "Hello")
    assert verdict.metadata.startswith(b"Metadata-Version: 2.4\nName: Foo.Bar\n")


def test_a_sound_sdist() -> None:
    verdict = judge(make_sdist("Foo.Bar", "1.0"))
    assert not verdict.faults
    assert not verdict.warnings
    assert verdict.core is not None
    assert verdict.core.is_reliable_sdist


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_never_accepted_or_raised(make: object, data: st.DataObject) -> None:
    filename, sound = make("foo", "1.0", description="x" * 3000)  # type: ignore[operator]
    at = data.draw(st.integers(0, len(sound) - 1))
    byte = data.draw(st.integers(0, 255))
    cut = data.draw(st.booleans())
    damaged = sound[:at] if cut else sound[:at] + bytes([byte]) + sound[at + 1 :]
    verdict = judge((filename, damaged))
    for fault in verdict.faults:
        assert fault.message.isascii()
        assert fault.message.isprintable()
    assert not cut or verdict.faults
