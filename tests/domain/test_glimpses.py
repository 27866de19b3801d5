# SPDX-License-Identifier: Apache-2.0
"""Core metadata out of a few bytes of a wheel: the right ones or none, whatever the archive is made to say."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.corpus import make_metadata, make_wheel
from tests.corpus_zips import Member, deflate, wheel_members, write_zip

from packhouse.domain.archive_limits import BadArchive
from packhouse.domain.glimpses import core_metadata_of

INFO = b"foo-1.0.dist-info/"


class Counted(io.BytesIO):
    """A file that counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def look(data: bytes, name: str = "foo", version: str = "1.0") -> bytes:
    return core_metadata_of(io.BytesIO(data), len(data), name, version)


def wheel_of(members: list[Member]) -> bytes:
    return write_zip(members)


def members_with(metadata: Member) -> list[Member]:
    return [member for member in wheel_members() if member.name != metadata.name] + [metadata]


def test_metadata_come_out_of_the_end_of_a_large_wheel():
    members = wheel_members("foo", "1.0")
    padding = Member(b"foo/data.bin", bytes(range(256)) * 20_000, method=0)
    file = Counted(write_zip([padding, *members]))
    raw = core_metadata_of(file, len(file.getvalue()), "foo", "1.0")
    assert raw == next(member.data for member in members if member.name == INFO + b"METADATA")
    assert file.taken < 100_000


@pytest.mark.parametrize(("spelled", "version"), [("Foo.Bar", "1.0"), ("foo_bar", "1.0.0"), ("FOO-BAR", "1")])
def test_older_spellings_of_name_and_version_are_the_same(spelled: str, version: str):
    metadata = make_metadata(spelled, version)
    _, data = make_wheel("foo-bar", "1.0", metadata=metadata)
    assert look(data, "foo-bar") == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        make_metadata("bar", "1.0"),
        make_metadata("foo", "2.0"),
        b"Name: foo\nVersion: 1.0\n",
        b"\xff\xfe",
        b"",
        b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n" + b"Summary: x\n" * 200_001,
    ],
)
def test_metadata_of_another_release_or_none_are_refused(metadata: bytes):
    with pytest.raises(BadArchive):
        look(wheel_of(members_with(Member(INFO + b"METADATA", metadata))))


def test_a_bomb_is_given_up_at_the_size_it_says():
    packed = deflate(bytes(64 * 1024 * 1024))
    honest = Member(INFO + b"METADATA", b"", packed=packed, local={"size": 64 << 20}, central={"size": 64 << 20})
    lying = Member(INFO + b"METADATA", b"", packed=packed, local={"size": 100}, central={"size": 100})
    for member, words in ((honest, "expected at most"), (lying, "more bytes than its header says")):
        with pytest.raises(BadArchive, match=words):
            look(wheel_of(members_with(member)))


def test_a_directory_too_large_is_not_read():
    members = [*wheel_members(), *(Member(b"foo/%0200d" % number, b"", method=0) for number in range(20_000))]
    file = Counted(wheel_of(members))
    with pytest.raises(BadArchive, match="central directory has"):
        core_metadata_of(file, len(file.getvalue()), "foo", "1.0")
    assert file.taken < 100_000


OTHER = make_metadata("foo", "1.0", summary="another")


@pytest.mark.parametrize(
    "extra",
    [
        Member(INFO + b"METADATA", OTHER),  # twice
        Member(INFO.upper().replace(b"DIST-INFO", b"dist-info") + b"METADATA", OTHER),  # twice for some systems
        Member(b"bar-1.0.dist-info/METADATA", OTHER),  # two directories
        Member(b"foo-1.0.DIST-INFO/METADATA", OTHER),
    ],
)
def test_a_wheel_that_two_programs_may_read_differently_is_refused(extra: Member):
    with pytest.raises(BadArchive):
        look(wheel_of([*wheel_members(), extra]))


@pytest.mark.parametrize(
    "lie",
    [{"crc": 1}, {"size": 10}, {"packed": 10}, {"name": b"foo-1.0.dist-info/METADATB"}, {"method": 0}, {"flags": 1}],
)
@pytest.mark.parametrize("where", ["local", "central"])
def test_a_header_that_lies_is_found_out(lie: dict[str, int | bytes], where: str):
    data = make_metadata("foo", "1.0")
    member = Member(INFO + b"METADATA", data)
    getattr(member, where).update(lie)
    with pytest.raises(BadArchive):
        look(wheel_of(members_with(member)))


def test_an_entry_that_reaches_into_the_next_is_refused():
    members = members_with(Member(INFO + b"METADATA", OTHER, method=0))
    members.append(Member(b"foo/after.py", b"x = 1\n", method=0))
    data = bytearray(wheel_of(members))
    sound = look(bytes(data))
    assert sound == OTHER
    directory = data.rfind(INFO + b"METADATA")  # its central record: the name follows 46 bytes of header
    at = data.find(b"foo/after.py", directory) - 46 + 42
    inside = data.find(OTHER) + 5
    data[at : at + 4] = inside.to_bytes(4, "little")
    with pytest.raises(BadArchive, match="reaches into"):
        look(bytes(data))


@given(st.data())
def test_a_damaged_wheel_gives_the_right_metadata_or_none(draw: st.DataObject):
    _, data = make_wheel("foo", "1.0", description="words " * 50)
    right = look(data)
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        damaged[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        found = look(bytes(damaged[: draw.draw(st.integers(0, len(data)))] if draw.draw(st.booleans()) else damaged))
    except BadArchive:
        return
    assert found == right


def test_it_is_what_the_whole_wheel_says():
    _, data = make_wheel("foo", "1.0", files={"foo/x.py": b"x = 1\n"})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert look(data) == archive.read((INFO + b"METADATA").decode())
