# SPDX-License-Identifier: Apache-2.0
"""What must be in a wheel, and agree with its filename (E14, E19 to E27, hostile 112 to 120, I4 to I10)."""

from __future__ import annotations

import io
from typing import Any

import pytest
from tests.corpus import make_metadata, make_record, make_wheel, make_wheel_file, make_zip, record_hash

from packhouse.domain.archives import ArchiveVerdict, judge_archive
from packhouse.domain.filenames import parse_filename
from packhouse.domain.policy import PRIVATE, STRICT, Profile

INFO = "foo-1.0.dist-info"
METADATA = make_metadata("foo", "1.0")
MEMBERS = {"foo/__init__.py": b"x = 1\n", f"{INFO}/METADATA": METADATA, f"{INFO}/WHEEL": make_wheel_file()}


def judge(made: tuple[str, bytes], profile: Profile = PRIVATE) -> ArchiveVerdict:
    verdict = judge_archive(io.BytesIO(made[1]), parse_filename(made[0]), profile)
    for found in (*verdict.faults, *verdict.warnings):
        assert found.message.isascii()
        assert found.message.isprintable()
    return verdict


def codes(made: tuple[str, bytes], profile: Profile = PRIVATE) -> list[str]:
    return [fault.code for fault in judge(made, profile).faults]


def warned(made: tuple[str, bytes], profile: Profile = PRIVATE) -> list[str]:
    verdict = judge(made, profile)
    assert not verdict.faults
    return [warning.code for warning in verdict.warnings]


def wheel_with_record(record: bytes) -> tuple[str, bytes]:
    return "foo-1.0-py3-none-any.whl", make_zip(MEMBERS | {f"{INFO}/RECORD": record})


SOUND = make_record(MEMBERS, f"{INFO}/RECORD")
SHA256 = record_hash(b"x = 1\n").encode()


def hashed_by(algorithm: str) -> bytes:
    return SOUND.replace(SHA256, record_hash(b"x = 1\n", algorithm).encode())


# The layout


def test_hostile_112_no_dist_info() -> None:
    found = codes(("foo-1.0-py3-none-any.whl", make_zip({"foo/__init__.py": b""})))
    assert found == ["wheel-missing", "record-missing", "metadata-missing"]


@pytest.mark.parametrize(
    "other", ["bar-1.0.dist-info", "foo-2.0.dist-info", "Foo-1.0.dist-info", "foo-1.0.DIST-INFO", "foo.dist-info"]
)
def test_hostile_112_E14_another_dist_info(other: str) -> None:
    made = make_wheel("foo", "1.0", files={f"{other}/METADATA" if other.lower() != INFO else f"{other}/X": METADATA})
    assert codes(made) in (["dist-info-mismatch"], ["archive-duplicate-member"])
    renamed = "foo-1.0-py3-none-any.whl", make_wheel("bar", "1.0")[1]
    assert "dist-info-mismatch" in codes(renamed)


@pytest.mark.parametrize(
    ("left_out", "code"), [("METADATA", "metadata-missing"), ("WHEEL", "wheel-missing"), ("RECORD", "record-missing")]
)
def test_hostile_113_E24_E27_missing(left_out: str, code: str) -> None:
    assert codes(make_wheel("foo", "1.0", without=[left_out])) == [code]


def test_hostile_113_metadata_as_directory() -> None:
    made = make_wheel("foo", "1.0", without=["METADATA"], files={f"{INFO}/METADATA/x": b""})
    assert codes(made) == ["metadata-missing"]


def test_hostile_113_decision_5_metadata_of_3_mb() -> None:
    made = make_wheel("foo", "1.0", description="x" * (3 << 20))
    assert codes(made) == ["archive-member-too-large"]


def test_empty_metadata() -> None:
    assert "metadata-version-invalid" in codes(make_wheel("foo", "1.0", metadata=b""))


@pytest.mark.parametrize("path", ["foo-1.0.data/purelib/foo.py", "foo-1.0.data/scripts/x", "foo-1.0.data/data/a/b"])
def test_data_directory(path: str) -> None:
    assert codes(make_wheel("foo", "1.0", files={path: b"x"})) == []


