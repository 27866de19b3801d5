# SPDX-License-Identifier: Apache-2.0
"""Our own wheels with the faults of the archives that the public index's tests name (hostile 67 to 101).

The names are those of the ambiguity collection that index takes its files from; the bytes are made here. Each is a
wheel of the project asked for, sound but for the one thing its name says.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from tests.corpus import make_wheel
from tests.corpus_zips import (
    Member,
    deflate,
    extra_field,
    unicode_path,
    wheel_members,
    write_zip,
    zip64_end,
)

NONE32 = 0xFFFFFFFF
LIBRARIES = ("purelib", "platlib")
Maker = Callable[[str], bytes]


def altered(name: str, **changes: object) -> list[Member]:
    """The members of a sound wheel, but for fields of the first."""
    members = wheel_members(name)
    for field, value in changes.items():
        setattr(members[0], field, value)
    return members


def plain(name: str) -> bytes:
    return write_zip(wheel_members(name))


def _zip64_extra(name: str) -> bytes:
    """The packed size alone is left to zip64, in both headers."""
    packed = extra_field(1, struct.pack("<Q", len(wheel_members(name)[0].stored())))
    lies: dict[str, int | bytes] = {"packed": NONE32, "extra": packed}
    return write_zip(altered(name, local=lies, central=lies))


def _timestamps(name: str) -> bytes:
    long, short = b"\x03" + bytes(8), b"\x03" + bytes(4)
    lies: tuple[dict[str, int | bytes], ...] = (
        {"extra": extra_field(0x5455, long)},
        {"extra": extra_field(0x5455, short)},
    )
    return write_zip(altered(name, local=lies[0], central=lies[1]))


def _zip64_eocd(name: str) -> bytes:
    return write_zip(wheel_members(name), before_end=zip64_end, end={"offset": NONE32, "size": NONE32})


ACCEPT: dict[str, Maker] = {
    "comment": lambda name: write_zip(wheel_members(name), comment=b"a plain comment"),
    "deflate": plain,
    "normal_deflate": plain,
    "normal_deflate_zip64_extra": _zip64_extra,
    "store": lambda name: write_zip(altered(name, method=0)),
    "subdir": lambda name: write_zip(wheel_members(name, "1.0", _directory(name))),
    "zip64_eocd": _zip64_eocd,
    "built_by_zipfile": lambda name: make_wheel(name, "1.0")[1],
    "timestamps_differ_in_length": _timestamps,
    "same_unicode_extra": lambda name: write_zip(
        altered(name, extra=unicode_path(wheel_members(name)[0].name, wheel_members(name)[0].name))
    ),
}


def _directory(name: str) -> Member:
    return Member(f"{name.replace('-', '_')}/sub/".encode(), method=0, attributes=0o40755 << 16 | 0x10)


def _descriptor(
    name: str, *, crc: int = 0, more: tuple[int, int] = (0, 0), signed: bool = True, wide: bool = False, **crcs: int
) -> bytes:
    """The first member's sizes stand behind its data; `crc` and `more` are added to what is true."""
    first = wheel_members(name)[0]
    told = crcs.get("said", zlib.crc32(first.data) + crc)
    sizes = len(first.stored()) + more[0], len(first.data) + more[1]
    body = struct.pack("<LQQ" if wide else "<LLL", told & NONE32, *sizes)
    local: dict[str, int | bytes] = {"flags": 8, "crc": 0, "packed": 0, "size": 0}
    if wide:
        local["extra"] = extra_field(1, b"")
    return write_zip(altered(name, descriptor=(b"PK\x07\x08" if signed else b"") + body, local=local))


def _extra_both(name: str, extra: bytes, **fields: int) -> bytes:
    lies: dict[str, int | bytes] = {**fields, "extra": extra}
    return write_zip(altered(name, local=lies, central=lies))


def _size_of(name: str) -> tuple[int, int]:
    first = wheel_members(name)[0]
    return len(first.data), len(first.stored())


def _zip64_lie(name: str, field: str) -> bytes:
    """zip64 says one byte too many of the size, or of the packed size."""
    size, packed = _size_of(name)
    lie = {"size": size, "packed": packed}[field] + 1
    return _extra_both(name, extra_field(1, struct.pack("<Q", lie)), **{field: NONE32})


def _non_ascii(name: str) -> bytes:
    """A name in some old code page, and the real one in an extra field."""
    odd = Member(b"\x8a.txt", b"x", extra=unicode_path(b"\x8a.txt", "\u00e8.txt".encode()))
    return write_zip([*wheel_members(name), odd])


