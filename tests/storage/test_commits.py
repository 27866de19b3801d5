# SPDX-License-Identifier: Apache-2.0
"""A process knows of the commits to PostgreSQL without asking, and asks whenever it can't know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from tests.infra import databases
from tests.infra.postgresql import Cluster

from packhouse.storage.commits import LEASE, Commits
from packhouse.storage.pages_postgresql import PostgresqlPages

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(databases.wanted() == "postgresql", reason="once, in the run on SQLite, is enough"),
]

DEADLINE = 60.0
TABLES = """
CREATE SCHEMA catalogue; CREATE SCHEMA activity;
CREATE TABLE catalogue.catalogue_counter (name varchar(16) PRIMARY KEY, value bigint);
INSERT INTO catalogue.catalogue_counter VALUES ('serial', 1), ('access', 10);
CREATE TABLE activity.activity_listener (name varchar(64) PRIMARY KEY, seen bigint, at timestamptz);
SET search_path = catalogue;
"""
MOVE = "UPDATE catalogue.catalogue_counter SET value = value + 1 WHERE name = 'serial'"


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def database(postgresql: Cluster) -> Iterator[psycopg.Connection[Any]]:
    from importlib import import_module

    postgresql.create("packhouse_commits")
    with postgresql.connect("packhouse_commits") as connection:
        connection.execute(TABLES)
        for statement in import_module("packhouse.catalogue.migrations.0015_commits_told").STATEMENTS:
            connection.execute(statement)
        yield connection


@pytest.fixture
def commits(postgresql: Cluster, database: psycopg.Connection[Any]) -> Iterator[Commits]:
    listening = Commits(postgresql.url("packhouse_commits"))
    listening.start()
    eventually(lambda: listening.known() is not None)
    yield listening
    listening.stop()


@pytest.fixture
def reader(postgresql: Cluster, commits: Commits) -> Iterator[PostgresqlPages]:
    reader = PostgresqlPages(postgresql.url("packhouse_commits"), commits)
    assert reader.moved()
    yield reader
    reader.close()


def has_noted(database: psycopg.Connection[Any], wanted: int) -> bool:
    found = database.execute("SELECT 1 FROM activity.activity_listener WHERE seen >= %s", [wanted])
    return found.fetchone() is not None


class Sure(Commits):
    """One that believes to know, whatever happens."""

    def known(self) -> int:
        return 11


def test_what_is_known_is_not_asked_for(postgresql: Cluster, database: psycopg.Connection[Any]) -> None:
    url = postgresql.url("packhouse_commits")
    reader = PostgresqlPages(url, Sure(url))
    assert reader.moved()
    database.execute(MOVE)
    assert not reader.moved()
    assert reader.moved(ask=True)
    reader.close()


def test_a_commit_is_heard_of(reader: PostgresqlPages, database: psycopg.Connection[Any]) -> None:
    for _ in range(20):
        database.execute(MOVE)
        eventually(reader.moved)


def test_who_wants_the_newest_gets_it(reader: PostgresqlPages, database: psycopg.Connection[Any]) -> None:
    for _ in range(50):
        reader.moved(ask=True)
        database.execute(MOVE)
        assert reader.moved(ask=True)


def test_what_it_has_noted_it_uses(
    reader: PostgresqlPages, commits: Commits, database: psycopg.Connection[Any]
) -> None:
    """Who commits may answer as soon as all have noted the commit."""
    for _ in range(30):
        reader.moved()
        database.execute(MOVE)
        wanted = database.execute("SELECT sum(value)::bigint FROM catalogue_counter").fetchone()
        assert wanted is not None
        eventually(partial(has_noted, database, wanted[0]))
        assert commits.known() in {None, wanted[0]}
        assert reader.moved()


def test_a_word_that_is_lost_is_made_good(reader: PostgresqlPages, database: psycopg.Connection[Any]) -> None:
    database.execute("ALTER TABLE catalogue_counter DISABLE TRIGGER ALL")
    database.execute(MOVE)
    eventually(reader.moved)


def test_a_listener_whose_connection_ends_asks_until_it_hears_again(
    reader: PostgresqlPages, commits: Commits, database: psycopg.Connection[Any]
) -> None:
    ended = database.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND (query LIKE 'LISTEN%' OR query LIKE '%activity_listener%')"
    ).fetchone()
    assert ended is not None
    assert ended[0] >= 1
    eventually(lambda: commits.known() is None)
    reader.moved()
    database.execute(MOVE)
    eventually(reader.moved)
    eventually(lambda: commits.known() is not None)
    database.execute(MOVE)
    eventually(reader.moved)


def test_while_it_waits_for_the_database_nothing_is_known(
    postgresql: Cluster, reader: PostgresqlPages, commits: Commits, database: psycopg.Connection[Any]
) -> None:
    with postgresql.connect("packhouse_commits") as other:
        other.autocommit = False
        other.execute("LOCK TABLE activity.activity_listener IN ACCESS EXCLUSIVE MODE")
        eventually(lambda: commits.known() is None)
        reader.moved()
        database.execute(MOVE)
        assert reader.moved()
    eventually(lambda: commits.known() is not None)


def test_what_was_read_is_good_for_its_time_alone(postgresql: Cluster, database: psycopg.Connection[Any]) -> None:
    now = [time.monotonic()]
    listening = Commits(postgresql.url("packhouse_commits"), clock=lambda: now[0])
    listening.start()
    eventually(lambda: listening.known() is not None)
    now[0] += LEASE
    listening.stop()
    assert listening.known() is None


def test_who_stops_is_not_waited_for(commits: Commits, database: psycopg.Connection[Any]) -> None:
    commits.stop()
    eventually(lambda: database.execute("SELECT count(*) FROM activity.activity_listener").fetchone() == (0,))


def test_without_tables_to_note_it_in_each_request_asks(postgresql: Cluster, database: psycopg.Connection[Any]) -> None:
    """As beside a server that has not migrated yet."""
    database.execute("DROP TABLE activity.activity_listener")
    listening = Commits(postgresql.url("packhouse_commits"))
    listening.start()
    reader = PostgresqlPages(postgresql.url("packhouse_commits"), listening)
    reader.moved()
    for _ in range(20):
        database.execute(MOVE)
        assert reader.moved()
    assert listening.known() is None
    reader.close()
