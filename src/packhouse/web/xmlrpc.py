# SPDX-License-Identifier: Apache-2.0
"""XML-RPC at `/pypi`: the reading methods that mirrors use, and clear faults for the methods long gone.

Each index answers for itself: nothing is told of a project that only another one has.

Requests are read by defusedxml: no entities, no external references, no expansion.
"""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable
from typing import Any

import defusedxml.xmlrpc
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from packhouse.catalogue import queries
from packhouse.domain.names import is_valid_name, normalize
from packhouse.errors import Kind, refuse
from packhouse.services import changelog, serving
from packhouse.services.indexes import indexes_below_all
from packhouse.services.search import browse
from packhouse.web import resources
from packhouse.web.reading import may_read

MAX_BODY = 64 * 1024
MAX_SERIAL = 2**62
FAULT = -32500
_USE_JSON = "RuntimeError: This method is not supported. Use the JSON or Simple API instead."
GONE = {
    "changelog": "ValueError: The changelog method has been deprecated, use changelog_since_serial instead.",
    "system.multicall": "ValueError: MultiCall requests have been deprecated, use individual requests instead.",
    "search": "RuntimeError: XML-RPC search is not supported. Use /search/ in a browser instead.",
    "list_packages": "RuntimeError: The list_packages method is not supported. Use the Simple API instead.",
    "top_packages": "RuntimeError: This API has been removed.",
    **dict.fromkeys(
        ("package_data", "package_urls", "package_releases", "release_urls", "release_data", "package_hosting_mode"),
        _USE_JSON,
    ),
}
"""Methods other servers once had, and what to use instead."""


@csrf_exempt
def endpoint(request: HttpRequest, index: str = "main") -> HttpResponse:
    """Answer one call; what it raises becomes a fault, what can't be read a 400."""
    right = may_read(request, index)
    try:
        arguments, method = _call(request)
    except _UnreadableError as error:
        raise refuse(Kind.INVALID, "xmlrpc-unreadable", f"The body is no XML-RPC call: {error}; send one.") from error
    return HttpResponse(_answer(right.name, method, arguments), content_type="text/xml; charset=utf-8")


class _UnreadableError(ValueError):
    """The body is not a call."""


def _call(request: HttpRequest) -> tuple[tuple[Any, ...], str]:
    body = request.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise _UnreadableError(f"it is larger than {MAX_BODY} bytes")
    parser = defusedxml.xmlrpc.DefusedExpatParser(unmarshaller := xmlrpc.client.Unmarshaller())
    try:
        parser.feed(body)
        parser.close()
        arguments, method = unmarshaller.close(), unmarshaller.getmethodname()
    except Exception as error:  # the standard library raises nearly anything on hostile XML
        raise _UnreadableError(type(error).__name__) from error
    if not method:
        raise _UnreadableError("it names no method")
    return tuple(arguments), method


def _answer(index: str, method: str, arguments: tuple[Any, ...]) -> str:
    try:
        result = _run(index, method, arguments)
    except xmlrpc.client.Fault as fault:
        return xmlrpc.client.dumps(fault, allow_none=True)
    return xmlrpc.client.dumps((result,), methodresponse=True, allow_none=True)


def _run(index: str, method: str, arguments: tuple[Any, ...]) -> Any:
    if method in GONE:
        raise xmlrpc.client.Fault(FAULT, GONE[method])
    found = METHODS.get(method)
    if found is None:
        raise xmlrpc.client.Fault(-32601, f"server error; requested method {method[:60]!r} not found")
    function, types = found
    if len(arguments) != len(types):
        raise xmlrpc.client.Fault(-32602, f"client error; expected {len(types)} arguments, got {len(arguments)}")
    for argument, (name, kind) in zip(arguments, types, strict=True):
        if not isinstance(argument, kind) or isinstance(argument, bool):
            raise xmlrpc.client.Fault(-32602, f"client error; {name}: Input should be a valid {_WORDS[kind]}")
    return function(index, *arguments)


_WORDS = {int: "integer", str: "string", list: "list"}


def _last_serial(_index: str) -> int | None:
    return changelog.newest_serial() or None


def _since(index: str, serial: int) -> list[list[Any]]:
    return [
        [change.name, change.version, int(change.at.timestamp()), change.action, change.serial]
        for change in changelog.changes_since(index, min(max(serial, -1), MAX_SERIAL), resources.get().clock())
    ]


def _serials(index: str) -> dict[str, int]:
    return queries.serials(indexes_below_all([index]))


def _roles(index: str, name: str) -> list[list[str]]:
    found = queries.answering(index, normalize(name)) if is_valid_name(name) else None
    people = queries.project_people(found.project.name) if found else []
    return [[role.capitalize(), user] for role, user in people]


def _projects_of(index: str, username: str) -> list[list[str]]:
    held = queries.roles_of(username, indexes_below_all([index]))
    shown = serving.shown_names(index, [normalize(name) for _, name in held], resources.get().clock())
    return [[role.capitalize(), name] for role, name in held if normalize(name) in shown]


def _browse(index: str, classifiers: list[Any]) -> list[list[str]]:
    if not all(isinstance(classifier, str) for classifier in classifiers):
        raise xmlrpc.client.Fault(-32602, "client error; classifiers: Input should be a valid list of strings")
    return [[name, version] for name, version in browse(index, classifiers, resources.get().clock())]


METHODS: dict[str, tuple[Callable[..., Any], tuple[tuple[str, type], ...]]] = {
    "changelog_last_serial": (_last_serial, ()),
    "changelog_since_serial": (_since, (("serial", int),)),
    "list_packages_with_serial": (_serials, ()),
    "package_roles": (_roles, (("name", str),)),
    "user_packages": (_projects_of, (("user", str),)),
    "browse": (_browse, (("classifiers", list),)),
}
