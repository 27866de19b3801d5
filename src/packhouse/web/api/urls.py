# SPDX-License-Identifier: Apache-2.0
"""The addresses of the management API, from the operations declared."""

from __future__ import annotations

from django.urls import URLPattern, path

from packhouse.domain.permissions import Action
from packhouse.web.api import indexes, projects, tokens
from packhouse.web.api.description import description
from packhouse.web.api.operations import Asked, Operation, dispatch
from packhouse.web.api.shapes import Shape

PREFIX = "api/v1/"
ANYTHING: Shape = {"type": "object"}


def describe(asked: Asked) -> object:
    """This very API in the words of OpenAPI."""
    return description(asked.request.build_absolute_uri(f"/{PREFIX}"), OPERATIONS)


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "openapi.json", Action.ANYONE, describe, "This API, described in OpenAPI 3.1.", ANYTHING),
    *tokens.OPERATIONS,
    *projects.OPERATIONS,
    *indexes.OPERATIONS,
)


def api_routes() -> list[URLPattern]:
    """A route for each address, whatever it may be asked for."""
    by_path: dict[str, dict[str, Operation]] = {}
    for one in OPERATIONS:
        by_path.setdefault(one.path, {})[one.method] = one
    return [path(PREFIX + address, dispatch(methods)) for address, methods in by_path.items()]