def _chain(name: str, *parts: tuple[bytes | None, bytes]) -> bytes:
    raw = wheel_members(name)[0].name
    return write_zip(
        altered(name, extra=b"".join(unicode_path(raw if true else b"other", said) for true, said in parts))
    )


def _without_last(name: str, size: int) -> bytes:
    whole = write_zip(wheel_members(name), before_end=zip64_end)
    return whole[:-size]


def _non_locator(name: str) -> bytes:
    def before(count: int, size: int, offset: int) -> bytes:
        return zip64_end(count, size, offset)[:-20] + b"NO" + bytes(18)

    return write_zip(wheel_members(name), before_end=before, end={"offset": NONE32})


def _without_locator(name: str) -> bytes:
    return write_zip(
        wheel_members(name), before_end=lambda *place: zip64_end(*place)[:-20], end={"offset": NONE32, "size": NONE32}
    )


def _extensible(name: str) -> bytes:
    def before(count: int, size: int, offset: int) -> bytes:
        made = zip64_end(count, size, offset, record={"size": 44 + 20})
        return made[:56] + struct.pack("<HL", 0x10, 14) + bytes(14) + made[56:]

    return write_zip(wheel_members(name), before_end=before, end={"offset": NONE32, "size": NONE32})


def _confusion(name: str) -> bytes:
    """The zip64 end record claims to reach over its own locator, to a second one inside the archive's comment."""
    other = write_zip([Member(b"second.py", b"BOOM = 1\n")], before_end=zip64_end)

    def before(count: int, size: int, offset: int) -> bytes:
        return zip64_end(count, size, offset, record={"size": 44 + 42 + len(other) - 42})

    return write_zip(wheel_members(name), before_end=before, comment=other, end={"offset": NONE32, "size": NONE32})


def _missing_local(name: str) -> bytes:
    return write_zip([*wheel_members(name), Member(b"missing.py", b"x", present=False)])


def _duplicate(name: str) -> bytes:
    first = wheel_members(name)[0]
    return write_zip([*wheel_members(name), Member(first.name, b"BOOM = 1\n")])


def _data(name: str) -> str:
    return f"{name.replace('-', '_')}-1.0.data"


def _short_usize(name: str, *, wide: bool) -> bytes:
    """The headers say fewer bytes than the data inflates to; with `wide`, zip64 knows better."""
    first = wheel_members(name)[0]
    lies: dict[str, int | bytes] = {"size": 3}
    if wide:
        lies["extra"] = extra_field(1, struct.pack("<QQ", len(first.data), len(first.stored())))
    return write_zip(altered(name, local=lies, central=lies))


def _reordered(name: str) -> bytes:
    """All members lie end to end, but the central directory lists the last one first."""
    data = plain(name)
    size, start = struct.unpack_from("<LL", data, len(data) - 10)
    directory = data[start : start + size]
    last = directory.rfind(b"PK\x01\x02")
    return data[:start] + directory[last:] + directory[:last] + data[start + size :]


