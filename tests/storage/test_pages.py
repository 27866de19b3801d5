# SPDX-License-Identifier: Apache-2.0
"""One suite for every reader of the page table, and what each promises beyond it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.infra.postgresql import Cluster

from packhouse.catalogue import models
from packhouse.config import Settings
from packhouse.domain.page import Page, make_page
from packhouse.errors import Kind, PackhouseError
from packhouse.storage.pages import PageReader, open_pages
from packhouse.storage.pages_postgresql import PostgresqlPages
from packhouse.storage.sqlite import library

TABLES = """
CREATE TABLE {schema}catalogue_page (
    index_name varchar(64), project varchar(200), kind varchar(8), serial bigint, modified bigint, etag varchar(64),
    audience varchar(32), valid_until double precision NULL, body {blob}, gzip {blob} NULL, zstd {blob} NULL,
    br {blob} NULL, PRIMARY KEY (index_name, project, kind)
);
CREATE TABLE {schema}catalogue_counter (name varchar(16) PRIMARY KEY, value bigint);
INSERT INTO {schema}catalogue_counter VALUES ('serial', 1), ('access', 10);
"""
INSERT = "INSERT INTO catalogue_page VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
HTML = make_page(b"<html>" * 100, index="main", project="foo", kind="html", serial=7, modified=1_700_000_000)
JSON = make_page(b"{}", index="main", project="foo", kind="json", serial=8, modified=5, audience="a", valid_until=1.5)
ROOT = make_page(b"root " * 50, index="main", project="", kind="html", serial=9, modified=6)


@dataclass
class Catalogue:
    """A database with the two tables: `write` commits one statement, `settings` lead to it."""

    write: Callable[[str, tuple[Any, ...]], Any]
    settings: Settings

    def store(self, page: Page) -> None:
        stored = [name for name in (field.name for field in fields(page)) if not name.startswith("_")]
        self.write(INSERT, tuple(getattr(page, name) for name in stored))
        self.write("UPDATE catalogue_counter SET value = value + 1 WHERE name = 'serial'", ())


def on_sqlite(folder: Path) -> Iterator[Catalogue]:
    settings = Settings(data=folder)
    connection = library.connect(str(settings.catalogue_file), isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(TABLES.format(schema="", blob="blob"))
    yield Catalogue(connection.execute, settings)
    connection.close()


def on_postgresql(cluster: Cluster) -> Iterator[Catalogue]:
    url = cluster.create("packhouse_pages")
    with cluster.connect("packhouse_pages") as connection:
        connection.execute("CREATE SCHEMA catalogue")
        connection.execute(TABLES.format(schema="catalogue.", blob="bytea").encode())
        connection.execute("SET search_path = catalogue")
        yield Catalogue(
            lambda statement, values: connection.execute(statement.replace("?", "%s").encode(), values),
            Settings(database=url),
        )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    if request.param == "sqlite":
        yield from on_sqlite(tmp_path)
    else:
        yield from on_postgresql(request.getfixturevalue("postgresql"))


@pytest.fixture
def reader(catalogue: Catalogue) -> Iterator[PageReader]:
    opened = open_pages(catalogue.settings)
    yield opened
    opened.close()


def test_a_page_is_read_as_it_was_stored(catalogue: Catalogue, reader: PageReader) -> None:
    for page in (HTML, JSON, ROOT):
        catalogue.store(page)
    for page in (HTML, JSON, ROOT):
        found = reader.page(page.index, page.project, page.kind)
        assert found == page
        assert found is not None
        assert type(found.body) is bytes


def test_what_is_not_stored_is_none(catalogue: Catalogue, reader: PageReader) -> None:
    catalogue.store(HTML)
    for asked in (("other", "foo", "html"), ("main", "bar", "html"), ("main", "", "html"), ("main", "foo", "json")):
        assert reader.page(*asked) is None
        assert reader.page_serial(*asked) is None


def test_the_serial_alone(catalogue: Catalogue, reader: PageReader) -> None:
    catalogue.store(HTML)
    catalogue.store(JSON)
    assert reader.page_serial("main", "foo") == 7
    assert reader.page_serial("main", "foo", "json") == 8


def test_moved_is_true_at_first_and_after_each_commit(catalogue: Catalogue, reader: PageReader) -> None:
    assert reader.moved()
    assert not reader.moved()
    for page in (HTML, JSON):
        catalogue.store(page)
        assert reader.moved()
        assert not reader.moved()
    assert reader.page("main", "foo", "html") == HTML
    assert not reader.moved()


def test_every_commit_is_seen_by_the_next_read(catalogue: Catalogue, reader: PageReader) -> None:
    catalogue.store(HTML)
    for serial in range(100, 200):
        catalogue.write("UPDATE catalogue_page SET serial = ?", (serial,))
        assert reader.page_serial("main", "foo") == serial


def test_the_access_generation(catalogue: Catalogue, reader: PageReader) -> None:
    assert reader.moved()
    assert reader.access_generation() == 10
    catalogue.write("UPDATE catalogue_counter SET value = 11 WHERE name = 'access'", ())
    assert reader.moved()
    assert reader.access_generation() == 11
    catalogue.write("DELETE FROM catalogue_counter", ())
    assert reader.access_generation() == 0


def test_a_reader_leaves_the_table_free_for_change(catalogue: Catalogue, reader: PageReader) -> None:
    catalogue.store(HTML)
    assert reader.page("main", "foo", "html")
    catalogue.write("DROP TABLE catalogue_page", ())
    with pytest.raises(PackhouseError) as caught:
        reader.page("main", "foo", "html")
    assert (caught.value.kind, caught.value.code) == (Kind.UNAVAILABLE, "pages-unreadable")


def test_a_closed_reader_can_be_opened_again(catalogue: Catalogue) -> None:
    for _ in range(2):
        reader = open_pages(catalogue.settings)
        assert reader.access_generation() == 10
        reader.close()


def test_no_database_is_our_error(tmp_path: Path) -> None:
    for settings in (Settings(data=tmp_path), Settings(database=f"postgresql://x@/x?host={tmp_path}")):
        with pytest.raises(PackhouseError) as caught:
            open_pages(settings)
        assert caught.value.kind is Kind.UNAVAILABLE


def test_sqlite_is_opened_for_reading_alone(tmp_path: Path) -> None:
    with pytest.raises(PackhouseError):
        open_pages(Settings(data=tmp_path)).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.postgres
def test_postgresql_a_lost_connection_is_opened_again(postgresql: Cluster) -> None:
    for catalogue in on_postgresql(postgresql):
        catalogue.store(HTML)
        reader = PostgresqlPages(str(catalogue.settings.database))
        with postgresql.connect() as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            assert reader.page("main", "foo", "html") == HTML
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                reader._connection.execute("DELETE FROM catalogue_page")
        reader.close()


@pytest.mark.django_db(transaction=True)
def test_what_the_catalogue_writes_is_what_is_read(pytestconfig: pytest.Config) -> None:
    from django.db import connection

    names = [field.name for field in fields(Page) if not field.name.startswith("_")]
    values = dict(zip(names, astuple(HTML), strict=False))
    models.Page.objects.create(index_name=values.pop("index"), **values)
    database = connection.settings_dict
    if connection.vendor == "postgresql":
        settings = Settings(database=f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}")
    else:
        settings = Settings(database=f"sqlite://{database['NAME']}")
    reader = open_pages(settings)
    try:
        assert reader.page("main", "foo", "html") == HTML
        assert reader.access_generation() == models.Counter.objects.get(name="access").value
    finally:
        reader.close()
