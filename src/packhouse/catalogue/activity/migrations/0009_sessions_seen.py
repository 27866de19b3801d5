# SPDX-License-Identifier: Apache-2.0

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0008_token_reminder'),
    ]

    operations = [
        migrations.AddField(
            model_name='session',
            name='seen_at',
            field=models.DateTimeField(null=True),
        ),
    ]