REJECT: dict[str, Maker] = {
    "8bitcomment": lambda name: write_zip(wheel_members(name), comment=b"caf\xe9" + write_zip([Member(b"x", b"y")])),
    "cd_comment": lambda name: write_zip(altered(name, comment=b"about a file")),
    "cd_extra_entry": lambda name: write_zip(
        [*wheel_members(name), Member(b"twice.py", b"x", present=False, central={"offset": 0})]
    ),
    "cd_missing_entry": lambda name: write_zip(altered(name, listed=False)),
    "data_descriptor": _descriptor,
    "data_descriptor_bad_crc": lambda name: _descriptor(name, crc=1),
    "data_descriptor_bad_crc_0": lambda name: _descriptor(name, said=0),
    "data_descriptor_bad_csize": lambda name: _descriptor(name, more=(1, 0)),
    "data_descriptor_bad_usize": lambda name: _descriptor(name, more=(0, 1)),
    "data_descriptor_bad_usize_no_sig": lambda name: _descriptor(name, more=(0, 1), signed=False),
    "data_descriptor_zip64": lambda name: _descriptor(name, wide=True),
    "data_descriptor_zip64_csize": lambda name: _descriptor(name, wide=True, more=(1, 0)),
    "data_descriptor_zip64_usize": lambda name: _descriptor(name, wide=True, more=(0, 1)),
    "dupe_eocd": lambda name: plain(name) + plain(name)[-22:],
    "eocd64_locator_mismatch": lambda name: write_zip(
        wheel_members(name), before_end=lambda *place: zip64_end(*place, locator={"offset": 1})
    ),
    "eocd64_non_locator": _non_locator,
    "eocd64_without_eocd": lambda name: _without_last(name, 22),
    "eocd64_without_locator": _without_locator,
    "missing_local_file": _missing_local,
    "extra3byte": lambda name: write_zip(altered(name, extra=b"abc")),
    "non_ascii_original_name": _non_ascii,
    "not": lambda name: f"{name} is no archive. ".encode() * 100,
    "prefix": lambda name: write_zip(wheel_members(name), prefix=b"XXXX"),
    "second_unicode_extra": lambda name: _chain(name, (b"1", b"first.py"), (b"1", b"second.py")),
    "shortextra": lambda name: write_zip(altered(name, extra=struct.pack("<HH", 0x7075, 9) + b"12345")),
    "suffix_not_comment": lambda name: write_zip(wheel_members(name), suffix=b"XXXX"),
    "unicode_extra_chain": lambda name: _chain(name, (b"1", b"a.py"), (None, b"ignored"), (b"1", b"b.py")),
    "wheel-1.0-py3-none-any.whl": _duplicate,
    "zip64_eocd_confusion": _confusion,
    "zip64_eocd_extensible_data": _extensible,
    "zip64_extra_csize": lambda name: _zip64_lie(name, "packed"),
    "zip64_extra_too_long": lambda name: _extra_both(
        name, extra_field(1, struct.pack("<QH", _size_of(name)[0], 0)), size=NONE32
    ),
    "zip64_extra_too_short": lambda name: _extra_both(
        name, extra_field(1, struct.pack("<Q", _size_of(name)[0])), size=NONE32, packed=NONE32
    ),
    "zip64_extra_usize": lambda name: _zip64_lie(name, "size"),
    "zipinzip": lambda name: write_zip(wheel_members(name), comment=write_zip([Member(b"inner.py", b"x")])),
    # Beyond that list, of the same kind.
    "short_usize": lambda name: _short_usize(name, wide=False),
    "short_usize_zip64": lambda name: _short_usize(name, wide=True),
    "trailing_slash_payload": lambda name: write_zip([*wheel_members(name), Member(b"hidden/", b"x" * 9)]),
    "directory_hides_deflated_bytes": lambda name: write_zip(
        [*wheel_members(name), Member(b"hidden/", b"", packed=b"\x00\x00\x00\xff\xff" * 9 + b"\x03\x00")]
    ),
    "cd_other_order": _reordered,
    "version_needed_99": lambda name: write_zip(altered(name, local={"version": 99}, central={"version": 99})),
    "version_needed_99_locally": lambda name: write_zip(altered(name, local={"version": 99})),
    "dos_directory_attribute": lambda name: write_zip(altered(name, attributes=0x10)),
    "dos_volume_label": lambda name: write_zip(altered(name, attributes=0x08)),
    "two_deflate_streams": lambda name: write_zip(
        altered(name, packed=deflate(wheel_members(name)[0].data) + deflate(b"x"))
    ),
    "utf8_flag_locally_only": lambda name: write_zip(altered(name, local={"flags": 0x800})),
    "second_dist_info_is_a_directory": lambda name: write_zip(
        [*wheel_members(name), Member(b"other-1.0.dist-info/", method=0, attributes=0o40755 << 16)]
    ),
    "data_installed_over_a_module": lambda name: write_zip(
        wheel_members(name, "1.0", Member(f"{_data(name)}/purelib/{name.replace('-', '_')}/__init__.py".encode(), b"x"))
    ),
    "data_installed_twice": lambda name: write_zip(
        wheel_members(name, "1.0", *[Member(f"{_data(name)}/{lib}/a.py".encode(), b"x") for lib in LIBRARIES])
    ),
    "data_installed_as_metadata": lambda name: write_zip(
        wheel_members(name, "1.0", Member(f"{_data(name)}/platlib/other-1.0.dist-info/METADATA".encode(), b"x"))
    ),
    "alternate_data_stream": lambda name: write_zip([*wheel_members(name), Member(b"x.py:hidden", b"x")]),
    "segment_of_256_bytes": lambda name: write_zip([*wheel_members(name), Member(b"x" * 256, b"x")]),
    "names_equal_once_decomposed": lambda name: write_zip(
        [
            *wheel_members(name),
            Member("\u1fb3.txt".encode(), b"x", flags=0x800),
            Member("\u03b1\u0345.txt".encode(), b"y", flags=0x800),
        ]
    ),
    "RECORD_with_a_line_separator": lambda name: _with_record(name, "\u2028"),
    "RECORD_with_a_bare_carriage_return": lambda name: _with_record(name, "\r"),
}  # fmt: skip


def _with_record(name: str, line_break: str) -> bytes:
    """Some readers find two rows where others find one."""
    members = wheel_members(name)
    members[-1].data = members[-1].data.decode().replace("\n", line_break, 1).encode()
    return write_zip(members)
