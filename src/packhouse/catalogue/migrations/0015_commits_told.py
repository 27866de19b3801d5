# SPDX-License-Identifier: Apache-2.0

from typing import Any

from django.db import migrations

STATEMENTS = (
    """
    CREATE OR REPLACE FUNCTION catalogue_tell_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('packhouse_commits', '');
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER catalogue_commit_told AFTER UPDATE ON catalogue_counter
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_tell_commit()
    """,
)


def tell(_apps: Any, schema_editor: Any) -> None:
    """Whoever moves a counter, by whatever program, tells the servers that listen, with the commit."""
    if schema_editor.connection.vendor == 'postgresql':
        for statement in STATEMENTS:
            schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('catalogue', '0014_serverchoice'),
    ]

    operations = [
        migrations.RunPython(tell, migrations.RunPython.noop),
    ]
