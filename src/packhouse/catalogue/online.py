# SPDX-License-Identifier: Apache-2.0
"""Operations of migrations on large tables that people read and write meanwhile (docs/adr/0025)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import migrations

_STATE = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


class AddIndexOnline(migrations.AddIndex):
    """`AddIndex` that nobody waits for on PostgreSQL. Its migration says `atomic = False` and does nothing else.

    One that was broken off left an index that is of no use; it is made again.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """See `Operation.database_forwards`."""
        connection = schema_editor.connection
        if connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        if connection.in_atomic_block:
            raise ValueError("a migration with AddIndexOnline needs `atomic = False`")
        name = connection.ops.quote_name(self.index.name)
        with _patience(connection), connection.cursor() as cursor:
            cursor.execute(_STATE, [name])
            found = cursor.fetchone()
            if found == (False,):
                cursor.execute(f"DROP INDEX CONCURRENTLY {name}")
            if found != (True,):
                model = to_state.apps.get_model(app_label, self.model_name)
                schema_editor.add_index(model, self.index, concurrently=True)

    def describe(self) -> str:
        """See `Operation.describe`."""
        return f"{super().describe()}, while the table is in use"


@contextmanager
def _patience(connection: Any) -> Iterator[None]:
    """Wait for others as long as they take: behind what is made online nobody waits."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        (before,) = cursor.fetchone()
        cursor.execute("SET lock_timeout = 0")
        try:
            yield
        finally:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])
