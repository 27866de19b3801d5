# SPDX-License-Identifier: Apache-2.0

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalogue', '0012_sign_in_links'),
    ]

    operations = [
        migrations.CreateModel(
            name='Flag',
            fields=[
                ('name', models.CharField(max_length=32, primary_key=True, serialize=False)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('since', models.DateTimeField()),
            ],
        ),
    ]
