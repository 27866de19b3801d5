# SPDX-License-Identifier: Apache-2.0
"""The Django app of what happens around the facts."""

from django.apps import AppConfig


class ActivityConfig(AppConfig):
    """App label `activity`; its tables live in the database `activity`."""

    name = "packhouse.catalogue.activity"
    label = "activity"
    default_auto_field = "django.db.models.BigAutoField"
