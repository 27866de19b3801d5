# SPDX-License-Identifier: Apache-2.0

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0004_search'),
    ]

    operations = [
        migrations.CreateModel(
            name='Scrub',
            fields=[
                ('name', models.CharField(max_length=16, primary_key=True, serialize=False)),
                ('position', models.BigIntegerField(default=0)),
                ('blobs', models.BigIntegerField(default=0)),
                ('size', models.BigIntegerField(default=0)),
                ('debt', models.BigIntegerField(default=0)),
                ('begun_at', models.DateTimeField()),
                ('stepped_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('resting', models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name='ScrubFinding',
            fields=[
                ('sha256', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('code', models.CharField(max_length=32)),
                ('sentence', models.CharField(max_length=1000)),
                ('found_at', models.DateTimeField()),
            ],
        ),
    ]
