# SPDX-License-Identifier: Apache-2.0

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalogue', '0016_token_made_by'),
    ]

    operations = [
        migrations.CreateModel(
            name='GroupRole',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('group', models.CharField(max_length=200)),
                ('role', models.CharField(blank=True, choices=[('owner', 'owner'), ('manager', 'manager'), ('member', 'member')], max_length=16)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='group_roles', to='catalogue.organization')),
                ('team', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='group_roles', to='catalogue.team')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('team', None)), fields=('group', 'organization'), name='one_role_per_group'), models.UniqueConstraint(fields=('group', 'team'), name='group_in_a_team_once')],
            },
        ),
    ]
