# SPDX-License-Identifier: Apache-2.0
"""The SQLite back end: a library without the WAL-reset corruption, and all that Django expects of it."""

from __future__ import annotations

import datetime
import decimal
import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from tests.infra import databases

from packhouse.catalogue.models import Counter, Project
from packhouse.storage import sqlite

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(databases.wanted() != "sqlite", reason="about SQLite alone"),
]


def ask(statement: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0]


def make_project(name: str = "tapes") -> Project:
    now = datetime.datetime.now(datetime.UTC)
    return Project.objects.create(name=name, ultra_name=name, display_name=name, created_serial=1, created_at=now)


def test_the_running_library_has_the_wal_reset_fix():
    assert sqlite.is_safe()
    assert tuple(int(part) for part in str(ask("SELECT sqlite_version()")).split(".")) >= (3, 51, 3)


@pytest.mark.parametrize("alias", ["default", "activity"])
@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 20000), ("mmap_size", 0)],
)
def test_every_connection_is_set_up_for_durability(alias: str, pragma: str, value: object):
    with connections[alias].cursor() as cursor:
        assert cursor.execute(f"PRAGMA {pragma}").fetchone() == (value,)


def test_introspection_sees_tables_columns_and_constraints():
    with connection.cursor() as cursor:
        assert "catalogue_project" in connection.introspection.table_names(cursor)
        columns = {c.name for c in connection.introspection.get_table_description(cursor, "catalogue_project")}
        constraints = connection.introspection.get_constraints(cursor, "catalogue_placement")
    assert {"name", "display_name", "serial"} <= columns
    assert constraints["placed_once"]["unique"]


def test_json_columns_can_be_queried():
    from packhouse.catalogue.models import JournalEntry

    JournalEntry.objects.create(
        serial=7, at=datetime.datetime.now(datetime.UTC), kind="test", detail={"a": {"b": [1, 2]}, "c": None}
    )
    assert JournalEntry.objects.filter(detail__a__b__1=2).exists()
    assert JournalEntry.objects.get(serial=7).detail == {"a": {"b": [1, 2]}, "c": None}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'tapes' REGEXP '^t.p'", 1),
        ("django_datetime_trunc('month', '2026-11-24 10:00:00', 'UTC', 'UTC')", "2026-11-01 00:00:00"),
        ("MD5('x')", "9dd4e461268c8034f5c8564e155c67a6"),
        ("POWER(2, 10)", 1024.0),
    ],
)
def test_djangos_functions_are_there(expression: str, expected: object):
    assert ask(f"SELECT {expression}") == expected


def test_values_come_back_as_they_went():
    moment = datetime.datetime(2026, 11, 24, 3, 4, 5, 678901, tzinfo=datetime.UTC)
    project = make_project()
    Project.objects.filter(pk=project.pk).update(created_at=moment)
    assert Project.objects.get(pk=project.pk).created_at == moment
    assert ask("SELECT %s", decimal.Decimal("1.50")) == "1.50"
    assert ask("SELECT %s", datetime.date(2026, 11, 24)) == "2026-11-24"


def test_a_broken_constraint_is_djangos_integrity_error():
    make_project()
    with pytest.raises(IntegrityError), transaction.atomic():
        make_project()
    assert Project.objects.count() == 1


def test_named_and_percent_parameters_are_understood():
    with connection.cursor() as cursor:
        assert cursor.execute("SELECT %(a)s || '%%'", {"a": "x"}).fetchone() == ("x%",)
        cursor.executemany(
            "UPDATE catalogue_counter SET value = value + %s WHERE name = %s", [(1, "serial"), (2, "serial")]
        )
    assert Counter.objects.get(name="serial").value == 3


@pytest.mark.django_db(transaction=True)
def test_writers_in_threads_wait_for_each_other():
    def add() -> None:
        try:
            for _ in range(20):
                with transaction.atomic():
                    counter = Counter.objects.select_for_update().get(name="serial")
                    counter.value += 1
                    counter.save()
        finally:
            connection.close()

    before = Counter.objects.get(name="serial").value
    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter.objects.get(name="serial").value == before + 80


@pytest.mark.django_db(transaction=True)
def test_a_reading_transaction_sees_one_moment():
    reader = sqlite.connect_read_only(connection.settings_dict["NAME"])
    try:
        reader.execute("BEGIN")
        count = reader.execute("SELECT count(*) FROM catalogue_project").fetchone()
        make_project()
        assert reader.execute("SELECT count(*) FROM catalogue_project").fetchone() == count
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM catalogue_project").fetchone() == (count[0] + 1,)
    finally:
        reader.close()
