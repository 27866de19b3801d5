# SPDX-License-Identifier: Apache-2.0
"""Downloads: written down in batches, read for pages and documents, thinned out when they are old.

They are counted by the index asked, so that nobody learns of an index what it does not show them: the numbers of a
project on `main` are of what was taken through `main`. All of it is in the activity database, away from the pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import Sum

from packhouse.catalogue.activity.models import FileDownloads, ProjectDownloads, ProjectTotal
from packhouse.catalogue.models import File, UpstreamFile
from packhouse.catalogue.outlines import outlines
from packhouse.domain.downloads import KEPT, DayCount, Downloads, first_day, gather
from packhouse.domain.pulled import parts_of
from packhouse.services import upstream_projects
from packhouse.services.resources import Resources
from packhouse.storage.tally import Key

ALIAS = "activity"
WHOLE = ""
"""Stands for a project's name where all projects of an index are meant."""
TOP = 50
LOOKED_AT = 200
"""Projects among which the `TOP` that are shown now are looked for."""
BATCH = 500

_EPOCH = date(1970, 1, 1)
NEVER = date.max
"""Where the window of a project begins that has no downloads in it: so it is looked at no more."""

_FILES = """
    INSERT INTO activity_filedownloads (index_name, project, version, filename, day, count)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (index_name, filename, day) DO UPDATE SET count = activity_filedownloads.count + excluded.count"""
_PROJECTS = """
    INSERT INTO activity_projectdownloads (index_name, project, day, installer, python, count)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (index_name, project, day, installer, python)
    DO UPDATE SET count = activity_projectdownloads.count + excluded.count"""
_TOTALS = """
    INSERT INTO activity_projecttotal (index_name, project, since, month, total) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (index_name, project) DO UPDATE
    SET month = activity_projecttotal.month + excluded.month, total = activity_projecttotal.total + excluded.total,
    since = CASE WHEN activity_projecttotal.month = 0 THEN excluded.since ELSE activity_projecttotal.since END"""


def keep(counts: Mapping[Key, int]) -> None:
    """Add what was counted to what is written down: all of it, or none and an error of the database.

    A file that no row names (it can't be downloaded, but for one deleted a moment ago) is passed over.
    """
    known = _of_files({key.filename for key in counts})
    files, projects, totals = Counter[Any](), Counter[Any](), Counter[Any]()
    newest = _EPOCH
    for key, count in counts.items():
        if key.filename not in known:
            continue
        project, version = known[key.filename]
        day = _EPOCH + timedelta(days=key.day)
        newest = max(newest, day)
        files[key.index_name, project, version, key.filename, day.isoformat()] += count
        totals[key.index_name, project] += count
        for name in (project, WHOLE):
            projects[key.index_name, name, day.isoformat(), key.installer, key.python] += count
    since = first_day(newest).isoformat()
    with transaction.atomic(using=ALIAS), connections[ALIAS].cursor() as cursor:  # sorted: two writers never wait
        cursor.executemany(_FILES, [(*key, count) for key, count in sorted(files.items())])  # for one another
        cursor.executemany(_PROJECTS, [(*key, count) for key, count in sorted(projects.items())])
        cursor.executemany(_TOTALS, [(*key, since, count, count) for key, count in sorted(totals.items())])


