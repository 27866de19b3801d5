# SPDX-License-Identifier: Apache-2.0
"""The two databases, on whichever engine this run uses."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, connections, models, transaction
from tests.infra import databases

from packhouse.catalogue.models import Counter
from packhouse.site.databases import ACTIVITY_APPS, Router

pytestmark = pytest.mark.django_db


def test_this_run_uses_the_engine_it_was_asked_for():
    assert connection.vendor == databases.wanted()


def test_models_and_migrations_agree():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.parametrize("model", apps.get_models() if apps.ready else [], ids=str)
def test_every_table_is_made_where_its_rows_go(model: type[models.Model]):
    alias = Router().db_for_read(model)
    assert model._meta.db_table in connections[alias].introspection.table_names()
    assert model.objects.using(alias).count() >= 0  # type: ignore[attr-defined]


def test_facts_and_what_happens_around_them_are_apart():
    facts = {model._meta.app_label for model in apps.get_models()} - ACTIVITY_APPS
    assert "catalogue" in facts
    assert "sessions" not in facts


@pytest.mark.django_db(transaction=True)
def test_a_commit_in_one_database_is_none_in_the_other():
    with transaction.atomic(using="activity"), transaction.atomic():
        Counter.objects.filter(name="serial").update(value=5)
        transaction.set_rollback(True, using="activity")
    assert Counter.objects.get(name="serial").value == 5


@pytest.mark.django_db(transaction=True)
def test_after_a_committing_test_the_migrations_rows_are_back():
    assert Counter.objects.get(name="serial").value == 0
