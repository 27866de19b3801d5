# SPDX-License-Identifier: Apache-2.0
"""The first administrator: one link, once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.infra.accounts import Browser, make_user

from packhouse.catalogue.models import JournalEntry, User
from packhouse.services import people
from packhouse.services.resources import now


@pytest.fixture
def link(db: None) -> str:
    secret = people.offer_first_administrator(now)
    assert secret is not None
    return f"/admin/claim/{secret}/"


def test_hostile_200_somebody_signed_in_becomes_the_administrator_once(signed_in: Browser, link: str):
    answer = signed_in.get(link)
    assert answer["Location"] == "/admin/claim/"  # the secret is not in the page's address
    assert not User.objects.get().is_admin
    assert signed_in.post("/admin/claim/").status_code == 302
    assert User.objects.get().is_admin
    assert JournalEntry.objects.filter(kind="administrator claimed").count() == 1
    assert signed_in.get(link).status_code == 410
    make_user("bob")
    bob = Browser()
    bob.sign_in("bob")
    assert bob.get(link).status_code == 410
    assert bob.post("/admin/claim/").status_code == 410
    assert User.objects.filter(is_admin=True).count() == 1


def test_hostile_200_a_new_account_by_the_link_even_where_registering_is_closed(browser: Browser, link: str, settings):
    settings.PACKHOUSE = replace(settings.PACKHOUSE, registration="closed")
    assert browser.register().status_code == 200
    assert not User.objects.exists()
    browser.get(link)
    page = browser.get("/admin/claim/").content.decode()
    assert 'name="next" value="/admin/claim/"' in page
    browser.post(
        "/account/register/",
        username="alice",
        email="alice@example.org",
        password1="seven quiet otters",
        password2="seven quiet otters",
        next="/admin/claim/",
    )
    assert browser.confirm()["Location"] == "/admin/claim/"
    browser.post("/admin/claim/")
    assert User.objects.get().is_admin


def test_the_file_with_the_link_goes_when_it_is_used_up(signed_in: Browser, link: str, settings, tmp_path: Path):
    settings.PACKHOUSE = replace(settings.PACKHOUSE, data=tmp_path)
    file = tmp_path / "first-admin"
    file.write_text(link, encoding="utf-8")
    signed_in.get(link)
    assert file.exists()
    answer = signed_in.post("/admin/claim/")
    assert not file.exists()
    assert "You are the administrator" in signed_in.get(answer["Location"]).content.decode()


def test_without_signing_in_nobody_becomes_anything(browser: Browser, link: str):
    browser.get(link)
    assert browser.post("/admin/claim/").status_code == 200
    assert not User.objects.exists()
    assert people.claim_is_open(link.split("/")[3])


@pytest.mark.parametrize("path", ["/admin/claim/guess/", "/admin/claim/"])
def test_a_guess_is_no_claim(signed_in: Browser, link: str, path: str):
    assert signed_in.get(path).status_code == 404
    assert signed_in.post("/admin/claim/").status_code == 404


def test_no_default_account(browser: Browser):
    assert not User.objects.exists()
    for name in ("admin", "root", "packhouse"):
        assert browser.sign_in(name, "admin").status_code == 400
