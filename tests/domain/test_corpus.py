# SPDX-License-Identifier: Apache-2.0
"""The builders of test files make what installers take."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from installer.sources import WheelFile
from tests.corpus import make_sdist, make_wheel

from packhouse.domain.filenames import parse_filename


@pytest.mark.parametrize("tags", ["py3-none-any", "cp311.cp312-abi3-manylinux_2_17_x86_64"])
def test_wheels_are_sound(tags: str) -> None:
    filename, data = make_wheel("Foo.Bar", "1.0", tags=tags, build="2", description="Hello", lines=["Requires-Dist: a"])
    assert parse_filename(filename).name == "foo-bar"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        archive.filename = filename
        WheelFile(archive).validate_record()
    assert make_wheel("foo", "1.0") == make_wheel("foo", "1.0")


def test_sdists_are_sound() -> None:
    filename, data = make_sdist("Foo.Bar", "1.0")
    assert filename == "foo_bar-1.0.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
    assert "foo_bar-1.0/PKG-INFO" in names
    assert {name.split("/")[0] for name in names} == {"foo_bar-1.0"}
    assert make_sdist("foo", "1.0") == make_sdist("foo", "1.0")
