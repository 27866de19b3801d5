# SPDX-License-Identifier: Apache-2.0
"""The product's whole URL map."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

from packhouse.domain.permissions import Action
from packhouse.web import health, metrics
from packhouse.web.routing import route

urlpatterns: list[URLPattern | URLResolver] = [
    route("healthz", health.healthz, action=Action.ANYONE),
    route("readyz", health.readyz, action=Action.ANYONE),
    route("metrics", metrics.metrics, action=Action.ANYONE),  # judges for itself: scrapers have no session
]
