# SPDX-License-Identifier: Apache-2.0
"""A request as a WSGI origin is told of it (PEP 3333)."""

from __future__ import annotations

import re
import secrets
import sys
from typing import Any

from packhouse.domain.forwarding import Source, below
from packhouse.edge.http import Request

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")

DROPPED = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "proxy",  # would become HTTP_PROXY, which programs take for their proxy setting
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "x-request-id",
    }
)
"""Request headers that are the server's business, or that `Source` speaks for."""


def request_id(request: Request) -> str:
    """The id the client or its proxy gave the request, when it is a sane one, else a new one."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.match(given) else secrets.token_hex(8)


def environ(request: Request, source: Source, identity: str, secret: str, **more: Any) -> dict[str, Any]:
    """The environ of a request; `secret` proves that an edge of ours takes files, `more` are further keys."""
    name, _, port = source.host.rpartition(":") if not source.host.endswith("]") else (source.host, "", "")
    env: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": source.prefix,
        "PATH_INFO": _path(request.path, source.prefix),
        "QUERY_STRING": request.query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": (name or source.host).strip("[]") or "localhost",
        "SERVER_PORT": port if name and port else ("443" if source.scheme == "https" else "80"),
        "REMOTE_ADDR": source.address,
        "REMOTE_PORT": source.port,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": source.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "packhouse.edge_secret": secret,  # that it is there says that X-Request-ID is ours
        **more,
    }
    _add_headers(env, request)
    env["HTTP_HOST"] = source.host
    env["HTTP_X_REQUEST_ID"] = identity
    if secret:
        env["HTTP_X_PACKHOUSE_EDGE"] = secret
    return env


def _path(path: str, prefix: str) -> str:
    """The path below the prefix, as PEP 3333 wants it: its UTF-8 bytes read as latin-1."""
    path = below(prefix, path)
    return path if path.isascii() else path.encode("utf-8", "replace").decode("latin-1")


def _add_headers(env: dict[str, Any], request: Request) -> None:
    """Add what the client sent, except hop-by-hop headers, those of ours, and names with an underscore.

    An underscore and a hyphen become the same in an environ: `x_forwarded_for` would pass for the real one.
    """
    nominated = {name.strip().lower() for name in request.headers.get("connection", "").split(",")}
    for name, value in request.headers.items():
        if name in DROPPED or name in nominated or "_" in name or name.startswith("x-packhouse-"):
            continue
        env["HTTP_" + name.upper().replace("-", "_")] = value
    for name, key in (("content-type", "CONTENT_TYPE"), ("content-length", "CONTENT_LENGTH")):
        if name in request.headers:
            env[key] = request.headers[name]
