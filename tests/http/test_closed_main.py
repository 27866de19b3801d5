# SPDX-License-Identifier: Apache-2.0
"""A server whose `main` is closed (standards AU1 to AU4; decision on audiences): every address it has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.http.client import Site, basic, sha256, wheel
from tests.http.conftest import LIMITS, MODES
from tests.infra.desk import Desk
from tests.infra.server import finish, start

pytestmark = pytest.mark.slow

FILE = wheel("kept-apart")
READ = [
    *("/simple/", "/simple", "/simple/kept-apart/", "/simple/Kept.Apart/", "/simple/no-such/", "/simple/pip/"),
    *("/index/main/simple/", "/index/main", "/index/main/pypi/kept-apart/json", "/legacy/+simple/kept-apart/"),
    *("/pypi/kept-apart/json", "/pypi/kept-apart/1.0/json", "/pypi/no-such/json", "/rss/updates.xml"),
    *("/rss/packages.xml", "/rss/project/kept-apart/releases.xml", "/rss/project/no-such/releases.xml"),
    *(f"/{kind}/{sha256(FILE[1])}/{FILE[0]}{tail}" for kind in ("files", "packages") for tail in ("", ".metadata")),
    *(f"/files/{'0' * 64}/{FILE[0]}", f"/packages/py3/k/kept-apart/{FILE[0]}"),
]
LOOKED_AT = [
    "/",
    "/search/?q=kept",
    "/project/kept-apart/",
    "/project/no-such/",
    "/user/olga/",
    "/user/nobody/",
    "/stats/",
]
CALL = b"<?xml version='1.0'?><methodCall><methodName>list_packages_with_serial</methodName></methodCall>"


@pytest.fixture(scope="module", params=MODES)
def shut(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a closed `main` that holds one project, and which `olga` may read."""
    data = tmp_path_factory.mktemp("shut") / "data"
    server = start(data, "--edge", MODES[request.param], extra=LIMITS)
    desk = Desk(data)
    site = Site(server, request.param, desk)
    site.publish(FILE)
    assert {site.ask(path).status for path in READ} <= {200, 301, 302, 404}  # so that an edge knows what it may send
    site.must("index", "read", "main", "closed")
    site.must("index", "grant", "main", site.owner.name)
    yield site
    desk.close()
    finish(server)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_AU1_check_13_6_every_address_programs_read_is_challenged(shut: Site, method: str):
    for path in READ:
        answer = shut.ask(path, method)
        assert answer.status == 401, path
        assert answer["www-authenticate"].startswith('Basic realm="')
        assert answer["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer
        assert b"kept" not in answer.body
    assert shut.ask("/pypi", "POST", CALL, content_type="text/xml").status == 401


def test_AU1_pages_for_people_ask_programs_for_a_token_and_people_to_sign_in(shut: Site):
    for path in LOOKED_AT:
        program = shut.ask(path)
        assert (program.status, program["www-authenticate"][:6]) == (401, "Basic ")
        person = shut.ask(path, accept="text/html")
        assert (person.status, person.leads_to()[:21]) == (302, "/account/login/?next=")


def test_AU2_AU3_check_13_7_bad_token_401_stranger_403(shut: Site):
    for path in (*READ, *LOOKED_AT):
        assert shut.ask(path, authorization=basic("pkh_u" + "0" * 38)).status == 401, path
        refused = shut.ask(path, authorization=basic(shut.stranger_token))
        assert (refused.status, "location" in refused) == (403, False), path


def test_AU4_a_reader_reads(shut: Site):
    for path in READ:
        answer = shut.ask(path, authorization=basic(shut.token))
        assert answer.status in {200, 301, 302, 404}, path
        assert answer["cache-control"] == "no-store" or answer["cache-control"].startswith("private"), path
        assert "access-control-allow-origin" not in answer
    assert "kept-apart" in shut.ask("/search/?q=kept", authorization=basic(shut.token)).text
    assert "kept-apart" in shut.ask("/pypi", "POST", CALL, authorization=basic(shut.token)).text


def test_what_holds_nothing_private_stays_open(shut: Site):
    for path in ("/healthz", "/readyz", "/robots.txt", "/.well-known/security.txt", "/account/login/"):
        assert shut.ask(path, accept="text/html").status == 200
    assert "Disallow: /\n" in shut.ask("/robots.txt").text
