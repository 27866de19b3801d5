# SPDX-License-Identifier: Apache-2.0
"""Accounts on a real server: the outbox, cookies over the wire, and nothing secret in the log."""

from __future__ import annotations

import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from tests.infra.server import Server

PASSWORD = "canary otters seven"
CANARY = "typed too early 8431"
MAIL = re.compile(r"--- mail ---.*?--- end of mail ---", re.DOTALL)


class Visitor:
    """A browser as far as cookies and forms go."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def get(self, path: str) -> str:
        request = urllib.request.Request(self.url + path, headers={"Accept": "text/html"})
        with self.opener.open(request, timeout=30) as reply:
            return str(reply.read().decode())

    def post(self, path: str, **fields: str) -> str:
        """Open the page, then send its form."""
        page = self.get(path)
        secret = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert secret is not None
        body = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": secret.group(1)}).encode()
        request = urllib.request.Request(self.url + path, body, headers={"Accept": "text/html"})
        try:
            with self.opener.open(request, timeout=30) as reply:
                return str(reply.read().decode())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.read().decode()

    def cookie(self, name: str) -> Any:
        return next(cookie for cookie in self.jar if cookie.name == name)


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


def mails(server: Server) -> list[str]:
    return [file.read_text() for file in sorted((server.data / "outbox").glob("*.txt"))]


def register(visitor: Visitor) -> None:
    visitor.post(
        "/account/register/", username="canary", email="canary@example.org", password1=PASSWORD, password2=PASSWORD
    )


def test_hostile_249_nothing_secret_in_the_log(server: Server):
    visitor = Visitor(server)
    register(visitor)
    code = re.findall(r"^([A-Z]{4}-[A-Z]{4})$", mails(server)[0], re.MULTILINE)
    assert len(mails(server)) == len(code) == 1
    visitor.post("/account/confirm/", action="verify", code=code[0])
    page = visitor.post("/manage/account/token/", name="canary", scope="account", uses="upload read", expires="90")
    token = re.findall(r'id="new-token"[^>]*>([^<]+)<', page)[0]
    session = visitor.cookie("packhouse")
    assert "HttpOnly" in session._rest
    assert not session.domain_specified
    Visitor(server).post("/account/reset/", email="canary@example.org")
    link = re.findall(r"/account/reset/\S+", mails(server)[1])[0]
    visitor.get(link)
    for path in (f"/nothing/{token}/", f"/simple/?token={token}"):
        server.get(path, {"Authorization": f"Bearer {token}", "Accept": "text/html"})
    claim = (server.data / "first-admin").read_text().strip().rstrip("/").rpartition("/")[2]
    server.get(f"/admin/claim/{claim}/")
    log = MAIL.sub("", server.output()).partition(claim)[2]  # the banner shows the claim link, as it should
    assert "request method=POST path=/account/register/" in log
    secrets = [PASSWORD, urllib.parse.quote_plus(PASSWORD), code[0], token, str(session.value), claim]
    for secret in [*secrets, link.rstrip("/").rpartition("/")[2]]:
        assert secret not in log


def test_hostile_249_log_lines_can_t_be_forged(server: Server):
    server.get("/account/login/", {"User-Agent": "x\u2028y\x1b[31m".encode().decode("latin-1")})
    server.get("/account/%0d%0aERROR%20forged/%1b[31m/", {"Accept": "text/html"})
    assert not [line for line in server.output().splitlines() if line.startswith("ERROR")]
    assert "\x1b[31m" not in server.output()


def test_the_outbox_is_ours_alone(server: Server):
    register(Visitor(server))
    folder = server.data / "outbox"
    assert folder.stat().st_mode & 0o077 == 0
    assert [file.stat().st_mode & 0o077 for file in folder.iterdir()] == [0]


def test_a_person_made_by_command_signs_in(server: Server):
    person = server.make_user()
    visitor = Visitor(server)
    visitor.post("/account/login/", login=person.name, password=person.password)
    assert "API tokens" in visitor.get("/manage/account/token/")


def test_sign_ins_are_logged_good_and_bad(start_server: Callable[..., Server]):
    """Who, by what, from where; of one that failed not the name, which may be a password typed too early."""
    server = start_server("--edge", "none", extra={"PACKHOUSE_LOG_FORMAT": "json"})
    person = server.make_user("ada")
    token = server.make_token(person)
    visitor = Visitor(server)
    visitor.post("/account/login/", login=CANARY, password="not the one")
    visitor.post("/account/login/", login=person.name, password=person.password)
    assert server.get("/api/v1/token", {"Authorization": f"Bearer {token}"})[0] == 200
    server.stop()
    lines = [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]
    [failed] = [line for line in lines if line["event"] == "sign-in failed"]
    [good] = [line for line in lines if line["event"] == "signed in"]
    assert (good["user"], good["by"], good["client"]) == (person.name, ["password"], "127.0.0.1")
    assert failed["client"] == "127.0.0.1"
    assert CANARY not in server.output()
    [asked] = [line for line in lines if line.get("path") == "/api/v1/token"]
    assert asked["token_number"] == 1
