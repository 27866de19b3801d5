# SPDX-License-Identifier: Apache-2.0
"""What is sent for which Accept (standards N1 to N16, checks 1 to 3; decision 1; hostile-167)."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from tests.http.client import PIP, UV, V1_HTML, V1_JSON, Site

HTML = "text/html"
PAGES = ["/simple/", "/simple/shelf-sample-project/"]
LATEST = "application/vnd.pypi.simple.latest"

CHOICES = [
    pytest.param(None, HTML, id="N2-absent"),
    pytest.param("", HTML, id="N2-empty"),
    pytest.param("*/*", HTML, id="N2-anything"),
    pytest.param("text/*", HTML, id="N9-text"),
    pytest.param("TEXT/*", HTML, id="N9-case"),
    pytest.param("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML, id="check-13.2-browser"),
    pytest.param(PIP, V1_JSON, id="check-13.1-pip"),
    pytest.param(UV, V1_JSON, id="check-13.1-uv"),
    pytest.param(V1_JSON, V1_JSON, id="N5-json"),
    pytest.param(V1_HTML, V1_HTML, id="N5-html"),
    pytest.param(f"{V1_JSON};q=0.1, text/html;q=0.9", HTML, id="N3-quality"),
    pytest.param(f"text/html;q=0.01, {V1_JSON}", V1_JSON, id="N3-order"),
    pytest.param(f"{HTML}, {V1_JSON}", V1_JSON, id="N4-equal-json-first"),
    pytest.param(f"{HTML}, {V1_HTML}", V1_HTML, id="N4-equal-v1-html"),
    pytest.param(f"{LATEST}+json", V1_JSON, id="N6-latest-json"),
    pytest.param(f"{LATEST}+html", V1_HTML, id="N6-latest-html"),
    pytest.param(f"{V1_JSON};q=0, */*", HTML, id="N8-q-0"),
    pytest.param("text/html;q=0, */*", V1_JSON, id="N8-no-html"),
    pytest.param("application/*", V1_JSON, id="N9-application"),
    pytest.param("Application/VND.pypi.simple.V1+JSON; q=0.5", V1_JSON, id="N9-spelling"),
    pytest.param(f" {V1_JSON} ; charset=utf-8 ;q=1 ,", V1_JSON, id="N9-parameters"),
    pytest.param(f"{V1_JSON};q=nan", HTML, id="hostile-167-nan"),
    pytest.param("," * 2000, HTML, id="hostile-167-commas"),
    pytest.param("x" * 6000, HTML, id="hostile-167-long"),
    pytest.param("/;;;=", HTML, id="hostile-167-garbage"),
]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("accept", "expected"), CHOICES)
def test_choice(shelf: Site, path: str, accept: str | None, expected: str):
    answer = shelf.ask(path, **({} if accept is None else {"accept": accept}))
    assert (answer.status, answer.type) == (200, expected)
    assert {"accept", "accept-encoding"} <= answer.vary


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "accept",
    [
        pytest.param("application/vnd.pypi.simple.v2+json", id="N7"),
        pytest.param("application/vnd.pypi.simple.v9+json", id="hostile-167"),
        pytest.param("application/json", id="N12"),
        pytest.param("text/plain, image/png", id="N7-others"),
        pytest.param("*/*;q=0", id="N8-nothing"),
    ],
)
def test_nothing_acceptable(shelf: Site, path: str, accept: str):
    answer = shelf.ask(path, accept=accept)
    assert answer.status == 406
    assert all(known in answer.text for known in (V1_JSON, V1_HTML, HTML))
    assert answer["cache-control"] == "no-store"
    assert "accept" in answer.vary


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(V1_JSON, V1_JSON, id="N10-json"),
        pytest.param(V1_HTML, V1_HTML, id="N10-v1-html"),
        pytest.param(HTML, HTML, id="N10-html"),
        pytest.param(f"{LATEST}+json", V1_JSON, id="N10-latest"),
    ],
)
def test_format_in_the_address_wins(shelf: Site, wanted: str, expected: str):
    for spelled in (quote(wanted, safe=""), wanted):
        for accept in (HTML, V1_JSON, "image/png"):
            answer = shelf.ask(f"{PAGES[1]}?format={spelled}", accept=accept)
            assert (answer.status, answer.type) == (200, expected)


def test_N10_unknown_format_is_406_and_other_parameters_are_ignored(shelf: Site):
    assert shelf.ask(f"{PAGES[1]}?format=application/vnd.pypi.simple.v2%2Bjson").status == 406
    assert shelf.ask(f"{PAGES[1]}?page=2&x", accept=V1_JSON).type == V1_JSON


def test_N1_N12_the_type_is_there_and_exact(shelf: Site):
    for path in PAGES:
        assert shelf.ask(path, accept=V1_JSON)["content-type"] == V1_JSON
        assert shelf.ask(path, accept=V1_HTML)["content-type"] == V1_HTML
        assert shelf.ask(path)["content-type"].lower() == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", [*PAGES, "/simple/no-such-project/"])
def test_N13_vary_on_every_status(shelf: Site, path: str):
    first = shelf.ask(path, accept=V1_JSON)
    assert "accept" in first.vary
    assert "accept" in shelf.ask(path, accept="image/png").vary
    if first.status == 200:
        again = shelf.ask(path, accept=V1_JSON, if_none_match=first["etag"])
        assert again.status == 304
        assert again.vary == first.vary


def test_N14_N16_the_version_is_1_4(shelf: Site):
    for path in PAGES:
        assert shelf.json(path)["meta"]["api-version"] == "1.4"
        assert '<meta name="pypi:repository-version" content="1.4">' in shelf.ask(path).text


def test_N15_keys_of_our_own_begin_with_an_underscore(shelf: Site):
    page = shelf.json(PAGES[1])
    ours = {key for key in (*page, *page["meta"], *page["files"][0]) if key.startswith("_")}
    known = {"meta", "name", "files", "versions", "project-status", "api-version", "filename", "url", "hashes", "size"}
    known |= {"upload-time", "requires-python", "core-metadata", "yanked", "provenance", "gpg-sig"}
    assert {*page, *page["meta"], *page["files"][0]} - ours <= known


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "QUERY"])
@pytest.mark.parametrize("path", [*PAGES, "/simple/no-such-project/"])
def test_L15_pages_are_only_read(shelf: Site, method: str, path: str):
    answer = shelf.ask(path, method, b"x=y", content_type="application/x-www-form-urlencoded")
    assert answer.status == 405
    assert {"GET", "HEAD"} <= {name.strip() for name in answer["allow"].split(",")}


@pytest.mark.parametrize("path", [*PAGES, "/pypi/shelf-sample-project/json"])
def test_F9_scripts_of_other_sites_may_read(shelf: Site, path: str):
    answer = shelf.ask(path, accept=V1_JSON if "simple" in path else "*/*", origin="https://app.example")
    assert answer["access-control-allow-origin"] == "*"
    assert "x-pypi-last-serial" in answer["access-control-expose-headers"].lower()
    preflight = shelf.ask(path, "OPTIONS", origin="https://app.example", access_control_request_method="GET")
    assert preflight.status in {200, 204}
    assert preflight["access-control-allow-origin"] == "*"
    assert "GET" in preflight["access-control-allow-methods"]
