# SPDX-License-Identifier: Apache-2.0
"""The product's whole URL map."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

from packhouse.domain.permissions import Action
from packhouse.web import assets, errors, health, metrics
from packhouse.web.account_urls import account_routes
from packhouse.web.routing import route

urlpatterns: list[URLPattern | URLResolver] = [
    route("healthz", health.healthz, action=Action.ANYONE),
    route("readyz", health.readyz, action=Action.ANYONE),
    route("metrics", metrics.metrics, action=Action.ANYONE),  # judges for itself: scrapers have no session
    *account_routes,
    route("static/<slug:digest>/<path:name>", assets.serve, action=Action.ANYONE, name="static"),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler429 = errors.too_many
handler500 = errors.server_error
