# SPDX-License-Identifier: Apache-2.0
"""The product's whole URL map."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
