# SPDX-License-Identifier: Apache-2.0
"""Addresses of old, made-up ones, and those at fixed places (read-apis 3.2 and 3.6; standards E12, E13)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from tests.http.client import Site, fresh, wheel

NAME = "shelf-sample-project"
PROJECT = f"/project/{NAME}/"


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        pytest.param(f"/pypi/{NAME}/", PROJECT, id="pypi-name"),
        pytest.param(f"/pypi/{NAME}/1.0/", f"{PROJECT}1.0/", id="pypi-version"),
        pytest.param(f"/pypi/{NAME}/1.0+cpu/", f"{PROJECT}1.0%2Bcpu/", id="pypi-local-version"),
        pytest.param(f"/p/{NAME}/", PROJECT, id="p"),
        pytest.param(f"/p/{NAME}/1.0/", f"{PROJECT}1.0/", id="p-version"),
        pytest.param("/pypi/", "/", id="pypi"),
        pytest.param("/pypi", "/", id="pypi-without-slash"),
        pytest.param("/pypi?:action=rss", "/rss/updates.xml", id="rss"),
        pytest.param("/pypi/?:action=packages_rss", "/rss/packages.xml", id="packages_rss"),
        pytest.param(f"/pypi?:action=display&name={NAME}", PROJECT, id="display"),
        pytest.param(f"/pypi/?:action=display&name={NAME}&version=1.0", f"{PROJECT}1.0/", id="display-version"),
        pytest.param(f"/pypi?:action=files&name={NAME}&version=1.0", f"{PROJECT}1.0/", id="files"),
        pytest.param("/pypi?:action=browse&c=Topic%20::%20X", "/search/?c=Topic+%3A%3A+X", id="browse"),
        pytest.param("/pypi?:action=search&term=a%26b%20c", "/search/?q=a%26b+c", id="search"),
    ],
)
def test_read_apis_3_6(shelf: Site, path: str, leads_to: str):
    for method in ("GET", "HEAD"):
        answer = shelf.ask(path, method)
        assert (answer.status, answer.leads_to()) == (301, leads_to)
    assert shelf.ask(leads_to, accept="text/html").status == 200


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        (f"/project/{NAME}", PROJECT),
        (f"/project/{NAME}?x=1", f"{PROJECT}?x=1"),
        (f"/project/{NAME}/1.0", f"{PROJECT}1.0/"),
        (f"/pypi/{NAME}", f"/pypi/{NAME}/"),
        ("/search?q=x", "/search/?q=x"),
        ("/account/login", "/account/login/"),
    ],
)
def test_read_apis_3_6_a_missing_slash_is_appended(shelf: Site, path: str, leads_to: str):
    answer = shelf.ask(path)
    assert (answer.status, answer.leads_to()) == (301, leads_to)


@pytest.mark.parametrize("path", ["/no-such", "/simple/x/y", "/project/a/b/c/d", "/robots.txt/", "/files/x"])
def test_read_apis_3_6_no_slash_where_it_would_not_help(site: Site, path: str):
    assert site.ask(path).status == 404


def test_read_apis_3_6_classifiers_are_listed_and_doap_is_gone(site: Site):
    listed = site.ask("/pypi?:action=list_classifiers")
    assert (listed.status, listed.type) == (200, "text/plain")
    assert "Programming Language :: Python :: 3" in listed.text.splitlines()
    assert site.ask("/pypi?:action=doap&name=x").status == 410
    assert site.ask("/pypi?:action=files&name=x").status == 404


@pytest.mark.parametrize("piece", ["%0d%0aSet-Cookie:%20a=b", "%0aX", "%5c%5cevil.example", "//evil.example"])
def test_read_apis_3_6_no_redirect_leads_away(site: Site, piece: str):
    for path in (
        f"/pypi?:action=display&name={piece}",
        f"/pypi?:action=display&name=x&version={piece}",
        f"/pypi?:action=search&term={piece}",
        f"/pypi/x/{piece}/",
        f"/pypi/{piece}",
        f"/project/{piece}",
    ):
        answer = site.ask(path)
        assert answer.status in {301, 400, 404}, path
        assert "set-cookie" not in answer
        if answer.status == 301:
            assert not re.match(r"(?:[a-z]+:)?//|/|\\\\", answer["location"]), path


def test_E12_addresses_that_packagers_make_up(shelf: Site):
    for filename, data in shelf.shelf.values():
        python = "py3" if filename.endswith(".whl") else "source"
        for spelling in (NAME, "Shelf.Sample_Project"):
            path = f"/packages/{python}/{spelling[0]}/{spelling}/{filename}"
            answer = shelf.ask(path)
            assert answer.status == 302
            assert shelf.ask(answer.leads_to()).body == data
    missing = shelf.ask(f"/packages/source/s/{NAME}/{NAME}-9.9.tar.gz")
    assert (missing.status, missing.body) == (404, b"404 Not Found")
    wheel_name = next(name for name in shelf.shelf if name.endswith(".whl"))
    metadata = shelf.ask(f"/packages/py3/s/{NAME}/{wheel_name}.metadata")
    assert shelf.ask(metadata.leads_to()).body.startswith(b"Metadata-Version")


def test_E13_security_txt(site: Site):
    answer = site.ask("/.well-known/security.txt")
    assert (answer.status, answer["content-type"]) == (200, "text/plain; charset=utf-8")
    lines = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert lines["Contact"].startswith(("http", "mailto:"))
    ends = datetime.strptime(lines["Expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert 30 < (ends - datetime.now(UTC)).days < 366


def test_E13_robots_txt(site: Site):
    answer = site.ask("/robots.txt")
    assert (answer.status, answer.type) == (200, "text/plain")
    assert answer.text.startswith("User-agent: *\n")
    assert "Disallow: /simple/\n" in answer.text


def test_the_json_documents_name_the_host_and_prefix_of_a_trusted_proxy(site: Site):
    """U6: what has to be absolute is spelled as the client sees it, with or without the prefix in the request."""
    name = fresh()
    site.publish(wheel(name))
    proxy = {"x_forwarded_proto": "https", "x_forwarded_host": "index.example:8443", "x_forwarded_prefix": "/under"}
    for path in (f"/pypi/{name}/json", f"/under/pypi/{name}/json"):
        page = site.ask(path, **proxy).json()
        assert page["urls"][0]["url"].startswith("https://index.example:8443/under/packages/")
        assert page["info"]["package_url"] == f"https://index.example:8443/under/project/{name}/"
    assert site.ask(f"/under/simple/{name}/", **proxy).status == 200
    assert site.ask(f"/under/simple/{name.upper()}/", **proxy).leads_to() == f"/under/simple/{name}/"
    plain = site.ask(f"/pypi/{name}/json").json()
    assert plain["urls"][0]["url"].startswith(site.server.url + "/packages/")
