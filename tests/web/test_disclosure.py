# SPDX-License-Identifier: Apache-2.0
"""hostile-186: reports of secret scanners. Signed and new: the token ends, its owner is told; anything else is 4xx."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core import mail
from tests.infra.accounts import Browser, make_user
from tests.infra.clock import TickingClock
from tests.infra.publishing import make_resources

from packhouse.catalogue.models import JournalEntry, Token
from packhouse.errors import PackhouseError
from packhouse.services import access, notices, tokens
from packhouse.services.journal import COMMAND
from packhouse.services.resources import Resources

ADDRESS = "/_/secrets/disclose-token"
PLACE = "https://code.example/somebody/notes/blob/main/.netrc"
CURRENT, OLD = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@pytest.fixture
def stock(browser: Browser, tmp_path: Path) -> Resources:
    """A server that has a scanner's keys."""
    from packhouse.web.resources import hold

    listed = [
        {"key_identifier": "now", "key": pem(CURRENT), "is_current": True},
        {"key_identifier": "then", "key": pem(OLD), "is_current": False},
    ]
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"public_keys": listed}))
    made = make_resources(TickingClock(), disclosure_keys=file)
    hold(made)
    return made


def report(token: str, url: str = PLACE) -> bytes:
    return json.dumps([{"type": "packhouse_api_token", "token": token, "url": url, "source": "content"}]).encode()


def sign(body: bytes, key: ec.EllipticCurvePrivateKey = CURRENT) -> str:
    return base64.b64encode(key.sign(body, ec.ECDSA(SHA256()))).decode()


def send(browser: Browser, body: bytes, *, signature: str = "", identifier: str = "now", word: str = "GITHUB") -> Any:
    headers = {
        f"{word}-Public-Key-Identifier": identifier,
        f"{word}-Public-Key-Signature": signature or sign(body),
        "accept": "application/json",
    }
    return browser.client.post(ADDRESS, body, content_type="application/json", headers=headers)


def leaked(stock: Resources, name: str = "leaked") -> tuple[Token, str]:
    from packhouse.catalogue.models import User

    owner = User.objects.filter(username="alice").first() or make_user()
    return tokens.create_token(COMMAND, owner, name, clock=stock.clock)


def is_good(secret: str, stock: Resources) -> bool:
    try:
        access.authenticate(f"Bearer {secret}", stock.clock())
    except PackhouseError:
        return False
    return True


@pytest.mark.parametrize("word", ["GITHUB", "GOSST"])
def test_hostile_186_a_signed_report_ends_the_token_and_its_owner_is_told(
    browser: Browser, stock: Resources, word: str
):
    token, secret = leaked(stock)
    _, other = leaked(stock, "other")
    notices.follow(stock)
    mail.outbox.clear()
    answer = send(browser, report(secret), word=word)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [is_good(one, stock) for one in (secret, other)] == [False, True]
    entry = JournalEntry.objects.get(kind="token deleted")
    assert (entry.via, entry.detail["token"], entry.detail["how"], entry.detail["url"]) == (
        "secret scanner",
        token.pk,
        "disclosed",
        PLACE,
    )
    notices.follow(stock)
    assert [one.to for one in mail.outbox] == [["alice@example.org"]]
    assert PLACE in str(mail.outbox[0].body)
    assert secret not in str(mail.outbox[0].body)


def test_hostile_186_an_unknown_token_is_answered_the_same(browser: Browser, stock: Resources):
    known, unknown = leaked(stock)[1], access.mint()
    answers = [send(browser, report(secret)) for secret in (known, unknown, "ghp_something", "")]
    assert {(one.status_code, one.content, one["Cache-Control"]) for one in answers} == {(204, b"", "no-store")}
    assert JournalEntry.objects.filter(kind="token deleted").count() == 1


def test_hostile_186_a_replayed_report_is_refused(browser: Browser, stock: Resources):
    body = report(leaked(stock)[1])
    assert send(browser, body).status_code == 204
    assert send(browser, body).status_code == 409  # also with another signature of the same body


