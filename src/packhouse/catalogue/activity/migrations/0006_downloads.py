# SPDX-License-Identifier: Apache-2.0

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0005_scrub'),
    ]

    operations = [
        migrations.CreateModel(
            name='FileDownloads',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index_name', models.CharField(max_length=64)),
                ('project', models.CharField(max_length=200)),
                ('version', models.CharField(max_length=128)),
                ('filename', models.CharField(max_length=300)),
                ('day', models.DateField()),
                ('count', models.BigIntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['index_name', 'project', 'version', 'day'], name='counts_of_release'), models.Index(fields=['day'], name='counts_of_files_by_age')],
                'constraints': [models.UniqueConstraint(fields=('index_name', 'filename', 'day'), name='one_count_per_file_and_day')],
            },
        ),
        migrations.CreateModel(
            name='ProjectDownloads',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index_name', models.CharField(max_length=64)),
                ('project', models.CharField(max_length=200)),
                ('day', models.DateField()),
                ('installer', models.CharField(max_length=32)),
                ('python', models.CharField(blank=True, max_length=8)),
                ('count', models.BigIntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['day'], name='counts_of_projects_by_age')],
                'constraints': [models.UniqueConstraint(fields=('index_name', 'project', 'day', 'installer', 'python'), name='one_count_per_installer_and_day')],
            },
        ),
        migrations.CreateModel(
            name='ProjectTotal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index_name', models.CharField(max_length=64)),
                ('project', models.CharField(max_length=200)),
                ('since', models.DateField(db_index=True)),
                ('month', models.BigIntegerField()),
                ('total', models.BigIntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['index_name', '-month', 'project'], name='most_installed')],
                'constraints': [models.UniqueConstraint(fields=('index_name', 'project'), name='one_total_per_project')],
            },
        ),
    ]
