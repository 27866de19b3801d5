# SPDX-License-Identifier: Apache-2.0

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalogue', '0007_sums'),
    ]

    operations = [
        migrations.AddField(
            model_name='token',
            name='networks',
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name='token',
            name='old_digest',
            field=models.CharField(max_length=64, null=True, unique=True),
        ),
        migrations.AddField(
            model_name='token',
            name='old_hint',
            field=models.CharField(blank=True, max_length=16),
        ),
        migrations.AddField(
            model_name='token',
            name='old_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='token',
            name='rotated_at',
            field=models.DateTimeField(null=True),
        ),
    ]
