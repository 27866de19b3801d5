# SPDX-License-Identifier: Apache-2.0
"""A content security policy on every answer as it leaves the server, the edge's own answers among them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.http.client import Answer, Site

NO_BODY = frozenset({204, 304})


def judge(answer: Answer) -> None:
    assert "default-src 'none'" in answer["content-security-policy"], (answer.status, answer.pairs)
    assert "unsafe" not in answer["content-security-policy"]
    assert answer["x-content-type-options"] == "nosniff"


def addresses(site: Site) -> Iterator[str]:
    name = "shelf-sample-project"
    file = site.file_path(name, next(iter(site.shelf)))
    yield from ("/", "/search/?q=x", "/help/", f"/project/{name}/", "/account/login/", "/manage/projects/", "/admin/x/")
    yield from (
        "/simple/",
        f"/simple/{name}/",
        "/simple/Shelf_Sample.Project/",
        "/simple/nobody/",
        "/simple",
        "/simple/a/b/",
    )
    yield from (
        file,
        f"{file}.metadata",
        f"/files/{'0' * 64}/x-1.0.tar.gz",
        "/files/x",
        f"/packages{file.removeprefix('/files')}",
    )
    yield from (
        f"/pypi/{name}/json",
        "/pypi/nobody/json",
        "/rss/updates.xml",
        "/healthz",
        "/readyz",
        "/metrics",
        "/_/audience",
    )
    yield from (
        "/static/x/packhouse/packhouse.css",
        "/static/x/none",
        "/nothing",
        "/index/none/simple/",
        "/legacy/",
        "/%2e%2e/",
    )
    yield "/_/image/x/00"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"])
def test_every_answer_has_a_policy(shelf: Site, method: str):
    for address in addresses(shelf):
        for accept in ("text/html", "application/vnd.pypi.simple.v1+json", "image/webp"):
            answer = shelf.ask(address, method, accept=accept)
            if answer.status not in NO_BODY:
                judge(answer)


def test_answers_again_and_in_part_have_it_too(shelf: Site):
    file = shelf.file_path("shelf-sample-project", next(iter(shelf.shelf)))
    for _ in range(3):  # from the origin, then from the edge's memory
        for range_ in ("bytes=0-9", "bytes=-5", "bytes=999999999-", "bytes=5-2"):
            judge(shelf.ask(file, range=range_))
        judge(shelf.ask("/simple/shelf-sample-project/", accept_encoding="gzip"))
        tag = shelf.ask(file)["etag"]
        again = shelf.ask(file, if_none_match=tag)
        assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "request_",
    [
        "GET /" + "a" * 70_000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n" + "".join(f"X-{n}: 1\r\n" for n in range(300)) + "\r\n",
        "GET /?" + "&".join(f"a{n}=1" for n in range(10_001)) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["long", "headers", "query", "host", "trace", "absolute"],
)
def test_refusals_of_odd_requests_have_it_or_have_no_body(site: Site, request_: str):
    head, _, body = site.raw(request_.encode(), seconds=3).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 ")
    assert b"content-security-policy: " in head.lower() or not body, head
