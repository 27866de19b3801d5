# SPDX-License-Identifier: Apache-2.0
"""The journal as mirrors and feeds read it: the project entries of one index, oldest first.

The words of the actions are those of the public index's changelog, since mirrors match on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from packhouse.catalogue.models import JournalEntry, Project
from packhouse.catalogue.outlines import Outline, outlines
from packhouse.services.indexes import indexes_below_all
from packhouse.services.journal import PROJECT_FACTS, Fact, last_serial
from packhouse.services.serving import has_policy

LIMIT = 50_000
"""Entries in one answer, as at the public index."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry: display name, version or None, time, action in words, serial."""

    name: str
    version: str | None
    at: datetime
    action: str
    serial: int


def changes_since(index: str, serial: int, now: datetime, limit: int = LIMIT) -> list[Change]:
    """The project entries of an index after `serial`, ascending, without those that name what its rules hide."""
    spelled = Project.objects.filter(name=OuterRef("project")).values("display_name")
    rows = (
        JournalEntry.objects.filter(
            serial__gt=serial, index_name__in=("", *indexes_below_all([index])), kind__in=PROJECT_FACTS
        )
        .exclude(project="")
        .annotate(spelled=Subquery(spelled))
        .order_by("serial")[:limit]
    )
    entries = list(rows)
    known = outlines(index, {row.project for row in entries}, now) if has_policy(index) else {}
    return [
        Change(row.spelled or row.project, row.version or None, row.at, _action(row), row.serial)
        for row in entries
        if not _names_hidden(row, known.get(row.project))
    ]


def _names_hidden(row: JournalEntry, outline: Outline | None) -> bool:
    """Whether an entry names a file that a rule hides now, or a release of which no file is served."""
    if outline is None:
        return False
    return row.version in outline.hidden_versions or row.filename in outline.hidden_files


def newest_serial() -> int:
    """The serial mirrors start from; 0 for an empty journal."""
    return last_serial()


def _action(row: JournalEntry) -> str:
    detail = row.detail or {}
    words = {
        Fact.PROJECT_CREATED: "create",
        Fact.PROJECT_DELETED: "remove project",
        Fact.PROJECT_STATUS: f"{detail.get('status', 'active')} project",
        Fact.RELEASE_NEW: "new release",
        Fact.RELEASE_DELETED: "remove release",
        Fact.FILE_ADDED: f"add {detail.get('python_version', 'file')} file {row.filename}",
        Fact.FILE_DELETED: f"remove file {row.filename}",
        Fact.FILE_PLACED: f"add {detail.get('python_version', 'file')} file {row.filename}",
        Fact.FILE_WITHDRAWN: f"remove file {row.filename}",
        Fact.FILE_PURGED: f"remove file {row.filename}",
        Fact.FILE_YANKED: f"yank file {row.filename}",
        Fact.FILE_UNYANKED: f"unyank file {row.filename}",
        Fact.ROLE_ADDED: f"add {str(detail.get('role', 'role')).capitalize()} {detail.get('user', '')}".strip(),
    }
    return words.get(Fact(row.kind), row.kind)
