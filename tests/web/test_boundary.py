# SPDX-License-Identifier: Apache-2.0
"""What every reply carries, which hosts we answer for, and refusals in the form the asker reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from tests.infra.accounts import HTML, Browser

from packhouse.config import Settings
from packhouse.domain.addresses import is_loopback, is_own_host, own_origin, split_host
from packhouse.domain.registration import settle
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.web import assets, errors
from packhouse.web.middleware import CONTENT_SECURITY_POLICY, HEADERS, Boundary

PUBLIC = Settings(base_url="https://packages.example")


def boundary(ours: Settings, settings) -> Boundary:
    settings.PACKHOUSE = ours
    return Boundary(
        lambda request: HttpResponse(f"{request.META['REMOTE_ADDR']} {request.scheme} {request.get_host()}")
    )


def ask(middleware: Boundary, path: str = "/", **meta: Any):
    return middleware(RequestFactory().get(path, **meta))


@pytest.mark.parametrize("path", ["/account/login/", "/nothing/here/", "/static/x/none.css", "/manage/account/token/"])
def test_headers_on_every_reply(browser: Browser, path: str):
    answer = browser.get(path)
    for name, value in HEADERS.items():
        assert answer[name] == value
    assert "unsafe" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("path", ["/account/login/", "/account/reset/", "/manage/account/", "/nothing/"])
def test_private_pages_and_errors_are_not_kept(browser: Browser, path: str):
    assert "no-store" in browser.get(path)["Cache-Control"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("packages.example", 200),
        ("PACKAGES.example:8443", 200),
        ("packages.example.", 200),
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("packages.example.evil.example", 421),
        ("packages.example@evil.example", 400),
        ("packages.example/evil", 400),
        ("packages.example:port", 400),
        ("a b", 400),
    ],
)
def test_hosts_with_a_public_address(settings, host: str, status: int):
    assert ask(boundary(PUBLIC, settings), HTTP_HOST=host).status_code == status


def test_probes_are_answered_by_any_name(settings):
    assert ask(boundary(PUBLIC, settings), "/healthz", HTTP_HOST="10.0.0.7:8000").status_code == 200


def test_a_trusted_proxy_is_believed_and_nobody_else(settings):
    meta = {
        "HTTP_X_FORWARDED_FOR": "203.0.113.9, 192.0.2.55, 127.0.0.1",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_FORWARDED_HOST": "packages.example",
        "HTTP_HOST": "localhost",
    }
    ours = boundary(PUBLIC, settings)
    assert ask(ours, REMOTE_ADDR="127.0.0.1", **meta).content == b"192.0.2.55 https packages.example"
    assert ask(ours, REMOTE_ADDR="192.0.2.1", **meta).content == b"192.0.2.1 http localhost"


def test_a_prefix_added_by_a_proxy_is_in_every_link(settings, db: None):
    client = Client(headers=HTML, REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_PREFIX="/pkg")
    page = client.get("/account/register/").content.decode()
    assert 'action="/pkg/account/register/"' in page
    assert '"/pkg/static/' in page
    assert client.get("/manage/account/")["Location"] == "/pkg/account/login/?next=/pkg/manage/account/"
    odd = Client(headers=HTML, HTTP_X_FORWARDED_PREFIX='//evil.example/"')
    assert "evil" not in odd.get("/account/register/").content.decode()


def test_networks_of_proxies(settings):
    ours = boundary(replace(PUBLIC, trusted_proxies=("10.1.0.0/16",)), settings)
    meta = {"HTTP_X_FORWARDED_FOR": "203.0.113.9", "HTTP_HOST": "localhost"}
    assert ask(ours, REMOTE_ADDR="10.1.2.3", **meta).content.startswith(b"203.0.113.9 ")
    assert ask(ours, REMOTE_ADDR="10.2.2.3", **meta).content.startswith(b"10.2.2.3 ")
    meta["HTTP_X_FORWARDED_FOR"] = "203.0.113.9, nonsense"
    assert ask(ours, REMOTE_ADDR="10.1.2.3", **meta).content.startswith(b"10.1.2.3 ")


def test_strict_transport_only_with_https(settings):
    assert "Strict-Transport-Security" in ask(boundary(PUBLIC, settings), HTTP_HOST="packages.example")
    assert "Strict-Transport-Security" not in ask(boundary(Settings(), settings))


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    ("path", "accept", "media_type"),
    [
        ("/project/x/", "text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("/project/x/", "application/json", "application/json"),
        ("/project/x/", "*/*", "text/plain; charset=utf-8"),
        ("/simple/x/", "text/html", "text/plain; charset=utf-8"),
        ("/legacy/", "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7", "application/json"),
    ],
)
def test_refusals_in_the_form_the_asker_reads(db: None, rf, kind: Kind, path: str, accept: str, media_type: str):
    request = rf.get(path, headers={"accept": accept})
    request.user = None
    answer = errors.reply(request, refuse(kind, "some-code", "One sentence <b>\r\nwith\x1b[31m odd characters."))
    assert answer.status_code == errors.STATUS[kind]
    assert answer["Content-Type"] == media_type
    assert answer["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer) == (kind is Kind.UNAUTHENTICATED)
    text = answer.content.decode()
    assert "\x1b" not in text
    if "html" in media_type:
        assert "<b>" not in text.partition("One sentence")[2][:20]
        assert 'href="/"' in text


def test_retry_after(rf):
    error = PackhouseError(Kind.TOO_MANY, refuse(Kind.TOO_MANY, "too-many", "Wait.").faults[0], retry_after=7)
    assert errors.reply(rf.get("/"), error)["Retry-After"] == "7"


def test_unknown_addresses_have_a_page_with_a_way_on(browser: Browser):
    answer = browser.get("/no/such/page/")
    assert answer.status_code == 404
    assert 'href="/"' in answer.content.decode()


def test_hostile_190_forms_that_are_too_large_or_odd_are_refused(browser: Browser):
    assert browser.post("/account/login/", login="alice", password="x" * 4_000_000).status_code == 413
    many = {f"field{number}": "x" for number in range(1500)}
    assert browser.post("/account/login/", **many).status_code == 400
    odd = browser.client.post("/account/login/", b"garbage", content_type="multipart/form-data; boundary=x")
    assert odd.status_code == 400


def test_methods_not_listed(browser: Browser):
    answer = browser.client.put("/account/login/")
    assert answer.status_code == 405
    assert "POST" in answer["Allow"]


def test_static_files_are_kept_for_ever_under_their_hash(browser: Browser):
    name = next(name for name in assets.assets() if name.endswith(".js"))
    address = assets.Storage().url(name)
    answer = browser.client.get(address, headers={"accept-encoding": "gzip"})
    assert answer["Cache-Control"] == assets.IMMUTABLE
    assert answer["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer["Content-Encoding"] == "gzip"
    other = browser.get(f"/static/0000/{name}")
    assert other["Cache-Control"] == "no-cache"
    assert other.content == assets.assets()[name].body


@pytest.mark.parametrize("name", ["../settings.py", "..%2f..%2fsettings.py", "%00", "a" * 5000])
def test_static_files_come_from_nowhere_else(browser: Browser, name: str):
    assert browser.get(f"/static/{assets.bundle()}/{name}").status_code == 404


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True), ("a.localhost", True), ("", False),
     ("127.0.0.1.evil.example", False), ("0.0.0.0", False), ("192.168.0.1", False)],
)  # fmt: skip
def test_loopback(host: str, loopback: bool):
    assert is_loopback(host) is loopback


def test_own_origin():
    assert own_origin(PUBLIC, "evil.example") == "https://packages.example"
    assert own_origin(Settings(host="0.0.0.0", port=80)) == "http://localhost:80"
    assert own_origin(Settings(host="::1", port=80)) == "http://[::1]:80"
    assert own_origin(Settings(port=80), "localhost:80") == "http://localhost:80"
    assert own_origin(Settings(port=80), "localhost:81") == "http://127.0.0.1:80"
    assert own_origin(Settings(port=80), "evil.example:80") == "http://127.0.0.1:80"


def test_hosts_without_a_public_address():
    assert is_own_host(Settings(), "anything.example:8000")
    assert not is_own_host(Settings(), "not a host")
    assert split_host("user@host") == ""


def test_registration_mode_when_not_set():
    assert settle(replace(Settings(), host="192.0.2.1")).mode == "invited"


def test_people_are_told_that_an_address_does_not_do_that(browser: Browser):
    answer = browser.post("/help/")
    assert answer.status_code == 405
    assert "This address does not do that" in answer.content.decode()
    assert answer["Allow"] == "GET, HEAD"
    assert Client().post("/help/").content == b"This address knows only the methods GET, HEAD.\n"


def test_a_fault_of_ours_has_our_page_and_the_number_of_the_request(rf: RequestFactory):
    import structlog

    with structlog.contextvars.bound_contextvars(request_id="abc123"):
        answer = errors.server_error(rf.get("/", headers=HTML))
    said = answer.content.decode()
    assert answer.status_code == 500
    assert "The server made a mistake" in said
    assert "abc123" in said
    assert "packhouse.css" in said
