# SPDX-License-Identifier: Apache-2.0
"""Which tables hold what has to survive, and what their columns are; pages and passing marks are left out."""

from __future__ import annotations

from functools import lru_cache

from django.apps import apps
from django.db import models, router

from packhouse.storage.rows import Table

ALIASES = ("activity", "default")
"""In the order in which they are read: a position in the journal is then never beyond its end."""
_DERIVED = frozenset({"catalogue_page", "activity_listener", "activity_lease"})
_KINDS: tuple[tuple[type[models.Field], str], ...] = (  # type: ignore[type-arg]
    (models.DateTimeField, "time"),
    (models.DateField, "date"),
    (models.BooleanField, "bool"),
    (models.FloatField, "float"),
    (models.BinaryField, "bytes"),
    (models.JSONField, "json"),
    (models.IntegerField, "int"),
    (models.CharField, "text"),
    (models.TextField, "text"),
)


@lru_cache(maxsize=2)
def tables_of(alias: str) -> tuple[Table, ...]:
    """The tables of a database, in the order of their names."""
    found = [_table(model) for model in apps.get_models(include_auto_created=True) if _counts(model, alias)]
    return tuple(sorted(found, key=lambda table: table.name))


def _counts(model: type[models.Model], alias: str) -> bool:
    meta = model._meta
    return meta.managed and meta.db_table not in _DERIVED and router.db_for_read(model) == alias


def _table(model: type[models.Model]) -> Table:
    columns = tuple((str(field.column), _kind(field)) for field in model._meta.concrete_fields)
    return Table(model._meta.db_table, str(model._meta.pk.column), columns)


def _kind(field: models.Field) -> str:  # type: ignore[type-arg]
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    for known, kind in _KINDS:
        if isinstance(field, known):
            return kind
    raise TypeError(f"{field} is of a kind that nobody can carry")