FORGERIES: dict[str, Callable[[bytes], dict[str, str]]] = {
    "another key": lambda body: {"signature": sign(body, OLD)},
    "an old key": lambda body: {"signature": sign(body, OLD), "identifier": "then"},
    "an unknown key": lambda _body: {"identifier": "never"},
    "another body": lambda body: {"signature": sign(body + b" ")},
    "no base64": lambda _body: {"signature": "%%%"},
    "not a signature": lambda _body: {"signature": base64.b64encode(b"\x30\x00").decode()},
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_hostile_186_a_report_that_is_not_signed_right_ends_nothing(browser: Browser, stock: Resources, forgery: str):
    _, secret = leaked(stock)
    body = report(secret)
    assert send(browser, body, **FORGERIES[forgery](body)).status_code == 400
    assert is_good(secret, stock)


def test_without_a_scanners_headers_or_keys_there_is_nothing(browser: Browser, stock: Resources):
    _, secret = leaked(stock)
    plain = browser.client.post(ADDRESS, report(secret), content_type="application/json")
    assert plain.status_code == 404
    from packhouse.web.resources import hold

    hold(make_resources(TickingClock()))
    assert send(browser, report(secret)).status_code == 404
    assert is_good(secret, stock)
    assert browser.client.get(ADDRESS).status_code == 405


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"[", b'"x"', b"\xff\xfe", json.dumps([{}] * 1001).encode()],
    ids=lambda body: repr(body[:8]),
)
def test_what_is_no_report_is_refused(browser: Browser, stock: Resources, body: bytes):
    assert send(browser, body).status_code == 400


def test_records_that_make_no_sense_are_passed_over(browser: Browser, stock: Resources):
    _, secret = leaked(stock)
    odd: list[Any] = [
        1,
        None,
        [],
        {"token": 5},
        {"token": ["x"]},
        {"url": "x"},
        {"token": f" {secret}\n", "url": "a\r\nb\x00" * 500},
    ]
    assert send(browser, json.dumps(odd).encode()).status_code == 204
    assert not is_good(secret, stock)
    url = JournalEntry.objects.get(kind="token deleted").detail["url"]
    assert len(url) <= 500
    assert url.isprintable()


def test_a_report_too_large_is_refused_before_it_is_believed(browser: Browser, stock: Resources):
    assert send(browser, b"[" + b" " * (1024 * 1024) + b"]").status_code == 413


def test_the_secret_before_a_rotation_counts_while_it_is_good(browser: Browser, stock: Resources):
    token, old = leaked(stock)
    tokens.rotate_token(COMMAND, token, clock=stock.clock)
    assert send(browser, report(old)).status_code == 204
    assert Token.objects.get(pk=token.pk).deleted_at is not None


def test_the_secret_before_a_rotation_ends_nothing_when_its_grace_is_over(browser: Browser, stock: Resources):
    token, old = leaked(stock)
    _, new = tokens.rotate_token(COMMAND, token, clock=stock.clock)
    stock.clock.move(days=2)  # type: ignore[attr-defined]
    assert send(browser, report(old)).status_code == 204
    assert is_good(new, stock)


@pytest.mark.parametrize("text", ["", "{}", '{"public_keys": 5}', '{"public_keys": [{}]}', "rsa", "absent"])
def test_a_file_of_keys_that_makes_no_sense_is_a_sentence(
    browser: Browser, stock: Resources, tmp_path: Path, text: str
):
    from packhouse.web.resources import hold

    file = tmp_path / "other.json"
    if text == "rsa":
        key = pem(rsa.generate_private_key(65537, 2048))
        text = json.dumps({"public_keys": [{"key_identifier": "now", "key": key}]})
    if text != "absent":
        file.write_text(text)
    hold(replace(stock, settings=replace(stock.settings, disclosure_keys=file)))
    answer = send(browser, report(leaked(stock)[1]))
    assert answer.status_code == 503
    assert b"PACKHOUSE_DISCLOSURE_KEYS" in answer.content


def test_reports_are_limited_by_address(browser: Browser, stock: Resources):
    answers = [send(browser, b"null").status_code for _ in range(61)]
    assert set(answers[:60]) == {400}
    assert answers[60] == 429
