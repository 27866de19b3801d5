# SPDX-License-Identifier: Apache-2.0
"""Deny by default: no route without a declared action, no session page without somebody signed in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

from packhouse.domain.permissions import Action
from packhouse.web.routing import SESSION_ACTIONS
from packhouse.web.urls import urlpatterns


def patterns(found: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for entry in found:
        if isinstance(entry, URLResolver):
            yield from patterns(entry.url_patterns)
        else:
            yield entry


ROUTES = list(patterns(urlpatterns))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.pattern))
def test_every_route_declares_its_action(route: URLPattern) -> None:
    assert isinstance(getattr(route.callback, "action", None), Action)


def test_there_are_routes() -> None:
    assert len(ROUTES) > 40


def example(route: URLPattern) -> str | None:
    """An address of a route that is made of plain path converters."""
    values: dict[str, Any] = {
        "name": "foo",
        "version": "1.0",
        "filename": "foo.whl",
        "form": "csv",
        "token_id": 1,
        "pk": 1,
        "team": "core",
    }
    if route.name is None or not set(route.pattern.converters) <= set(values):
        return None
    from django.urls import reverse

    return reverse(route.name, kwargs={key: values[key] for key in route.pattern.converters})


SESSION_ROUTES = [
    route
    for route in ROUTES
    if getattr(route.callback, "action", None) in SESSION_ACTIONS | {Action.ADMINISTER}
    and not hasattr(route.callback, "operations")  # those take no sessions
]


@pytest.mark.django_db
@pytest.mark.parametrize("route", SESSION_ROUTES, ids=lambda route: str(route.pattern))
def test_nobody_comes_past_the_sign_in(route: URLPattern) -> None:
    address = example(route)
    assert address is not None
    for method in ("get", "post"):
        reply = getattr(Client(headers={"accept": "text/html"}), method)(address)
        assert reply.status_code in {302, 405}
        if reply.status_code == 302:
            assert reply["Location"].startswith("/account/login/?next=")
