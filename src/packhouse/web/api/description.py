# SPDX-License-Identifier: Apache-2.0
"""The management API in OpenAPI 3.1, made from what its operations declare, so that it can't say anything else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from packhouse.domain.permissions import TOKEN_ACTIONS, Action
from packhouse.web.api.operations import MAX_TEXT, MAX_TEXTS, Field, Operation, Takes
from packhouse.web.api.shapes import PROBLEM, TEXT, Shape, perhaps

_VARIES = re.compile(r"<(?:\w+:)?(\w+)>")
_TYPED = re.compile(r"<(\w+):(\w+)>")
_IN_ADDRESSES: dict[str, Shape] = {
    "str": {"type": "string", "pattern": r"^[^\u0000-\u001f\u007f-\u009f/\\]+$"},
    "int": {"type": "integer", "minimum": 0},
}
"""What may stand in an address: of others it is known from the outside that nothing is there (404, in plain text)."""

_REFUSALS = {
    "400": "The body can't be read, or a field of it is wrong.",
    "401": "No credentials, or none that are good.",
    "403": "The token or its owner may not do this.",
    "404": "There is no such thing, or none the asker may know of.",
    "409": "It clashes with what is there.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "This token asked too often; `Retry-After` says when to go on.",
    "503": "Read-only, or not able just now; `Retry-After` says when to go on.",
}
_FROM_OUTSIDE = frozenset({"404", "413"})
"""What the edge may answer by itself, in plain text: an address that nothing can have, a body larger than any."""
_OF_READERS = ("401", "403", "404", "429", "503")


def description(server: str, operations: Iterable[Operation]) -> dict[str, Any]:
    """The whole document; `server` is the address that the paths are below."""
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        spelled = "/" + _VARIES.sub(r"{\1}", one.path)
        paths.setdefault(spelled, {})[one.method.lower()] = _operation(one, spelled)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Packhouse management API",
            "version": version("packhouse"),
            "summary": "What owners and maintainers do in the browser, for programs with an API token.",
        },
        "servers": [{"url": server.rstrip("/")}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "User name __token__, the token as password.",
                },
            },
        },
    }


def _operation(one: Operation, spelled: str) -> dict[str, Any]:
    varying = _TYPED.findall(one.path)
    told: dict[str, Any] = {
        "operationId": f"{one.method} {spelled}",
        "summary": one.about,
        "description": scopes_for(one.action),
        "security": [] if one.action is Action.ANYONE else [{"bearer": []}, {"basic": []}],
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": one.answer}}},
            **({} if one.action is Action.ANYONE else _refusals(one)),
        },
    }
    if varying:
        told["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": _IN_ADDRESSES[kind]} for kind, name in varying
        ]
    if one.fields:
        required = any(field.required for field in one.fields)
        content = {"application/json": {"schema": _body(one.fields)}}
        told["requestBody"] = {"required": required, "content": content}
    return told


def scopes_for(action: Action) -> str:
    """Which scopes of a token allow an action, in a sentence."""
    if action is Action.ANYONE:
        return "Needs no token."
    if action is Action.ITSELF:
        return "Any token will do."
    if action is Action.READ:
        return "Needs no token for a public index, else one with the scope read."
    scopes = [f"`{scope}`" for scope, actions in TOKEN_ACTIONS.items() if action in actions]
    more = " and `upload`" if action is Action.PROMOTE else ""
    return f"Needs a token with the scope {' or '.join(scopes)}{more}."


def _refusals(one: Operation) -> dict[str, Any]:
    statuses = _REFUSALS if one.changes else _OF_READERS
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    told = {status: {"description": _REFUSALS[status], "content": content} for status in statuses}
    outside = content | {"text/plain": {"schema": TEXT}}
    return {one: reply | ({"content": outside} if one in _FROM_OUTSIDE else {}) for one, reply in told.items()}


def _body(fields: Iterable[Field]) -> Shape:
    properties = {one.name: _field(one) for one in fields}
    required = [one.name for one in fields if one.required]
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _field(one: Field) -> Shape:
    text: Shape = {"type": "string", "maxLength": MAX_TEXT}
    shapes: dict[Takes, Shape] = {
        Takes.TEXT: text,
        Takes.TEXTS: {"type": "array", "items": text, "maxItems": MAX_TEXTS},
        Takes.MOMENT: {"type": "string", "format": "date-time"},
        Takes.NUMBER: {"type": "integer", "minimum": 0},
    }
    choices = {"enum": list(one.choices)} if one.choices else {}
    shape = {**shapes[one.takes], **choices}
    return {**(shape if one.required else perhaps(shape)), "description": one.about}
