# SPDX-License-Identifier: Apache-2.0
"""Migrations only add, and stop nobody: programs of the version before go on beside them (docs/adr/0025)."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from tests.infra import databases

import packhouse.catalogue
from packhouse.catalogue.migrating import narrows
from packhouse.catalogue.online import AddIndexOnline

SINCE = {"catalogue": 14, "activity": 10}
"""The first migrations the rule holds for: those before came before there was a version that somebody runs."""

LOOKED_AT = {
    ("catalogue", "0015_commits_told"): "makes a trigger on a table of two rows, which is locked for a moment",
    ("activity", "0012_lease"): "changes a table that it has made itself",
}
"""Migrations with an operation that says nothing of itself (RunPython, RunSQL), and why each stops nobody."""

FOLDERS = {"catalogue": "packhouse.catalogue.migrations", "activity": "packhouse.catalogue.activity.migrations"}


def ruled() -> Iterator[tuple[str, str]]:
    root = Path(packhouse.catalogue.__file__).parent
    for app, folder in (("catalogue", root / "migrations"), ("activity", root / "activity" / "migrations")):
        for file in sorted(folder.glob("[0-9]*.py")):
            if int(file.stem[:4]) >= SINCE[app]:
                yield app, file.stem


def objections(app: str, name: str, operations: list[Any], before: ProjectState) -> list[str]:
    """What operations would do to a program that does not know them, or to who reads meanwhile."""
    made: set[str] = set()
    found = []
    for operation in operations:
        after = before.clone()
        operation.state_forwards(app, after)
        why = objection(app, name, operation, made, before, after)
        if why is not None:
            found.append(f"{type(operation).__name__}: {why}")
        if isinstance(operation, migrations.CreateModel):
            made.add(operation.name_lower)
        before = after
    return found


def objection(
    app: str, name: str, operation: Any, made: set[str], before: ProjectState, after: ProjectState
) -> str | None:
    if isinstance(operation, migrations.CreateModel | migrations.AlterModelOptions | AddIndexOnline):
        return None
    if getattr(operation, "model_name_lower", None) in made:
        return None
    if isinstance(operation, migrations.AddField):
        field: Any = operation.field
        taken = field.null or field.has_db_default() or field.many_to_many
        return None if taken else "an older program's INSERT leaves it out: give it null=True or db_default"
    if isinstance(operation, migrations.AlterField):
        models_of = (state.apps.get_model(app, operation.model_name) for state in (before, after))
        old, new = (model._meta.get_field(operation.name) for model in models_of)
        return None if columns(old) == columns(new) else "the column changes: add another, and drop this one later"
    if isinstance(operation, migrations.RunPython | migrations.RunSQL):
        return None if (app, name) in LOOKED_AT else "say in LOOKED_AT why it stops nobody"
    if isinstance(operation, migrations.AddIndex):
        return "writers wait until it is made: use AddIndexOnline"
    return "not among what an older program lives with: do it in a migration NNNN_contract_..., a version later"


def columns(field: Any) -> tuple[Any, ...]:
    return field.db_parameters(connection)["type"], field.null, field.unique, field.db_index, field.column


@pytest.mark.django_db
@pytest.mark.parametrize(("app", "name"), [pair for pair in ruled() if not narrows(*pair)])
def test_a_migration_only_adds_and_stops_nobody(app: str, name: str):
    migration = import_module(f"{FOLDERS[app]}.{name}").Migration
    before = MigrationLoader(connection).project_state(migration.dependencies)
    assert objections(app, name, migration.operations, before) == []
    if any(isinstance(operation, AddIndexOnline) for operation in migration.operations):
        assert migration.atomic is False


A_LARGE_TABLE = models.Index(fields=["size"], name="files_by_size")
REFUSED = {
    "removes a column": migrations.RemoveField("file", "size"),
    "removes a table": migrations.DeleteModel("Yank"),
    "renames a column": migrations.RenameField("file", "size", "bytes"),
    "adds a column that must be given": migrations.AddField("file", "weight", models.IntegerField(default=0)),
    "changes a type": migrations.AlterField("file", "size", models.TextField()),
    "demands a value": migrations.AlterField("file", "uploaded_by", models.BigIntegerField()),
    "locks a table for an index": migrations.AddIndex("file", A_LARGE_TABLE),
    "proves a table's rows": migrations.AddConstraint(
        "file", models.CheckConstraint(condition=models.Q(size__gt=0), name="x")
    ),
    "runs what can't be seen": migrations.RunSQL("VACUUM FULL"),
}
TAKEN = {
    "adds a column that may be empty": migrations.AddField("file", "weight", models.IntegerField(null=True)),
    "adds a column the database fills": migrations.AddField("file", "weight", models.IntegerField(db_default=0)),
    "makes an index online": AddIndexOnline("file", A_LARGE_TABLE),
    "adds a table": migrations.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True))]),
}


def newest() -> ProjectState:
    return MigrationLoader(connection).project_state()


@pytest.mark.django_db
@pytest.mark.parametrize("what", REFUSED)
def test_the_rule_refuses_what(what: str):
    assert len(objections("catalogue", "9999_x", [REFUSED[what]], newest())) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("what", TAKEN)
def test_the_rule_takes_what(what: str):
    assert objections("catalogue", "9999_x", [TAKEN[what]], newest()) == []


def test_only_the_names_that_say_so_and_those_of_libraries_narrow():
    assert not narrows("catalogue", "0099_shelves")
    assert not narrows("activity", "0099_contract")
    assert narrows("catalogue", "0099_contract_shelves")
    assert narrows("account", "0099_anything")


@pytest.mark.django_db(transaction=True)
def test_an_index_is_made_online_again_when_it_was_broken_off():
    state = newest()
    operation, after = AddIndexOnline("file", A_LARGE_TABLE), state.clone()
    operation.state_forwards("catalogue", after)

    def apply() -> None:
        with connection.schema_editor(atomic=connection.vendor == "sqlite") as editor:
            operation.database_forwards("catalogue", editor, state, after)

    apply()
    try:
        assert "files_by_size" in indexes()
        if databases.wanted() == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'files_by_size'::regclass")
            apply()
            apply()
            with connection.cursor() as cursor:
                cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'files_by_size'::regclass")
                assert cursor.fetchone() == (True,)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX files_by_size")


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, "catalogue_file"))
