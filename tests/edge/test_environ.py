# SPDX-License-Identifier: Apache-2.0
"""What a WSGI origin is told of a request."""

from __future__ import annotations

from typing import Any

import pytest

from packhouse.domain.forwarding import Source
from packhouse.edge.environ import environ, request_id
from packhouse.edge.http import Request


def told(path: str = "/a", host: str = "own.example", prefix: str = "", *items: tuple[str, str]) -> dict[str, Any]:
    request = Request("GET", path, "q=1", [("host", host), *items])
    return environ(request, Source("192.0.2.1", "5000", "https", host, prefix), "an-identity", "")


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("own.example", "own.example", "443"),
        ("own.example:8000", "own.example", "8000"),
        ("[::1]:8000", "::1", "8000"),
        ("[::1]", "::1", "443"),
    ],
)
def test_name_and_port_come_from_the_host(host: str, name: str, port: str) -> None:
    made = told(host=host)
    assert (made["SERVER_NAME"], made["SERVER_PORT"], made["HTTP_HOST"]) == (name, port, host)


@pytest.mark.parametrize(
    ("path", "prefix", "script", "rest"),
    [
        ("/simple/", "", "", "/simple/"),
        ("/py/simple/", "/py", "/py", "/simple/"),
        ("/simple/", "/py", "/py", "/simple/"),  # a proxy that cut it off already
        ("/python/", "/py", "/py", "/python/"),
        ("/py", "/py", "/py", "/"),
    ],
)
def test_a_prefix_is_the_scripts_name(path: str, prefix: str, script: str, rest: str) -> None:
    made = told(path, prefix=prefix)
    assert (made["SCRIPT_NAME"], made["PATH_INFO"]) == (script, rest)


def test_repeated_headers_are_one() -> None:
    made = told("/a", "x", "", ("accept", "a"), ("accept", "b"), ("cookie", "c=1"), ("cookie", "d=2"))
    assert (made["HTTP_ACCEPT"], made["HTTP_COOKIE"]) == ("a, b", "c=1; d=2")


def test_without_a_secret_the_origin_sends_bytes_itself() -> None:
    assert "HTTP_X_PACKHOUSE_EDGE" not in told("/a", "x", "", ("x-packhouse-edge", "guess"))


def test_request_ids() -> None:
    assert request_id(Request("GET", "/", "", [("x-request-id", "abcdefgh")])) == "abcdefgh"
    made = {request_id(Request("GET", "/", "", [("x-request-id", odd)])) for odd in ("", "a b c d e f", "\u00e9" * 9)}
    assert len(made) == 3
