# SPDX-License-Identifier: Apache-2.0
"""A strict content security policy on every answer: over all routes, whoever asks and by whatever method.

A new route is asked here by itself: one whose answer has no policy fails, and so does one for which no address is
known (add what its pattern wants to `VALUES`).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, resolve
from tests.infra.accounts import HTML, PASSWORD, forget_limits, make_user
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources

from packhouse.domain.headers import FILE_POLICY, PAGE_POLICY
from packhouse.web.middleware import CONTENT_SECURITY_POLICY
from packhouse.web.urls import urlpatterns

pytestmark = pytest.mark.django_db

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "DELETE")
PROGRAM = {"accept": "application/json"}
FILENAME = "foo-1.0-py3-none-any.whl"
SANDBOXED = (PAGE_POLICY[1], FILE_POLICY[1])
VALUES: dict[str, str] = {
    "name": "foo", "version": "1.0", "filename": FILENAME, "token_id": "1", "pk": "1", "index": "main", "rest": "a/b/c",
    "sha256": "0" * 64, "uidb36": "1", "key": "set-password", "secret": "x", "digest": "x", "signature": "x",
    "address": "00", "serial": "1", "moment": "2026-01-01", "username": "alice", "number": "1",
    "form": "csv", "python": "py3", "letter": "f", "team": "core",
    "token": "1", "user": "alice", "snapshot": "first",
}  # fmt: skip
"""What stands for each part of an address; a static file and a file are named by their own tests."""


def patterns(found: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in found:
        if isinstance(entry, URLResolver):
            yield from patterns(entry.url_patterns, prefix + str(entry.pattern))
        else:
            yield prefix + str(entry.pattern), entry


def address_of(pattern: str) -> str:
    """An address that a route takes; of alternatives the first, without what may be left out."""
    text = re.sub(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>", lambda m: VALUES[m[1] or m[2]], pattern)
    text = re.sub(r"\(\?:([^|)]*)[^)]*\)(\?)?", lambda m: "" if m[2] else m[1], text)
    return "/" + text.lstrip("^").removesuffix("$").replace("/?", "/").replace("\\", "")


ROUTES = list(patterns(urlpatterns))


@pytest.mark.parametrize(("pattern", "route"), ROUTES, ids=[pattern for pattern, _ in ROUTES])
def test_each_route_has_an_address_here(pattern: str, route: URLPattern) -> None:
    found = resolve(address_of(pattern)).func
    assert getattr(found, "action", None) == getattr(route.callback, "action", None)


@pytest.fixture
def stock() -> Any:
    """A server with a project on it, and alice, an administrator."""
    from packhouse.services import access
    from packhouse.services.indexes import ensure_main
    from packhouse.services.resources import now
    from packhouse.web.resources import hold

    forget_limits()
    ensure_main()
    made = replace(make_resources(TickingClock()), clock=now)
    hold(made)
    Press(made, access.identity_of_user(make_user(admin=True))).wheel("foo", "1.0", description="x")
    return made


def clients() -> Iterator[Client]:
    yield Client(headers=HTML)
    yield Client(headers=PROGRAM)
    signed_in = Client(headers=HTML)
    assert signed_in.post("/account/login/", {"login": "alice", "password": PASSWORD}).status_code == 302
    yield signed_in


def is_safe(answer: Any) -> bool:
    """Whether an answer has a policy of ours; what could be shown but is no page of ours has to be sandboxed."""
    policy, kind = answer["Content-Security-Policy"], answer.get("Content-Type", "")
    page = kind.startswith("text/html") and policy == CONTENT_SECURITY_POLICY
    styled = answer.wsgi_request.path.startswith("/static/")
    harmless = not re.match(r"text/html|image/svg|application/xhtml|.*\bxml", kind)
    return answer["X-Content-Type-Options"] == "nosniff" and (
        policy in SANDBOXED or page or (policy == CONTENT_SECURITY_POLICY and (harmless or styled))
    )


@cache
def policy() -> dict[str, list[str]]:
    return {part.split()[0]: part.split()[1:] for part in CONTENT_SECURITY_POLICY.split("; ")}


def test_the_policy_of_pages_is_strict() -> None:
    assert policy()["default-src"] == ["'none'"]
    assert {name: policy()[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {
        name: ["'self'"] for name in ("script-src", "style-src", "connect-src", "form-action")
    }
    assert (policy()["base-uri"], policy()["frame-ancestors"]) == (["'none'"], ["'none'"])
    assert not re.search(r"unsafe|\*|https?:|blob:", CONTENT_SECURITY_POLICY)
    for sandboxed in SANDBOXED:
        assert "default-src 'none'" in sandboxed
        assert re.search(r"\bsandbox\b", sandboxed)
        assert "allow-scripts" not in sandboxed
        assert "allow-same-origin" not in sandboxed


@pytest.mark.slow
def test_every_answer_of_every_route_has_a_policy(stock: Any) -> None:
    asked = {address_of(pattern) for pattern, _ in ROUTES}
    for client in clients():
        for method in METHODS:
            for address in sorted(asked, key=lambda address: ("logout" in address, address)):
                body: dict[str, Any] = {"wsgi.input": io.BytesIO()}
                answer = client.generic(method, address, **body)
                assert is_safe(answer), f"{method} {address}: {answer.headers}"


@pytest.mark.parametrize(
    "path", ["/", "/nothing/", "/simple/nothing/", "/files/x", "/%00", "/project/%ff/", "//x", "/legacy/x"]
)
def test_errors_have_a_policy(path: str, stock: Any) -> None:
    for client in clients():
        assert is_safe(client.get(path))


def file_address() -> str:
    from packhouse.catalogue.models import File

    return f"/files/{File.objects.get().sha256}/{FILENAME}"


@pytest.mark.parametrize("prefix", ["", "/index/main", "/legacy"])
def test_hostile_171_files_are_never_rendered_in_our_origin(prefix: str, stock: Any) -> None:
    answer = Client(headers=HTML).get(prefix + file_address())
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == FILE_POLICY[1]


def test_metadata_is_text_in_an_origin_of_its_own(stock: Any) -> None:
    answer = Client(headers=HTML).get(file_address() + ".metadata")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == FILE_POLICY[1]


@pytest.mark.parametrize("path", ["/simple/", "/simple/foo/", "/index/main/simple/foo/"])
@pytest.mark.parametrize("accept", ["text/html", "application/vnd.pypi.simple.v1+json"])
def test_simple_pages_are_sandboxed(path: str, accept: str, stock: Any) -> None:
    answer = Client(headers={"accept": accept}).get(path)
    assert answer.status_code == 200
    assert answer["Content-Security-Policy"] == PAGE_POLICY[1]


@pytest.mark.parametrize(
    "path", ["/pypi/foo/json", "/rss/updates.xml", "/rss/packages.xml", "/rss/project/foo/releases.xml"]
)
def test_documents_are_sandboxed(path: str, stock: Any) -> None:
    answer = Client().get(path)
    assert answer.status_code == 200
    assert answer["Content-Security-Policy"] == PAGE_POLICY[1]


def test_static_files_have_a_policy(stock: Any) -> None:
    from packhouse.web.assets import assets, bundle

    for name in assets():
        answer = Client().get(f"/static/{bundle()}/{name}")
        assert answer.status_code == 200
        assert is_safe(answer)
