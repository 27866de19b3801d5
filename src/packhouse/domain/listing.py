# SPDX-License-Identifier: Apache-2.0
"""What an index shows: the listings that pages are rendered from.

Values are already judged by policy: what is in a listing is offered. Field meanings follow the simple
repository API (PEP 503, 592, 629, 658, 691, 700, 714, 740, 792).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """Project status markers (PEP 792)."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of a project page.

    `sha256` and `metadata_sha256` are lower-case hex; `size` is in bytes; `upload_time` is aware and in UTC;
    `yanked` is None when not yanked, else the reason, which may be empty (PEP 592). Of an upstream's file: `size` is
    None while nobody said it, `seen_at` is the moment its age counts from, and `notes` are what JSON says of it
    beside the specification, under the names with `_` before them.
    """

    filename: str
    version: str
    sha256: str
    size: int | None
    upload_time: datetime
    requires_python: str | None = None
    metadata_sha256: str | None = None
    yanked: str | None = None
    provenance: str | None = None
    seen_at: datetime | None = None
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectListing:
    """The page of one project on one index at one serial.

    `name` is normalized (PEP 503). `files` and `versions` come sorted: files by (version, filename), versions
    ascending by PEP 440. `serial` is that of the last journal entry about the project.
    """

    name: str
    display_name: str
    serial: int
    files: tuple[ListedFile, ...]
    versions: tuple[str, ...]
    status: Status = Status.ACTIVE
    status_reason: str = ""


@dataclass(frozen=True, slots=True)
class RootEntry:
    """One project of an index's root page; `serial` is that of its last journal entry."""

    name: str
    display_name: str
    serial: int


@dataclass(frozen=True, slots=True)
class RootListing:
    """The root page of an index, entries sorted by normalized name; `serial` is the newest shown."""

    serial: int
    projects: tuple[RootEntry, ...]
