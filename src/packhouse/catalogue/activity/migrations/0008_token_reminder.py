# SPDX-License-Identifier: Apache-2.0

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0007_search_of_many'),
    ]

    operations = [
        migrations.CreateModel(
            name='TokenReminder',
            fields=[
                ('token_id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('step', models.SmallIntegerField()),
                ('at', models.DateTimeField()),
            ],
        ),
    ]
