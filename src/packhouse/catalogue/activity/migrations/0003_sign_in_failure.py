# SPDX-License-Identifier: Apache-2.0
"""Failed sign-ins are counted in a table of their own."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0002_session'),
    ]

    operations = [
        migrations.CreateModel(
            name='SignInFailure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64)),
                ('place', models.CharField(max_length=64)),
                ('at', models.DateTimeField(db_index=True)),
            ],
            options={
                'indexes': [models.Index(fields=['name', 'at'], name='failures_of_name'), models.Index(fields=['place', 'at'], name='failures_from_place')],
            },
        ),
    ]