@pytest.mark.parametrize("path", ["foo-1.0.data/unknown/x", "foo-1.0.data/x", "foo-1.0.data/Scripts/x"])
def test_hostile_117_unknown_data(path: str) -> None:
    assert codes(make_wheel("foo", "1.0", files={path: b"x"})) == ["data-directory-invalid"]


@pytest.mark.parametrize("path", ["foo-2.0.data/data/x", "bar-1.0.data/scripts/x"])
def test_another_data_directory(path: str) -> None:
    assert codes(make_wheel("foo", "1.0", files={path: b"x"})) == ["data-directory-mismatch"]


def test_hostile_117_traversal() -> None:
    assert codes(make_wheel("foo", "1.0", files={"foo-1.0.data/scripts/../../x": b""})) == ["archive-path"]


# RECORD


RECORDS: dict[str, tuple[str, bytes]] = {
    "missing-row": ("record-incomplete", b"\n".join(SOUND.splitlines()[1:])),
    "extra-row": ("record-extra", SOUND + b"foo/ghost.py,sha256=abc,3\n"),
    "wrong-hash": ("record-wrong-hash", SOUND.replace(SHA256, b"sha256=" + b"A" * 43)),
    "hash-in-hex": ("record-wrong-hash", SOUND.replace(SHA256, b"sha256=" + b"ab" * 32)),
    "wrong-size": ("record-wrong-size", SOUND.replace(b",6\n", b",7\n")),
    "md5": ("record-weak-hash", hashed_by("md5")),
    "sha1": ("record-weak-hash", hashed_by("sha1")),
    "no-hash": ("record-weak-hash", SOUND.replace(SHA256, b"")),
    "unknown-hash": ("record-weak-hash", SOUND.replace(b"sha256=", b"sha257=", 1)),
    "shake": ("record-weak-hash", SOUND.replace(b"sha256=", b"shake_128=", 1)),
    "duplicate-row": ("record-duplicate", SOUND.splitlines(keepends=True)[0] + SOUND),
    "dotted-path": ("record-extra", SOUND + b"../x,sha256=abc,1\n"),
    "two-columns": ("record-unreadable", SOUND + b"foo/x,sha256=abc\n"),
    "size-not-a-number": ("record-unreadable", SOUND + b"foo/x,sha256=abc,many\n"),
    "size-of-other-digits": ("record-unreadable", SOUND + "foo/x,sha256=abc,٣\n".encode()),
    "not-csv": ("record-unreadable", b'foo,"a"b,c\n'),
    "nul": ("record-unreadable", SOUND + b"\x00"),
    "not-utf8": ("record-unreadable", SOUND + b"\xff,,\n"),
    "empty": ("record-incomplete", b""),
}


@pytest.mark.parametrize("case", RECORDS)
def test_hostile_114_E24_E25_I4_record(case: str) -> None:
    code, record = RECORDS[case]
    assert codes(wheel_with_record(record))[0] == code


@pytest.mark.parametrize(
    "record",
    [
        SOUND, SOUND.replace(b"\n", b"\r\n"), b"\n".join(SOUND.splitlines()[:-1]), SOUND.replace(b",6\n", b",\n"),
        hashed_by("sha512"),
        SOUND.replace(b",6\n", b"=,6\n"),
    ],
    ids=["plain", "crlf", "without-itself", "without-size", "sha512", "padded"],
)  # fmt: skip
def test_records_that_pass(record: bytes) -> None:
    assert codes(wheel_with_record(record)) == []


def test_I17_signatures_are_exempt() -> None:
    members = MEMBERS | {f"{INFO}/RECORD": SOUND, f"{INFO}/RECORD.jws": b"{}", f"{INFO}/RECORD.p7s": b"x"}
    assert codes(("foo-1.0-py3-none-any.whl", make_zip(members))) == []


def test_many_faults_of_a_record_are_counted() -> None:
    found = judge(wheel_with_record(SOUND + b"".join(b"ghost%d,sha256=a,1\n" % n for n in range(50)))).faults
    assert [fault.code for fault in found] == ["record-extra"] * 5 + ["record-more"]
    assert "45 further" in found[-1].message


# WHEEL


