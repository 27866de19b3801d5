# SPDX-License-Identifier: Apache-2.0
"""The pages on which administrators see and set the rules of indexes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.infra.clock import TickingClock

from packhouse.domain.rules import RULES

if TYPE_CHECKING:
    from tests.infra.accounts import Browser

PAGE = "/admin/index/main/"


@pytest.fixture
def admin(browser: Browser) -> Browser:
    """The browser of alice, an administrator, who gave her password just now."""
    from tests.infra.accounts import make_user
    from tests.infra.publishing import make_resources

    from packhouse.services.indexes import ensure_main
    from packhouse.web.resources import hold

    ensure_main()
    hold(make_resources(TickingClock()))
    make_user(admin=True)
    browser.sign_in()
    browser.reauthenticate()
    return browser


def fields(**changes: str) -> dict[str, str]:
    """The form as the page gives it, with changes."""
    return {"profile": "private", **dict.fromkeys(RULES, ""), **changes}


def rules() -> dict[str, object]:
    from packhouse.services.indexes import rules_of

    return rules_of("main")


def journal() -> list[tuple[str, str, dict[str, object]]]:
    from packhouse.catalogue.models import JournalEntry

    rows = JournalEntry.objects.filter(kind="index rule set").order_by("serial")
    return list(rows.values_list("actor", "via", "detail"))


def test_the_indexes_are_listed(admin: Browser) -> None:
    said = admin.get("/admin/indexes/").content.decode()
    assert f'href="{PAGE}">main</a>' in said
    assert "private" in said
    assert '<a href="/admin/indexes/">Indexes</a>' in admin.get("/").content.decode()


def test_every_rule_is_shown_with_its_value(admin: Browser) -> None:
    said = admin.get(PAGE).content.decode()
    for key in RULES:
        assert f">{key}</label>" in said
        assert f'name="{key}"' in said
    assert "set here" not in said


def test_rules_are_set_journalled_and_taken_back(admin: Browser) -> None:
    sent = fields(profile="strict", closes_after_days="none", images="proxy", prohibited_names="Foo_Bar")
    assert admin.post(PAGE, **sent)["Location"] == PAGE
    assert rules() == {
        "profile": "strict",
        "closes_after_days": "none",
        "images": "proxy",
        "prohibited_names": ["foo-bar"],
    }
    assert {(actor, via) for actor, via, _ in journal()} == {("alice", "web")}
    assert {"key": "images", "value": "proxy", "before": None} in [detail for *_, detail in journal()]
    said = admin.get(PAGE).content.decode()
    assert "4 rules of main changed" in said
    assert said.count("set here") == 3
    assert re.search(r'<option value="strict" selected>', said)
    admin.post(PAGE, **fields(profile="strict", images="proxy", prohibited_names="foo-bar"))
    assert rules() == {"profile": "strict", "images": "proxy", "prohibited_names": ["foo-bar"]}
    assert len(journal()) == 5
    admin.post(PAGE, **fields(profile="strict", images="proxy", prohibited_names="foo-bar"))
    assert len(journal()) == 5, "nothing was changed"


def test_what_makes_no_sense_is_told_beside_its_field_and_nothing_is_set(admin: Browser) -> None:
    answer = admin.post(PAGE, **fields(closes_after_days="soon", images="proxy"))
    assert answer.status_code == 400
    said = answer.content.decode()
    assert "closes_after_days can&#x27;t be" in said
    assert 'value="soon"' in said
    assert rules() == {}
    assert admin.post(PAGE, **fields(images="maybe")).status_code == 400
    assert admin.post(PAGE, **fields(profile="lax")).status_code == 400
    assert rules() == {}


def test_setting_asks_for_the_password_again(admin: Browser) -> None:
    from tests.infra.accounts import Browser

    other = Browser()
    other.sign_in()
    assert other.get(PAGE).status_code == 200
    asked = other.post(PAGE, **fields(images="allow"))
    assert asked["Location"].startswith("/account/reauthenticate/")
    assert rules() == {}
    other.post(asked["Location"], password="seven quiet otters")
    assert rules() == {"images": "allow"}, "what was typed is not lost"


@pytest.mark.parametrize("path", ["/admin/indexes/", PAGE])
def test_others_are_kept_out(admin: Browser, path: str) -> None:
    from tests.infra.accounts import Browser, make_user

    make_user("bob")
    bob = Browser()
    assert bob.get(path)["Location"].startswith("/account/login/")
    bob.sign_in("bob")
    bob.reauthenticate()
    assert bob.get(path).status_code == 403
    assert bob.post(path, **fields(images="allow")).status_code in {403, 405}
    assert "Indexes</a>" not in bob.get("/").content.decode()
    assert rules() == {}


def test_the_service_asks_again(admin: Browser) -> None:
    from tests.infra.accounts import make_user

    from packhouse.errors import Kind, PackhouseError
    from packhouse.services import access, index_rules

    bob = access.identity_of_user(make_user("bob"))
    with pytest.raises(PackhouseError) as caught:
        index_rules.change_rules_as(bob, "main", {"images": "allow"}, clock=TickingClock())
    assert caught.value.kind is Kind.FORBIDDEN


def test_an_index_nobody_made(admin: Browser) -> None:
    assert admin.get("/admin/index/none/").status_code == 404
    assert admin.post("/admin/index/none/", **fields()).status_code == 404