def _of_files(filenames: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Filename -> its project's name and its version."""
    wanted, known = sorted(filenames), {}
    for start in range(0, len(wanted), BATCH):
        rows = File.objects.filter(filename__in=wanted[start : start + BATCH])
        for filename, project, version in rows.values_list("filename", "project__name", "release__version"):
            known[filename] = (project, version)
        known |= _of_upstreams([filename for filename in wanted[start : start + BATCH] if filename not in known])
    return known


def _of_upstreams(filenames: list[str]) -> dict[str, tuple[str, str]]:
    """The same of files that were kept of upstreams, found by the projects their names speak of."""
    named = {filename: parts for filename in filenames if (parts := parts_of(filename)) is not None}
    if not named:
        return {}
    rows = UpstreamFile.objects.filter(project__name__in={name for name, _ in named.values()}, filename__in=named)
    return {filename: (name, version) for filename, name, version in rows.values_list(*_OF_UPSTREAM)}


_OF_UPSTREAM = ("filename", "project__name", "version")


def today(now: datetime) -> date:
    """The day that is counted on."""
    return now.astimezone(UTC).date()


def of_project(index: str, project: str, now: datetime) -> Downloads:
    """The downloads of a project through an index: two queries."""
    total = ProjectTotal.objects.filter(index_name=index, project=project).values_list("total", flat=True).first()
    return _of(index, project, today(now), total or 0)


def of_index(index: str, now: datetime) -> Downloads:
    """The downloads of everything through an index."""
    return _of(index, WHOLE, today(now), 0)


def _of(index: str, project: str, day: date, total: int) -> Downloads:
    """The rows of a day are bounded by the installers and Pythons that are told apart."""
    rows = ProjectDownloads.objects.filter(index_name=index, project=project, day__gte=first_day(day))
    counts = rows.values_list("day", "installer", "python", "count")
    return gather((DayCount(*row) for row in counts), day, total)


def of_release(index: str, project: str, version: str, now: datetime) -> dict[str, int]:
    """Filename -> downloads in the last 30 days, of the files of one release that had any."""
    rows = FileDownloads.objects.filter(
        index_name=index, project=project, version=version, day__gte=first_day(today(now))
    )
    return dict(rows.values_list("filename").annotate(Sum("count")).order_by())


@dataclass(frozen=True, slots=True)
class Installed:
    """A project that many install: its name, as published too, and its downloads of the last 30 days."""

    name: str
    display_name: str
    count: int


def most_installed(index: str, now: datetime) -> list[Installed]:
    """The projects installed most through an index in the last 30 days, of those it shows now; at most `TOP`."""
    rows = ProjectTotal.objects.filter(index_name=index, month__gt=0).order_by("-month", "project")[:LOOKED_AT]
    counted = list(rows.values_list("project", "month"))
    shown = _shown(index, [name for name, _ in counted], now)
    return [Installed(name, shown[name], count) for name, count in counted if name in shown][:TOP]


def _shown(index: str, names: list[str], now: datetime) -> dict[str, str]:
    """Name -> name as published, of those of these projects of which the index serves a file."""
    known = outlines(index, names, now)
    ours = {outline.name: outline.display_name for outline in known.values() if outline.latest is not None}
    theirs = upstream_projects.served_names(index, [name for name in names if name not in known], now)
    return ours | {name: name for name in theirs}


def thin_out(resources: Resources) -> None:
    """Move each project's window to today, and drop daily counts older than `KEPT` days; totals stay."""
    day = today(resources.clock())
    while _move_windows(first_day(day)):
        pass
    for model in (FileDownloads, ProjectDownloads):
        while _drop_old(model, day - timedelta(days=KEPT)):
            pass


def _move_windows(since: date) -> int:
    """Count anew the months of some projects whose window begins before `since`; returns how many."""
    with transaction.atomic(using=ALIAS):
        behind = ProjectTotal.objects.select_for_update().filter(since__lt=since)
        rows = list(behind.order_by("since")[:BATCH])
        counted = _counted_since(since, rows)
        for row in rows:
            row.month = counted.get((row.index_name, row.project), 0)
            row.since = since if row.month else NEVER
        ProjectTotal.objects.bulk_update(rows, ["since", "month"])
    return len(rows)


def _counted_since(since: date, rows: list[ProjectTotal]) -> dict[tuple[str, str], int]:
    names = {row.project for row in rows}
    found = ProjectDownloads.objects.filter(
        index_name__in={row.index_name for row in rows}, project__in=names, day__gte=since
    )
    sums = found.values_list("index_name", "project").annotate(Sum("count")).order_by()
    return {(index, project): count for index, project, count in sums}


def _drop_old(model: type[FileDownloads | ProjectDownloads], before: date) -> int:
    old = list(model.objects.filter(day__lt=before).order_by("day").values_list("pk", flat=True)[:BATCH])
    model.objects.filter(pk__in=old).delete()
    return len(old)
