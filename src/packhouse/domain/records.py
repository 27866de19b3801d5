# SPDX-License-Identifier: Apache-2.0
"""RECORD of a wheel: every file of the archive with its hash and size, and nothing else."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from packhouse.domain.archive_limits import has_odd_lines
from packhouse.domain.judged import Findings
from packhouse.domain.wording import shown

LARGEST_RECORD = 16 * 1024 * 1024
"""Bytes of RECORD."""

_ALGORITHMS: dict[str, Callable[[], Hash]] = {
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "sha3_256": hashlib.sha3_256,
    "sha3_384": hashlib.sha3_384,
    "sha3_512": hashlib.sha3_512,
    "blake2b": hashlib.blake2b,
    "blake2s": hashlib.blake2s,
}
_MOST_FINDINGS = 5
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


class Hash(Protocol):
    """A running hash."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""

    def digest(self) -> bytes:
        """The digest of the bytes so far."""


@dataclass(frozen=True, slots=True)
class Row:
    """What RECORD says of one file. `size` is None when it does not say."""

    algorithm: str
    digest: str  # as written: base64, URL-safe, no padding
    size: int | None


class Record:
    """The rows of a RECORD, and the comparison with what is in the archive."""

    def __init__(self, raw: bytes, info: str, found: Findings) -> None:
        """Read RECORD of the `.dist-info` directory `info`; what is wrong goes to `found`."""
        self._found = found
        self._reported = 0
        self._exempt = {f"{info}/RECORD", *(f"{info}/{name}" for name in _SIGNATURES)}
        self._seen: set[str] = set()
        self._rows: dict[str, Row] | None = self._read(raw)

    def _read(self, raw: bytes) -> dict[str, Row] | None:
        try:
            text = raw.decode("utf-8")
            rows = list(csv.reader(text.splitlines(), strict=True))
        except (UnicodeDecodeError, csv.Error):
            self._found.fault("record-unreadable", "RECORD is not CSV in UTF-8; build the wheel again.", "content")
            return None
        if has_odd_lines(text):
            self._report("record-unreadable", "it holds a line break that not all programs know")
        read: dict[str, Row] = {}
        for number, cells in enumerate(rows, 1):
            if cells:
                self._read_row(number, cells, read)
        return read

    def _read_row(self, number: int, cells: list[str], read: dict[str, Row]) -> None:
        if len(cells) != 3 or not (
            cells[2] == "" or (cells[2].isascii() and cells[2].isdigit() and len(cells[2]) < 19)
        ):
            self._report("record-unreadable", f"line {number} is not 'path,hash,size'")
            return
        path, spelled, size = cells
        algorithm, _, digest = spelled.partition("=")
        if path in read:
            self._report("record-duplicate", f"{shown(path)} stands twice")
        elif path not in self._exempt and algorithm not in _ALGORITHMS:
            self._report("record-weak-hash", f"{shown(path)} has no hash of sha256 or better")
        read[path] = Row(algorithm, digest, int(size) if size else None)

    def hash_for(self, path: str) -> Hash | None:
        """A new hash of the sort RECORD uses for this file; None when there is nothing to compare."""
        row = self._rows.get(path) if self._rows is not None else None
        return _ALGORITHMS[row.algorithm]() if row and row.algorithm in _ALGORITHMS else None

    def compare(self, path: str, size: int, hashed: Hash | None) -> None:
        """Compare a file of the archive with its row."""
        self._seen.add(path)
        if self._rows is None or path in self._exempt:
            return
        row = self._rows.get(path)
        if row is None:
            self._report("record-incomplete", f"{shown(path)} is in the wheel but not in RECORD")
        elif row.size not in {None, size}:
            self._report("record-wrong-size", f"{shown(path)} has {size} bytes, not {row.size}")
        elif hashed is not None and row.digest.rstrip("=") != _spelled(hashed.digest()):
            self._report("record-wrong-hash", f"{shown(path)} has another hash than RECORD says")

    def finish(self) -> None:
        """Report rows of files that are not in the archive."""
        for path in (self._rows or {}).keys() - self._seen - self._exempt:
            self._report("record-extra", f"{shown(path)} is in RECORD but not in the wheel")
        more = self._reported - _MOST_FINDINGS
        if more > 0:
            self._found.fault("record-more", f"RECORD has {more} further faults; build the wheel again.", "content")

    def _report(self, code: str, what: str) -> None:
        self._reported += 1
        if self._reported <= _MOST_FINDINGS:
            self._found.fault(code, f"RECORD is wrong: {what}; build the wheel again.", "content")


def _spelled(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
