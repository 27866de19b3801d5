# SPDX-License-Identifier: Apache-2.0
"""Downloads are written down by addition, read in a fixed number of queries, and thinned out when they are old."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press

from packhouse.catalogue.activity.models import FileDownloads, ProjectDownloads, ProjectTotal
from packhouse.domain.permissions import ReadMode
from packhouse.services import downloads, indexes
from packhouse.storage.tally import Key

pytestmark = pytest.mark.django_db(databases=["default", "activity"])

TODAY = (date(2026, 11, 24) - date(1970, 1, 1)).days
TAPES = "tapes-1.0-py3-none-any.whl"


def key(filename: str = TAPES, ago: int = 0, installer: str = "pip", python: str = "3.12", index: str = "main") -> Key:
    return Key(TODAY - ago, index, filename, installer, python)


def test_batches_add_up(press: Press, clock: TickingClock) -> None:
    press.wheel("Tapes", "1.0")
    press.wheel("Tapes", "2.0")
    second = "tapes-2.0-py3-none-any.whl"
    downloads.keep({key(): 3, key(installer="uv", python="3.13"): 1, key(second): 5})
    downloads.keep({key(): 1, key(ago=7): 2})
    found = downloads.of_project("main", "tapes", clock())
    assert (found.last_day, found.last_week, found.last_month, found.total) == (10, 10, 12, 12)
    assert found.installers == (("pip", 11), ("uv", 1))
    assert found.pythons == (("3.12", 11), ("3.13", 1))
    assert downloads.of_release("main", "tapes", "1.0", clock()) == {TAPES: 7}
    assert downloads.of_release("main", "tapes", "2.0", clock()) == {second: 5}
    assert downloads.of_index("main", clock()).last_month == 12
    assert downloads.of_project("main", "others", clock()).last_month == 0


def test_indexes_are_counted_apart(press: Press, clock: TickingClock) -> None:
    press.wheel("tapes", "1.0")
    downloads.keep({key(): 1, key(index="dev"): 20})
    assert downloads.of_project("main", "tapes", clock()).total == 1
    assert downloads.of_project("dev", "tapes", clock()).total == 20
    assert downloads.of_release("dev", "tapes", "1.0", clock()) == {TAPES: 20}


def test_files_that_nobody_knows_are_passed_over(press: Press, clock: TickingClock) -> None:
    press.wheel("tapes", "1.0")
    downloads.keep({key("other-1.0.tar.gz"): 9, key(): 1})
    downloads.keep({key("other-1.0.tar.gz"): 9})
    assert (downloads.of_index("main", clock()).last_month, FileDownloads.objects.count()) == (1, 1)


def test_reading_takes_the_same_queries_however_much_there_is(
    press: Press, clock: TickingClock, django_assert_num_queries: Any
) -> None:
    press.wheel("tapes", "1.0")
    batch = {key(ago=ago, installer=name): 1 for ago in range(40) for name in ("pip", "uv", "pdm")}
    for some in ({key(): 1}, batch):
        downloads.keep(some)
        with django_assert_num_queries(3, using="activity"):
            downloads.of_project("main", "tapes", clock())
            downloads.of_release("main", "tapes", "1.0", clock())
        with django_assert_num_queries(1, using="activity"):
            downloads.most_installed("main", clock())


def test_most_installed_are_those_the_index_shows_now(press: Press, clock: TickingClock) -> None:
    from packhouse.domain.listing import Status
    from packhouse.services import projects
    from packhouse.services.journal import COMMAND

    for name, count in (("Few", 1), ("Many", 9), ("held", 5), ("gone", 7)):
        press.wheel(name, "1.0")
        downloads.keep({key(f"{name.lower()}-1.0-py3-none-any.whl"): count})
    indexes.create_index(COMMAND, "dev", ReadMode.CLOSED, clock=clock)
    downloads.keep({key("few-1.0-py3-none-any.whl", index="dev"): 100})
    projects.set_status(COMMAND, "held", Status.QUARANTINED, clock=clock)
    projects.delete_project(COMMAND, "gone", clock=clock)
    found = [(one.name, one.display_name, one.count) for one in downloads.most_installed("main", clock())]
    assert found == [("many", "Many", 9), ("few", "Few", 1)]
    assert [one.name for one in downloads.most_installed("dev", clock())] == []


def test_the_window_moves_and_totals_stay(press: Press, clock: TickingClock) -> None:
    press.wheel("tapes", "1.0")
    downloads.keep({key(ago=20): 4, key(): 1})
    clock.move(days=15)
    downloads.thin_out(press.resources)
    downloads.thin_out(press.resources)
    assert [(row.month, row.total) for row in ProjectTotal.objects.filter(project="tapes")] == [(1, 5)]
    clock.move(days=20)
    downloads.thin_out(press.resources)
    assert downloads.most_installed("main", clock()) == []
    assert set(ProjectTotal.objects.values_list("since", flat=True)) == {downloads.NEVER}
    downloads.keep({Key(TODAY + 35, "main", TAPES, "uv", ""): 2})
    assert [one.count for one in downloads.most_installed("main", clock())] == [2]
    for days in (0, 29):
        clock.move(days=days)
        downloads.thin_out(press.resources)
        assert [(row.month, row.total) for row in ProjectTotal.objects.filter(project="tapes")] == [(2, 7)]
    clock.move(days=1)
    downloads.thin_out(press.resources)
    assert downloads.most_installed("main", clock()) == []
    assert downloads.of_project("main", "tapes", clock()).total == 7


def test_daily_counts_are_kept_for_400_days(press: Press, clock: TickingClock) -> None:
    press.wheel("tapes", "1.0")
    downloads.keep({key(ago=ago): 1 for ago in range(380, 1000)})
    downloads.thin_out(press.resources)
    oldest = downloads.today(clock()) - timedelta(days=400)
    for model in (FileDownloads, ProjectDownloads):
        assert model.objects.filter(day__gte=oldest).exists()
        assert not model.objects.filter(day__lt=oldest).exists()
    assert downloads.of_project("main", "tapes", clock()).total == 620


@pytest.mark.skipif(connections["activity"].vendor != "sqlite", reason="asks SQLite for its plans")
def test_no_query_reads_a_table_from_end_to_end(press: Press, clock: TickingClock) -> None:
    press.wheel("tapes", "1.0")
    with CaptureQueriesContext(connections["activity"]) as seen:
        downloads.keep({key(): 1})
        downloads.of_project("main", "tapes", clock())
        downloads.of_release("main", "tapes", "1.0", clock())
        downloads.most_installed("main", clock())
        clock.move(days=31)
        downloads.thin_out(press.resources)
    asked = [query["sql"] for query in seen if query["sql"].lstrip().startswith(("SELECT", "DELETE"))]
    assert len(asked) > 6
    for statement in asked:
        with connections["activity"].cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            plan = [row[3] for row in cursor.fetchall()]
        assert not [step for step in plan if step.startswith("SCAN")], (statement, plan)
