# SPDX-License-Identifier: Apache-2.0
"""The origin as a WSGI application, after `bootstrap.configure`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def application() -> Application:
    """A new handler, its middleware loaded; ready answers come as a list, which servers send in one piece."""
    handler = WSGIHandler()

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = handler(environ, start_response)
        if not isinstance(response, HttpResponse):
            return response
        try:
            return [response.content]
        finally:
            response.close()

    return answer


def only(origin: Application, paths: frozenset[str]) -> Application:
    """The origin for these paths; 404 for all others, without asking it."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] in paths:
            return origin(environ, start_response)
        text = b"This server runs jobs; ask another one.\n"
        about = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        start_response("404 Not Found", [*about, ("Cache-Control", "no-store")])
        return [text]

    return answer