@pytest.mark.parametrize(
    ("wheel", "code"),
    [
        (make_wheel_file(version="2.0"), "wheel-version-unknown"),
        (make_wheel_file(version="1"), "wheel-version-unknown"),
        (make_wheel_file(version="x"), "wheel-version-unknown"),
        (make_wheel_file().replace(b"Wheel-Version: 1.0\n", b""), "wheel-version-unknown"),
        (make_wheel_file() + b"Wheel-Version: 1.0\n", "wheel-version-unknown"),
        (make_wheel_file("py2-none-any"), "wheel-tags-mismatch"),
        (make_wheel_file("py2.py3-none-any"), "wheel-tags-mismatch"),
        (make_wheel_file().replace(b"Tag: py3-none-any\n", b""), "wheel-tags-mismatch"),
        (make_wheel_file().replace(b"Tag: py3-none-any", b"Tag: py3"), "wheel-tags-mismatch"),
        (b"\xff", "wheel-file-invalid"),
        (b"no colon\n", "wheel-file-invalid"),
        (b" Wheel-Version: 1.0\n", "wheel-file-invalid"),
    ],
)
def test_hostile_115_wheel_file(wheel: bytes, code: str) -> None:
    assert codes(make_wheel("foo", "1.0", wheel=wheel)) == [code]


@pytest.mark.parametrize(
    "wheel",
    [
        make_wheel_file().replace(b"true", b"perhaps"),
        make_wheel_file(build="7"),
        make_wheel_file(version="1.9"),
    ],
)
def test_hostile_115_wheel_file_warnings(wheel: bytes) -> None:
    assert warned(make_wheel("foo", "1.0", wheel=wheel)) == ["wheel-file-odd"]


def test_compressed_tags_and_build() -> None:
    assert warned(make_wheel("foo", "1.0", tags="cp311.cp312-abi3-win32.win_amd64", build="3x")) == []
    compact = make_wheel_file().replace(b"py3-none-any", b"py2.py3-none-any")
    assert warned(make_wheel("foo", "1.0", tags="py2.py3-none-any", wheel=compact)) == []


# entry_points.txt


def entry_points(text: str | bytes) -> tuple[str, bytes]:
    raw = text if isinstance(text, bytes) else text.encode()
    return make_wheel("foo", "1.0", files={f"{INFO}/entry_points.txt": raw})


@pytest.mark.parametrize(
    "text",
    [
        "[console_scripts]\nfoo = foo:main\nfoo-2.x = foo:main [extra]\n",
        "[a.b]\nwith: colon = x:y\nUPPER = x:y\nupper = x:z\n[gui_scripts]\n",
        "",
        "# only a comment\n",
    ],
)
def test_E26_entry_points(text: str) -> None:
    assert codes(entry_points(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        b"\xff", "foo = bar\n", "[console_scripts]\nfoo\n", "[console_scripts]\na = b\na = c\n", "[a]\nx=y\n[a]\nx=z\n",
        "[console_scripts]\na;rm -rf = x:y\n", "[console_scripts]\n../x = x:y\n", "[console_scripts]\n.. = x:y\n",
        "[gui_scripts]\na/b = x:y\n", "[console_scripts]\n$(x) = x:y\n", "[console_scripts]\n. = x:y\n", "[unclosed\n",
    ],
)  # fmt: skip
def test_E26_hostile_116_entry_points(text: str | bytes) -> None:
    assert codes(entry_points(text)) == ["entry-points-invalid"]


# Licences, platforms, code at start


def test_E19_hostile_119_I10_licence_files() -> None:
    lines = ["License-File: LICENSE", "License-File: a/COPYING"]
    assert codes(make_wheel("foo", "1.0", lines=lines)) == ["license-file-missing"] * 2
    there = {f"{INFO}/licenses/LICENSE": b"x", f"{INFO}/licenses/a/COPYING": b"x"}
    assert codes(make_wheel("foo", "1.0", lines=lines, files=there)) == []
    assert warned(make_wheel("foo", "1.0", lines=lines, metadata_version="2.1")) == ["license-file-early"] * 1


def test_I15_unknown_sboms_are_tolerated() -> None:
    assert warned(make_wheel("foo", "1.0", files={f"{INFO}/sboms/x.json": b"{"})) == []


