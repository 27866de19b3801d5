# SPDX-License-Identifier: Apache-2.0
"""Filenames (E1 to E4, E16 to E23, hostile 38 to 48)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from packhouse.domain.filenames import SdistFilename, WheelFilename, parse_filename
from packhouse.errors import PackhouseError


def code_of(filename: str) -> str:
    with pytest.raises(PackhouseError) as refused:
        parse_filename(filename)
    assert refused.value.message.isascii()
    assert refused.value.message.isprintable()
    return refused.value.code


def test_sdist() -> None:
    parsed = parse_filename("foo_bar-1.0rc1.tar.gz")
    assert isinstance(parsed, SdistFilename)
    assert (parsed.name, parsed.raw_name, str(parsed.version), parsed.raw_version) == (
        "foo-bar", "foo_bar", "1.0rc1", "1.0rc1",
    )  # fmt: skip
    assert (parsed.packagetype, parsed.python_version) == ("sdist", "source")
    assert parsed.stem == "foo_bar-1.0rc1"
    assert parsed.key == "foo-bar-1rc1.tar.gz"


def test_wheel() -> None:
    parsed = parse_filename("foo_bar-1.0-2b-cp311.cp312-abi3-manylinux_2_17_x86_64.linux_x86_64.whl")
    assert isinstance(parsed, WheelFilename)
    assert (parsed.name, str(parsed.version), parsed.build) == ("foo-bar", "1.0", (2, "b"))
    assert (parsed.packagetype, parsed.python_version) == ("bdist_wheel", "cp311.cp312")
    assert parsed.platforms == ("manylinux_2_17_x86_64", "linux_x86_64")
    assert len(parsed.tags) == 4
    assert Tag("cp312", "abi3", "linux_x86_64") in parsed.tags
    assert parsed.stem == "foo_bar-1.0"
    assert parsed.key == "foo-bar-1-2b-cp311.cp312-abi3-linux_x86_64.manylinux_2_17_x86_64.whl"


@pytest.mark.parametrize("filename", ["foo-1.0-py3-none-any.whl", "foo-1.0+cu121-cp311-cp311-linux_x86_64.whl"])
def test_wheel_without_build_tag(filename: str) -> None:
    parsed = parse_filename(filename)
    assert isinstance(parsed, WheelFilename)
    assert parsed.build == ()
    assert parsed.tags == parse_wheel_filename(filename)[3]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("foo-1.0-py3-none-any.whl", "foo-1.0.0-py3-none-any.whl"),
        ("foo-1.0-py3-none-any.whl", "foo-1.0-PY3-none-any.whl"),
        ("foo-1.0-py2.py3-none-any.whl", "foo-1.0-py3.py2-none-any.whl"),
        ("foo-1.0.tar.gz", "foo-1.tar.gz"),
    ],
)
def test_hostile_63_clash(first: str, second: str) -> None:
    assert parse_filename(first).key == parse_filename(second).key


def test_keys_differ_where_files_do() -> None:
    names = ["foo-1.0-py3-none-any.whl", "foo-1.0-1-py3-none-any.whl", "foo-1.0-2-py3-none-any.whl", "foo-1.0.tar.gz",
             "foo-1.1-py3-none-any.whl", "foo-1.0-py2-none-any.whl"]  # fmt: skip
    assert len({parse_filename(name).key for name in names}) == len(names)


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x1f", "\x7f", "\n", "\r"])
def test_E1_hostile_39_control_characters(character: str) -> None:
    assert code_of(f"foo-1.0{character}-py3-none-any.whl") == "filename-control-character"


@pytest.mark.parametrize(
    "filename",
    ["../../etc/cron.d/x-1.0-py3-none-any.whl", "..\\x-1.0-py3-none-any.whl", "/x-1.0-py3-none-any.whl",
     "C:\\x-1.0-py3-none-any.whl", "//host/share/x-1.0-py3-none-any.whl", "file:///x-1.0-py3-none-any.whl"],
)  # fmt: skip
def test_E2_hostile_38_paths(filename: str) -> None:
    assert code_of(filename) == "filename-with-path"


@pytest.mark.parametrize(
    "filename",
    ["%2e%2e%2fx-1.0-py3-none-any.whl", "..-1.0-py3-none-any.whl", "C:x-1.0-py3-none-any.whl", "CON.whl",
     "foo-1.0-py3-none-any:stream.whl", "x.-1.0-py3-none-any.whl"],
)  # fmt: skip
def test_hostile_38_42_by_grammar(filename: str) -> None:
    assert code_of(filename) == "wheel-filename-invalid"


def test_hostile_41_E28_too_long() -> None:
    assert code_of("a" * 256 + "-1.0-py3-none-any.whl") == "filename-too-long"
    assert code_of("foo-1.0.tar.gz".rjust(247, "a")) == "filename-too-long"


def test_hostile_53_ascii_only() -> None:
    assert code_of("rеquests-1.0.tar.gz") == "filename-not-ascii"


@pytest.mark.parametrize(
    "filename",
    ["foo-1.0.zip", "foo-1.0.tar.bz2", "foo-1.0.tgz", "foo-1.0.TAR.GZ", "foo-1.0-py3-none-any.WHL", "foo-1.0.egg",
     "foo-1.0.exe", "foo", "", "foo-1.0-py3-none-any.whl ", "foo-1.0-py3-none-any.whl."],
)  # fmt: skip
def test_E4_hostile_44_47_I1_extensions(filename: str) -> None:
    assert code_of(filename) == "extension-unknown"


@pytest.mark.parametrize("filename", ["foo.tar.gz", "foo-dog.tar.gz", "-1.0.tar.gz", "foo- 1.0.tar.gz", ".tar.gz"])
def test_E16_invalid_sdist(filename: str) -> None:
    assert code_of(filename) == "sdist-filename-invalid"


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("Some_Thing-1.0.tar.gz", "some_thing-1.0.tar.gz"),
        ("Foo.Bar-1.0.tar.gz", "foo_bar-1.0.tar.gz"),
        ("foo-bar-1.0.tar.gz", "foo_bar-1.0.tar.gz"),
        ("foo-1.0.post01.tar.gz", "foo-1.0.post1.tar.gz"),
        ("foo-v1.0.tar.gz", "foo-1.0.tar.gz"),
        ("foo__bar-1.0.tar.gz", "foo_bar-1.0.tar.gz"),
    ],
)
def test_E18_hostile_44_45_46_I2_exact_sdist_name(filename: str, expected: str) -> None:
    with pytest.raises(PackhouseError, match=f"should be '{expected}'"):
        parse_filename(filename)


@pytest.mark.parametrize(
    "filename",
    ["foo-1.0.whl", "foo-1.0-py3-none.whl", "foo-bar-1.0-1-py3-none-any.whl", "foo-1.0-q-py3-none-any.whl",
     "foo-dog-py3-none-any.whl", "foo-1.0--py3-none-any.whl", "foo-1.0-py3--any.whl", "foo-1.0-py3-none-any..x.whl",
     "-1.0-py3-none-any.whl", "foo-1.0-py3-none-.whl", "foo-1.0-py3.-none-any.whl", "foo-1.0-p y3-none-any.whl",
     "foo-1.0-\u0663-py3-none-any.whl".replace("\u0663", "x3")],
)  # fmt: skip
def test_E20_hostile_47_invalid_wheel(filename: str) -> None:
    assert code_of(filename) == "wheel-filename-invalid"


@pytest.mark.parametrize("filename", ["Some_Thing-1.0-py3-none-any.whl", "foo.bar-1.0-py3-none-any.whl",
                                      "foo__bar-1.0-py3-none-any.whl"])  # fmt: skip
def test_E22_normalized_wheel_name(filename: str) -> None:
    assert code_of(filename) == "wheel-filename-not-normalized"


def test_hostile_48_too_many_tags() -> None:
    pythons = ".".join(f"py{n}" for n in range(20))
    abis = ".".join(f"a{n}" for n in range(20))
    assert code_of(f"foo-1.0-{pythons}-{abis}-a.b.c.whl") == "wheel-filename-invalid"
    assert code_of("foo-1.0-" + ".".join(["py3"] * 40) + "-none-any.whl") == "wheel-filename-invalid"


@given(st.text(st.sampled_from("aB1._-+ \n/é"), max_size=30), st.sampled_from([".whl", ".tar.gz", ""]))
def test_what_passes_is_what_installers_read(stem: str, extension: str) -> None:
    try:
        parsed = parse_filename(stem + extension)
    except PackhouseError:
        return
    if isinstance(parsed, WheelFilename):
        name, version, build, tags = parse_wheel_filename(parsed.filename)
        assert (parsed.build, parsed.tags) == (build, tags)
    else:
        name, version = parse_sdist_filename(parsed.filename)
    assert (str(parsed.name), parsed.version) == (str(name), version)
