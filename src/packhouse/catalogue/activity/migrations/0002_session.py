# SPDX-License-Identifier: Apache-2.0
"""Browser sessions under the hash of their cookie."""

from typing import Any, ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """One table."""

    dependencies: ClassVar[list[tuple[str, str]]] = [("activity", "0001_initial")]
    operations: ClassVar[list[Any]] = [
        migrations.CreateModel(
            name="Session",
            fields=[
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                ("session_key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("account_id", models.BigIntegerField(db_index=True, null=True)),
                ("address", models.CharField(blank=True, max_length=64)),
                ("agent", models.CharField(blank=True, max_length=200)),
                ("started_at", models.DateTimeField(null=True)),
            ],
            options={"abstract": False},
        ),
    ]
