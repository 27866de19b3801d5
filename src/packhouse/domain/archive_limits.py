# SPDX-License-Identifier: Apache-2.0
"""What an archive may hold, how its members may be called, and how judging one stops."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from packhouse.domain.wording import shown
from packhouse.errors import Fault

MOST_MEMBERS = 50_000
DEEPEST_PATH = 64  # segments
LONGEST_PATH = 1024  # bytes of UTF-8
LONGEST_SEGMENT = 255  # bytes of UTF-8: what the usual file systems keep
LARGEST_RATIO = 50  # unpacked to packed, once over SMALL_ENOUGH
SMALL_ENOUGH = 64 * 1024 * 1024  # bytes unpacked
CHUNK = 256 * 1024  # bytes read or inflated at once

_DEVICES = re.compile(r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|\Z)", re.IGNORECASE)
_ODD_BREAK = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]|\r(?!\n)")
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
    if not path.isprintable() or "\\" in path or ":" in path:
        return "holds a backslash, a colon or a character that can't be printed"
    if len(path) > LONGEST_PATH // 4 and len(path.encode()) > LONGEST_PATH:
        return f"has over {LONGEST_PATH} bytes"
    segments = path.split("/")
    if len(segments) > DEEPEST_PATH:
        return f"is over {DEEPEST_PATH} directories deep"
    if not all(segments) or "." in segments or ".." in segments:
        return "holds an empty segment, '.' or '..'"
    for segment in segments:
        if len(segment) > LONGEST_SEGMENT // 4 and len(segment.encode()) > LONGEST_SEGMENT:
            return f"holds a segment of over {LONGEST_SEGMENT} bytes"
        if segment[-1] in " ." or segment[0] == " ":
            return "holds a segment with a space or a dot at its end"
        if segment[0] in "cCpPaAnNlL" and _DEVICES.match(segment):
            return "holds the name of a device"
    return None


def folded(path: str) -> str:
    """The path as the most forgetful file system would keep it: without case, composed."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def parents_of(paths: Iterable[str]) -> set[str]:
    """All directories above these paths."""
    parents: set[str] = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent and parent not in parents:
            parents.add(parent)
            parent = parent.rpartition("/")[0]
    return parents


def has_odd_lines(text: str) -> bool:
    """Whether some readers would see line breaks in the text that others don't: all but CR LF and LF."""
    return _ODD_BREAK.search(text) is not None
