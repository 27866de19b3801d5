# SPDX-License-Identifier: Apache-2.0
"""Which database holds what: facts in `default`, what happens around them in `activity`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from packhouse.config import Settings
from packhouse.storage.sqlite import address_to_read

ACTIVITY_APPS = frozenset(
    {"activity", "sessions", "django_tasks", "django_tasks_db", "django_tasks_database", "django_cache"}
)


class Router:
    """Sends the apps of `ACTIVITY_APPS` to the database `activity`, all others to `default`."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Name the database a model is read from."""
        return "activity" if model._meta.app_label in ACTIVITY_APPS else "default"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Name the database a model is written to."""
        return self.db_for_read(model)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Say whether an app's tables are made in a database."""
        return (app_label in ACTIVITY_APPS) == (db == "activity")

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        """Say whether two rows may refer to each other."""
        return self.db_for_read(one) == self.db_for_read(other)


def databases(settings: Settings, *, read_only: bool = False) -> dict[str, dict[str, Any]]:
    """Django's DATABASES for these settings: two SQLite files, or two schemas of one PostgreSQL database.

    `read_only` is for SQLite alone, whose opening writes to the folder otherwise.
    """
    if settings.on_postgresql:
        return {alias: _postgresql(str(settings.database), schema) for alias, schema in _SCHEMAS}
    files = {"default": settings.catalogue_file, "activity": settings.activity_file}
    return {alias: _sqlite(address_to_read(file) if read_only else str(file)) for alias, file in files.items()}


_SCHEMAS = (("default", "catalogue"), ("activity", "activity"))


def _sqlite(name: str) -> dict[str, Any]:
    return {"ENGINE": "packhouse.catalogue.sqlite", "NAME": name, "CONN_MAX_AGE": None, "OPTIONS": {}}


def _postgresql(url: str, schema: str) -> dict[str, Any]:
    """One schema of a database; what is committed to the catalogue is durable, whatever the server's default."""
    durable = " -c synchronous_commit=on" if schema == "catalogue" else ""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    host = query.pop("host", None) or parts.hostname or ""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or query.pop("port", "")),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**query, "options": f"-c search_path={schema},public{durable}"},
    }
