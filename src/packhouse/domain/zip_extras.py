# SPDX-License-Identifier: Apache-2.0
"""Extra fields of ZIP headers (APPNOTE.TXT 4.5): sizes over 4 GiB, and names said a second time."""

from __future__ import annotations

import zlib

from packhouse.domain.archive_limits import BadArchive
from packhouse.domain.wording import shown

NONE32 = 0xFFFFFFFF
"""What a field of 32 bits holds when zip64 says the number."""

_ZIP64, _UNICODE_PATH = 0x0001, 0x7075


def widened(extra: bytes, raw_name: bytes, name: str, values: tuple[int, int, int]) -> tuple[int, int, int]:
    """Size, packed size and offset with what zip64 says of those left open; checks every extra field on the way.

    A local header has no offset, so 0 stands for it. Raises BadArchive.
    """
    fields = _extra_fields(extra) if extra else {}
    if _UNICODE_PATH in fields:
        _check_unicode_path(fields[_UNICODE_PATH], raw_name, name)
    open_ones = [index for index, value in enumerate(values) if value == NONE32]
    wide = fields.get(_ZIP64)
    if wide is None and not open_ones:
        return values
    if wide is None or not open_ones or len(wide) != 8 * len(open_ones):
        raise BadArchive("zip-zip64", f"{shown(name)} has a zip64 field of the wrong size, too many or none")
    widened = list(values)
    for place, index in enumerate(open_ones):
        widened[index] = int.from_bytes(wide[8 * place : 8 * place + 8], "little")
    return widened[0], widened[1], widened[2]


def _extra_fields(extra: bytes) -> dict[int, bytes]:
    """Extra fields by id; they must fill the space exactly."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(extra):
        kind = int.from_bytes(extra[at : at + 2], "little")
        size = int.from_bytes(extra[at + 2 : at + 4], "little")
        data = extra[at + 4 : at + 4 + size]
        if len(extra) - at < 4 or len(data) != size:
            raise BadArchive("zip-extra-field", "An extra field is cut short")
        if kind in fields and kind in {_ZIP64, _UNICODE_PATH}:
            raise BadArchive("zip-extra-field", "An extra field that must stand once stands twice")
        fields[kind] = data
        at += 4 + size
    return fields


def _check_unicode_path(field: bytes, raw_name: bytes, name: str) -> None:
    """The Info-ZIP Unicode path may only repeat the name."""
    same = field[:1] == b"\x01" and field[1:5] == zlib.crc32(raw_name).to_bytes(4, "little")
    if not same or field[5:] != name.encode():
        raise BadArchive("zip-extra-field", f"{shown(name)} has another name in an extra field")
