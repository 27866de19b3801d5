# SPDX-License-Identifier: Apache-2.0
"""The two counters every transaction relies on."""

from typing import Any, ClassVar

from django.db import migrations


def make_counters(apps: Any, schema_editor: Any) -> None:
    """Start the serial and the access generation at 0."""
    counter = apps.get_model("catalogue", "Counter")
    for name in ("serial", "access"):
        counter.objects.using(schema_editor.connection.alias).get_or_create(name=name)


class Migration(migrations.Migration):
    """Data only."""

    dependencies: ClassVar[list[tuple[str, str]]] = [("catalogue", "0001_initial")]
    operations: ClassVar[list[Any]] = [migrations.RunPython(make_counters, migrations.RunPython.noop)]
