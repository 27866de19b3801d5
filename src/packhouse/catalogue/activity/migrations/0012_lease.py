# SPDX-License-Identifier: Apache-2.0

from typing import Any

from django.db import migrations, models


def _without_log(apps: Any, schema_editor: Any) -> None:
    """On PostgreSQL its rows live for seconds: nothing of them need be written to the log."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE activity_lease SET UNLOGGED")


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0011_listener'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('key', models.CharField(max_length=96, primary_key=True, serialize=False)),
                ('holder', models.CharField(blank=True, max_length=32)),
                ('ends_at', models.DateTimeField()),
                ('wanted', models.BooleanField(default=False)),
                ('said', models.JSONField(default=dict)),
            ],
        ),
        migrations.RunPython(_without_log, migrations.RunPython.noop),
    ]
