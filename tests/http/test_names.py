# SPDX-License-Identifier: Apache-2.0
"""Addresses and names (standards U1 to U13, checks 4 and 5; hostile-161 to hostile-163)."""

from __future__ import annotations

import re

import pytest
from tests.http.client import V1_JSON, Site, fresh, wheel
from tests.http.conftest import SHELF

NAME = "shelf-sample-project"
CORS = "access-control-allow-origin"


def test_U1_root_lists_every_project_once(shelf: Site):
    names = [project["name"] for project in shelf.json("/simple/")["projects"]]
    assert names.count(SHELF) == 1
    assert len(names) == len(set(names))


def test_U2_detail_stands_at_the_normalized_name(site: Site):
    name = fresh("my__Pkg.Name")
    site.publish(wheel(name), name=name)
    normalized = re.sub(r"[-_.]+", "-", name).lower()
    assert site.ask(f"/simple/{normalized}/").status == 200


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        pytest.param("/simple", "/simple/", id="U4-root"),
        pytest.param(f"/simple/{NAME}", f"/simple/{NAME}/", id="U4-project"),
        pytest.param("/simple/Shelf.Sample_Project/", f"/simple/{NAME}/", id="U5-normalize"),
        pytest.param("/simple/Shelf.Sample_Project", f"/simple/{NAME}/", id="U5-both-at-once"),
        pytest.param("/simple/SHELF--Sample.Project/?format=x&y=1", f"/simple/{NAME}/?format=x&y=1", id="U5-query"),
        pytest.param("/index/main/simple/Shelf.Sample_Project/", f"/index/main/simple/{NAME}/", id="U5-index"),
        pytest.param("/pypi/Shelf.Sample_Project/json", f"/pypi/{NAME}/json", id="U5-json"),
        pytest.param("/pypi/Shelf.Sample_Project/1.0/json", f"/pypi/{NAME}/1.0/json", id="U5-release-json"),
    ],
)
def test_redirects(shelf: Site, path: str, leads_to: str):
    answer = shelf.ask(path)
    assert (answer.status, answer.leads_to()) == (301, leads_to)
    assert answer[CORS] == "*"
    assert shelf.ask(answer.leads_to().partition("?")[0]).status == 200


@pytest.mark.parametrize("path", ["/simple", "/simple/Shelf.Sample_Project/", "/pypi/Shelf.Sample_Project/json"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x_forwarded_proto": "https", "x_forwarded_host": "index.example"}, id="U6-proxy"),
        pytest.param({"x_forwarded_host": "evil.example"}, id="hostile-158"),
    ],
)
def test_redirects_are_relative_so_that_scheme_host_and_prefix_stay(shelf: Site, path: str, headers: dict[str, str]):
    answer = shelf.ask(path, **headers)
    if answer.status == 421:  # the host is not one of ours: refused is right as well
        return
    assert answer.status == 301
    assert not re.match(r"(?:[a-z]+:)?//|/", answer["location"]), answer["location"]


def test_U7_file_links_resolve_from_the_page_and_from_every_spelling_of_it(shelf: Site):
    for base in ("", "/index/main"):
        for filename, data in shelf.shelf.values():
            answer = shelf.ask(shelf.file_path(NAME, filename, base))
            assert (answer.status, answer.body) == (200, data)


BAD_NAMES = ["-a", "a-", ".", "", "%C3%A4", "a%0A", "a%20b", "R%D0%B5quests", "%E2%84%AAelvin", "%C5%BFlow"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_U8_no_page_at_a_name_that_is_none(site: Site, name: str):
    answer = site.ask(f"/simple/{name}/") if name else site.ask("/simple//")
    assert answer.status in {400, 404}


@pytest.mark.parametrize("path", ["/simple/no-such-project/", "/simple/a/b/", "/simple/a/b", "/index/none/simple/"])
@pytest.mark.parametrize("accept", ["", "text/html", V1_JSON])
def test_U9_unknown_is_404_with_a_tiny_body(site: Site, path: str, accept: str):
    answer = site.ask(path, **({"accept": accept} if accept else {}))
    assert (answer.status, answer.body, answer.type) == (404, b"404 Not Found", "text/plain")
    assert answer[CORS] == "*"
    assert answer["cache-control"] == "no-store"


def test_U9_a_404_ends_with_the_first_upload(site: Site):
    name = fresh()
    for _ in range(4):  # so that every worker remembers that there is none
        assert site.ask(f"/simple/{name}/").status == 404
    site.publish(wheel(name))
    assert {site.ask(f"/simple/{name}/").status for _ in range(8)} == {200}


@pytest.mark.parametrize(
    "path",
    [
        "/simple/",
        f"/simple/{NAME}/",
        f"/simple/{NAME}",
        "/simple/no-such-project/",
        f"/pypi/{NAME}/json",
        "/pypi/no-such-project/json",
        "/rss/updates.xml",
        "/rss/packages.xml",
        f"/project/{NAME}/",
        "/",
        "/healthz",
    ],
)
def test_U11_head_is_get_without_a_body(shelf: Site, path: str):
    got, asked = shelf.ask(path), shelf.ask(path, "HEAD")
    assert asked.status == got.status
    assert asked.body == b""
    ours = {"date", "content-length", "x-request-id", "set-cookie", "server", "age", "x-cache"}
    assert [pair for pair in asked.pairs if pair[0] not in ours] == [pair for pair in got.pairs if pair[0] not in ours]
    assert asked["content-length"] in {"", str(len(got.body))}


@pytest.mark.parametrize(
    "path",
    [
        "/simple/%2e%2e/",
        "/simple/..%2f..%2fetc/passwd",
        "/simple/%252e%252e/",
        "/simple//%2F%2F..%2F",
        "/simple/..;/",
        "/simple/a%5cb/",
        "/simple/%c0%ae%c0%ae/",
        "/simple/a%00/",
        "/simple/a%2Fb/",
        "/simple/../simple/../../etc/passwd",
        "//evil.example/simple",
        "//evil.example/simple/x",
        "/simple/" + "a" * 10_000 + "/",
        "/files/..%2f..%2fsecret-key/x",
        "/files/" + "0" * 64 + "/..%2f..%2fsecret-key",
        "/files/" + "0" * 64 + "/%2e%2e",
        "/static/%2e%2e/%2e%2e/secret-key",
    ],
)
def test_U12_hostile_161_odd_paths_lead_nowhere(site: Site, path: str):
    answer = site.ask(path)
    assert answer.status in {400, 404, 414}
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize(
    "path", ["/simple/x%0d%0aSet-Cookie:%20a=b", "/simple?x=%0d%0aSet-Cookie:%20a=b", f"/simple/{NAME}?q=%0aX:y"]
)
def test_hostile_163_no_line_breaks_from_an_address(shelf: Site, path: str):
    answer = shelf.ask(path)
    assert answer.status in {301, 400, 404}
    assert "set-cookie" not in answer
    assert "\n" not in answer["location"]


def test_U13_a_plus_in_a_filename_may_be_quoted_or_not(shelf: Site):
    filename, data = next(file for file in shelf.shelf.values() if "+cpu" in file[0])
    path = shelf.file_path(NAME, filename)
    assert "%2B" in path
    for spelling in (path, path.replace("%2B", "+"), path.replace("%2B", "%2b")):
        assert shelf.ask(spelling).body == data


def test_E9_hatch_asks_below_the_upload_address(shelf: Site):
    assert shelf.ask(f"/legacy/+simple/{NAME}/").body == shelf.ask(f"/simple/{NAME}/").body
