# SPDX-License-Identifier: Apache-2.0
"""The Django app of the facts."""

from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    """App label `catalogue`."""

    name = "packhouse.catalogue"
    label = "catalogue"
    default_auto_field = "django.db.models.BigAutoField"
