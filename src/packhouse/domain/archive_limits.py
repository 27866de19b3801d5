# SPDX-License-Identifier: Apache-2.0
"""What an archive may hold, how its members may be called, and how judging one stops."""

from __future__ import annotations

import re
import unicodedata

from packhouse.domain.wording import shown
from packhouse.errors import Fault

MOST_MEMBERS = 50_000
DEEPEST_PATH = 64  # segments
LONGEST_PATH = 1024  # bytes of UTF-8
LARGEST_RATIO = 50  # unpacked to packed, once over SMALL_ENOUGH
SMALL_ENOUGH = 64 * 1024 * 1024  # bytes unpacked
CHUNK = 256 * 1024  # bytes read or inflated at once

_DEVICES = re.compile(r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|\Z)", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")


class BadArchive(Exception):  # noqa: N818 - it is a finding, not an error of ours
    """The archive can't be read further; carries the fault. Never leaves the judges of archives."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(code, f"{message}; build the file again with a current build tool.", "content")


def check_unpacked(unpacked: int, packed: int, largest: int) -> None:
    """Raise BadArchive when so many bytes out of so many are a bomb, or more than `largest`."""
    if unpacked > SMALL_ENOUGH and unpacked > packed * LARGEST_RATIO:
        raise BadArchive("archive-bomb", f"The archive exceeds a compression ratio of {LARGEST_RATIO}")
    if unpacked > largest:
        raise BadArchive("archive-bomb", f"The archive unpacks to more than {largest} bytes")


def check_path(path: str) -> None:
    """Raise BadArchive unless the member's path (a directory's without its last `/`) is safe on every system."""
    why = _wrong_with_path(path)
    if why:
        raise BadArchive("archive-path", f"The archive holds the path {shown(path)}, which {why}")


def _wrong_with_path(path: str) -> str | None:
    if not path or path.startswith("/") or _DRIVE.match(path):
        return "is empty or absolute"
    if not path.isprintable() or "\\" in path:
        return "holds a backslash or a character that can't be printed"
    if len(path) > LONGEST_PATH // 4 and len(path.encode()) > LONGEST_PATH:
        return f"has over {LONGEST_PATH} bytes"
    segments = path.split("/")
    if len(segments) > DEEPEST_PATH:
        return f"is over {DEEPEST_PATH} directories deep"
    if not all(segments) or "." in segments or ".." in segments:
        return "holds an empty segment, '.' or '..'"
    for segment in segments:
        if segment[-1] in " ." or segment[0] == " ":
            return "holds a segment with a space or a dot at its end"
        if segment[0] in "cCpPaAnNlL" and _DEVICES.match(segment):
            return "holds the name of a device"
    return None


def folded(path: str) -> str:
    """The path as the most forgetful file system would keep it: without case, composed."""
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path.casefold())
