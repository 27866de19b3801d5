# SPDX-License-Identifier: Apache-2.0

from typing import Any

from django.db import migrations, models


def mark_sdists(apps: Any, schema_editor: Any) -> None:
    """Only wheels have metadata that can be looked for."""
    files = apps.get_model('catalogue', 'UpstreamFile').objects.using(schema_editor.connection.alias)
    files.exclude(filename__endswith='.whl').update(metadata_tried=True)


class Migration(migrations.Migration):

    dependencies = [
        ('catalogue', '0009_guests'),
    ]

    operations = [
        migrations.AddField(
            model_name='upstreamfile',
            name='other_digest',
            field=models.CharField(blank=True, default='', max_length=200),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='upstreamfile',
            name='hashed_here',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='upstreamfile',
            name='metadata_tried',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='upstreamfile',
            name='metadata_proven',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='upstreamfile',
            name='wait_until',
            field=models.FloatField(default=0),
        ),
        migrations.AddField(
            model_name='upstreamfile',
            name='missing',
            field=models.CharField(blank=True, default='', max_length=200),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name='upstreamfile',
            name='refused_sha256',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.RunPython(mark_sdists, migrations.RunPython.noop, elidable=True),
        migrations.AddIndex(
            model_name='upstreamfile',
            index=models.Index(
                condition=models.Q(('listed', True), ('metadata_sha256', ''), ('metadata_tried', False)),
                fields=['project'],
                name='wheels_without_metadata',
            ),
        ),
        migrations.AddIndex(
            model_name='upstreamfile',
            index=models.Index(
                condition=models.Q(('metadata_filled', True), ('metadata_proven', False)),
                fields=['project'],
                name='unproven_metadata',
            ),
        ),
    ]