LISTED = """
any win32 win_arm64 win_amd64 win_ia64 manylinux1_x86_64 manylinux1_i686 manylinux2010_x86_64
manylinux2014_aarch64 manylinux2014_ppc64 linux_armv6l linux_armv7l manylinux_2_17_x86_64
manylinux_2_39_riscv64 manylinux_2_17_ppc64 musllinux_1_2_aarch64 macosx_10_9_x86_64 macosx_10_15_universal2
macosx_11_0_arm64 macosx_15_0_arm64 macosx_26_0_arm64 ios_13_0_arm64_iphoneos ios_17_2_x86_64_iphonesimulator
android_21_arm64_v8a pyemscripten_2025_0_wasm32
"""
UNLISTED = """
linux_x86_64 linux_aarch64 macosx_9_2_x86_64 macosx_11_2_arm64 macosx_27_0_arm64 macosx_10_15_amd64
musllinux_1_2_ppc64 manylinux2014_riscv64 win64 anything emscripten_3_1_58_wasm32 manylinux_2_17_x86
"""


@pytest.mark.parametrize("platform", LISTED.split())
def test_E21_I5_I6_listed_platforms(platform: str) -> None:
    assert warned(make_wheel("foo", "1.0", tags=f"cp312-abi3-{platform}"), STRICT) == []


@pytest.mark.parametrize("platform", UNLISTED.split())
def test_E21_hostile_120_I5_unlisted_platforms(platform: str) -> None:
    made = make_wheel("foo", "1.0", tags=f"cp312-abi3-{platform}")
    assert codes(made, STRICT) == ["platform-unlisted"]
    assert warned(made) == ["platform-unlisted"]


def test_I7_interpreters_and_abis_are_free() -> None:
    assert warned(make_wheel("foo", "1.0", tags="cp315t-abi3.abi3t-any"), STRICT) == []


@pytest.mark.parametrize(
    ("path", "data", "flagged"),
    [
        ("foo.pth", b"import os\n", True), ("foo.pth", b"import\tos\n", True), ("foo.pth", b"src\n", False),
        ("foo-1.0.data/purelib/x.pth", b"x\nimport os\n", True), ("foo-1.0.data/platlib/sitecustomize.py", b"", True),
        ("sitecustomize.py", b"", True), ("usercustomize.py", b"", True), ("foo/sitecustomize.py", b"", False),
        ("foo/x.pth", b"import os", False), ("big.pth", b"#" * 70_000, True),
    ],
)  # fmt: skip
def test_hostile_118_startup_code_is_flagged(path: str, data: bytes, flagged: bool) -> None:
    made = make_wheel("foo", "1.0", files={path: data})
    assert warned(made) == ["startup-code"] * flagged
    refusing = Profile(allow_startup_code=False)
    assert codes(made, refusing) == ["startup-code"] * flagged


# Agreement with the filename


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"metadata": make_metadata("bar", "1.0")}, ["filename-name-mismatch"]),
        ({"metadata": make_metadata("foo", "6.6.6")}, ["filename-version-mismatch"]),
        ({"metadata": make_metadata("bar", "6.6.6")}, ["filename-name-mismatch", "filename-version-mismatch"]),
        ({"metadata": make_metadata("Foo", "1.0.0")}, []),
    ],
)
def test_E17_E23_hostile_43(changes: dict[str, Any], expected: list[str]) -> None:
    assert codes(make_wheel("foo", "1.0", **changes)) == expected


def test_all_faults_are_found_together() -> None:
    made = make_wheel(
        "foo",
        "1.0",
        tags="cp312-cp312-linux_x86_64",
        metadata=make_metadata("bar", "1.0", lines=["Requires-Python: abc", "License-File: X"]),
        wheel=make_wheel_file(version="2.0"),
        record=SOUND,
    )
    assert codes(made, STRICT) == [
        "requires-python-invalid",
        "platform-unlisted",
        "filename-name-mismatch",
        "license-file-missing",
        "wheel-version-unknown",
        "wheel-tags-mismatch",
        "record-wrong-size",
        "record-wrong-size",
        "record-wrong-hash",
    ]
