# SPDX-License-Identifier: Apache-2.0
"""SQLite's planner knows from the first day what our tables look like on a large server."""

from __future__ import annotations

import pytest
from django.db import connections
from tests.infra import databases

from packhouse.catalogue.models import Placement
from packhouse.catalogue.statistics import STATISTICS, write_statistics

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(databases.wanted() == "postgresql", reason="PostgreSQL measures for itself"),
]


def told(alias: str) -> list[tuple[str, str, str]]:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY tbl, idx")
        return list(cursor.fetchall())


@pytest.mark.parametrize("alias", ["default", "activity"])
def test_every_figure_is_for_an_index_that_is_there(alias: str) -> None:
    found = told(alias)
    for table, (_, indexes) in STATISTICS[alias].items():
        assert len([row for row in found if row[0] == table]) >= len(indexes), table


def test_a_migrated_database_has_them_and_they_are_written_once() -> None:
    assert told("default") != []
    assert not write_statistics("default")


def test_what_an_analysis_wrote_is_put_right() -> None:
    before = told("default")
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE sqlite_stat1 SET stat = '5 5' WHERE tbl = 'catalogue_file'")
    assert write_statistics("default")
    assert told("default") == before


def test_a_file_is_found_by_itself_and_not_among_all_of_its_index() -> None:
    asked = Placement.objects.filter(index__name="main", file__release=7, to_serial=None)
    assert "index_id=?)" not in asked.explain().replace("index_id=? AND", "")
