# SPDX-License-Identifier: Apache-2.0

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

_TRIGGERS = """
CREATE TRIGGER activity_searchdocument_{when} AFTER {event} ON activity_searchdocument BEGIN
{body}
END
"""
_TABLES = (
    ("activity_searchname", "name, marks", ", prefix='1 2 3 4 5 6'"),
    ("activity_searchshort", "name, summary, keywords, marks", ""),
    ("activity_searchtext", "name, summary, keywords, description, marks", ""),
    ("activity_searchgrams", "grams", ""),
)


def _delete(table: str, columns: str) -> str:
    old = ", ".join(f"old.{column.strip()}" for column in columns.split(","))
    return f"INSERT INTO {table}({table}, rowid, {columns}) VALUES ('delete', old.id, {old});"


def _insert(table: str, columns: str) -> str:
    new = ", ".join(f"new.{column.strip()}" for column in columns.split(","))
    return f"INSERT INTO {table}(rowid, {columns}) VALUES (new.id, {new});"


def _sqlite() -> Iterator[str]:
    """Words alone (`detail=none`), without where they stand: which table has one says that."""
    for table, columns, more in _TABLES:
        yield (
            f"CREATE VIRTUAL TABLE {table} USING fts5({columns}, content='activity_searchdocument',"
            f" content_rowid='id', tokenize='unicode61 remove_diacritics 2', detail=none{more})"
        )
    yield "CREATE VIRTUAL TABLE activity_searchword USING fts5vocab('activity_searchtext', 'instance')"
    removing = "\n".join(_delete(table, columns) for table, columns, _ in _TABLES)
    adding = "\n".join(_insert(table, columns) for table, columns, _ in _TABLES)
    yield _TRIGGERS.format(when="added", event="INSERT", body=adding)
    yield _TRIGGERS.format(when="removed", event="DELETE", body=removing)
    yield _TRIGGERS.format(when="changed", event="UPDATE", body=f"{removing}\n{adding}")


def _plain(column: str) -> str:
    """Without accents, as `domain.searching.plain` makes what people type."""
    return f"regexp_replace(normalize({column}, NFKD), '[\u0300-\u036f]', '', 'g')"


def _postgresql() -> Iterator[str]:
    words = " || ".join(
        f"setweight(to_tsvector('simple', {_plain(column)}), '{weight}')"
        for column, weight in (("name", "A"), ("summary", "B"), ("keywords", "C"), ("description", "D"))
    )
    marks, grams = (f"array_to_tsvector(string_to_array({column}, ' '))" for column in ("marks", "grams"))
    for column, value in (("vector", f"{words} || {marks}"), ("gram_vector", grams)):
        yield f"ALTER TABLE activity_searchdocument ADD COLUMN {column} tsvector GENERATED ALWAYS AS ({value}) STORED"
        yield f"CREATE INDEX activity_search_{column} ON activity_searchdocument USING gin ({column})"
    yield "CREATE INDEX activity_search_names ON activity_searchdocument (index_name, project text_pattern_ops)"


def _run(schema_editor: Any, sqlite: Iterator[str], postgresql: Iterator[str]) -> None:
    connection = schema_editor.connection
    if connection.alias != "activity":
        return
    with connection.cursor() as cursor:
        for statement in postgresql if connection.vendor == "postgresql" else sqlite:
            cursor.execute(statement)


def make_full_text(apps: Any, schema_editor: Any) -> None:
    """The indexes that search; kept by the database whenever a document changes."""
    _run(schema_editor, _sqlite(), _postgresql())


def forget_full_text(apps: Any, schema_editor: Any) -> None:
    """Drop those of migration 0004, and have the follower make all documents again from the journal."""
    old = [f"DROP TRIGGER activity_searchdocument_{when}" for when in ("added", "removed", "changed")]
    old += [f"DROP TABLE activity_{name}" for name in ("searchtext", "searchgrams")]
    again = "DELETE FROM activity_jobposition WHERE name = 'search'"
    _run(schema_editor, iter([*old, again]), iter([again]))


def drop_full_text(apps: Any, schema_editor: Any) -> None:
    """Going back: PostgreSQL's columns go with their table."""
    triggers = [f"DROP TRIGGER activity_searchdocument_{when}" for when in ("added", "removed", "changed")]
    tables = [f"DROP TABLE {table}" for table in ("activity_searchword", *(name for name, _, _ in _TABLES))]
    _run(schema_editor, iter([*triggers, *tables]), iter([]))


def make_former_full_text(apps: Any, schema_editor: Any) -> None:
    """Going back: what migration 0004 made, and all documents again."""
    import_module("packhouse.catalogue.activity.migrations.0004_search").make_full_text(apps, schema_editor)
    again = "DELETE FROM activity_jobposition WHERE name = 'search'"
    _run(schema_editor, iter([again]), iter([again]))


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0006_downloads'),
    ]

    operations = [
        migrations.RunPython(forget_full_text, make_former_full_text),
        migrations.DeleteModel(name='SearchClassifier'),
        migrations.DeleteModel(name='SearchDocument'),
        migrations.CreateModel(
            name='SearchDocument',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index_name', models.CharField(max_length=64)),
                ('project', models.CharField(max_length=200)),
                ('display_name', models.CharField(max_length=200)),
                ('version', models.CharField(max_length=128)),
                ('released_at', models.DateTimeField()),
                ('name', models.CharField(max_length=600)),
                ('grams', models.TextField()),
                ('marks', models.TextField()),
                ('summary', models.TextField(blank=True)),
                ('keywords', models.TextField(blank=True)),
                ('description', models.TextField(blank=True)),
            ],
            options={
                'indexes': [models.Index(fields=['index_name', '-released_at'], name='documents_by_age')],
                'constraints': [models.UniqueConstraint(fields=('index_name', 'project'), name='one_document_per_project')],
            },
        ),
        migrations.CreateModel(
            name='SearchClassifier',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('classifier', models.CharField(max_length=300)),
                ('document', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='classifiers', to='activity.searchdocument')),
            ],
        ),
        migrations.RunPython(make_full_text, drop_full_text),
    ]
