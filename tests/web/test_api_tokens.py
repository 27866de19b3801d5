# SPDX-License-Identifier: Apache-2.0
"""Tokens by the management API: what a token sees, makes, rotates and ends, and that it gets no more by it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from tests.infra.accounts import make_user
from tests.infra.publishing import make_resources
from tests.web.test_api import EVERYTHING, Desk

from packhouse.catalogue.models import Token
from packhouse.services import indexes, notices, organization_tokens, organizations, tokens
from packhouse.services.journal import COMMAND

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(db: None) -> Desk:
    return Desk()


def id_of(secret: str) -> int:
    return tokens.find_token(secret).pk


def test_a_token_says_what_it_is(desk: Desk) -> None:
    said = desk.told("GET", "token", secret=desk.token(("read",), indexes=["main"], projects=["tapes"]))
    assert (said["owner"], said["scopes"], said["indexes"], said["projects"]) == (
        "alice",
        ["read"],
        ["main"],
        ["tapes"],
    )
    assert "token" not in said
    assert said["begins"].startswith("pkh_u")


def test_a_token_made_by_another_is_short_narrow_and_works(desk: Desk) -> None:
    end = (desk.clock.at + timedelta(hours=1)).isoformat()
    wanted = {"name": "job 7", "scopes": ["upload"], "projects": ["Tapes"], "expires": end, "networks": ["127.0.0.0/8"]}
    made = desk.told("POST", "tokens", wanted)
    assert (made["scopes"], made["projects"], made["networks"]) == (["upload"], ["tapes"], ["127.0.0.0/8"])
    assert made["made_by"] == desk.press.identity.token_id
    said = desk.told("GET", "token", secret=made["token"])
    assert {key: said[key] for key in said if key not in {"used", "used_from"}} == {
        key: made[key] for key in said if key not in {"used", "used_from"}
    }
    desk.clock.move(hours=2)
    assert desk.refused("GET", "token", secret=made["token"]) == (401, "token-expired")
    again = desk.told("POST", "tokens", wanted | {"expires": None})  # what is over is tidied away, its name free
    assert again["id"] != made["id"]
    assert Token.objects.get(pk=made["id"]).deleted_at is not None


BEYOND: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"scopes": ("manage",)}, {"scopes": ["upload"]}),
    ({"scopes": ("manage", "read")}, {}),  # unless said, a token uploads and reads
    ({"scopes": EVERYTHING, "projects": ["tapes"]}, {"projects": ["reels"]}),
    ({"scopes": EVERYTHING, "projects": ["tapes"]}, {"projects": ["tapes", "reels"]}),
    ({"scopes": EVERYTHING, "projects": ["tapes"]}, {"projects": ["@Acme"]}),
    ({"scopes": EVERYTHING, "indexes": ["main"]}, {"indexes": ["shelf"]}),
    ({"scopes": EVERYTHING, "networks": ["127.0.0.0/8"]}, {"networks": ["0.0.0.0/0"]}),
    ({"scopes": EVERYTHING, "networks": ["127.0.0.0/8"]}, {"networks": ["::/0"]}),
    ({"scopes": EVERYTHING, "networks": ["127.0.0.0/8"]}, {"networks": ["127.0.0.1", "192.0.2.1"]}),
    ({"scopes": EVERYTHING, "expires_at": 1}, {"expires": 2}),
]


@pytest.mark.parametrize(("held", "wanted"), BEYOND, ids=range(len(BEYOND)))
def test_hostile_183_no_token_makes_one_that_may_do_more(
    desk: Desk, held: dict[str, Any], wanted: dict[str, Any]
) -> None:
    organizations.create_organization(COMMAND, "Acme", desk.owner, clock=desk.clock)
    days = {"expires_at": desk.clock.at + timedelta(days=held["expires_at"])} if "expires_at" in held else {}
    secret = desk.token(**{**held, **days})
    before = Token.objects.count()
    if "expires" in wanted:
        wanted = {"expires": (desk.clock.at + timedelta(days=wanted["expires"])).isoformat()}
    assert desk.refused("POST", "tokens", {"name": "more"} | wanted, secret) == (403, "token-beyond")
    assert Token.objects.count() == before


def test_what_is_not_said_is_as_of_the_token_that_asks(desk: Desk) -> None:
    end = desk.clock.at + timedelta(days=1)
    limits: dict[str, Any] = {"indexes": ["main"], "projects": ["tapes"], "networks": ["127.0.0.1"]}
    made = desk.told("POST", "tokens", {"name": "child"}, desk.token(EVERYTHING, expires_at=end, **limits))
    assert (made["indexes"], made["projects"], made["networks"]) == (["main"], ["tapes"], ["127.0.0.1/32"])
    assert made["expires"].startswith(f"{end:%Y-%m-%dT%H:%M}")


def test_hostile_183_a_token_ends_with_the_one_that_made_it(desk: Desk) -> None:
    child = desk.told("POST", "tokens", {"name": "child", "scopes": list(EVERYTHING)})
    grandchild = desk.told("POST", "tokens", {"name": "grandchild"}, child["token"])
    assert grandchild["made_by"] == child["id"]
    tokens.delete_token(COMMAND, tokens.find_token(desk.secret), clock=desk.clock)
    for secret in (child["token"], grandchild["token"]):
        assert desk.refused("GET", "token", secret=secret) == (401, "token-deleted")


def test_hostile_183_a_token_sees_and_ends_those_that_may_do_no_more(desk: Desk) -> None:
    wide = desk.token(EVERYTHING)
    narrow = desk.token(("manage", "upload"), projects=["tapes"])
    below = desk.token(("upload",), projects=["tapes"])
    bob = tokens.create_token(COMMAND, make_user("bob"), "bobs", ("upload",), clock=desk.clock)[1]
    seen = [one["id"] for one in desk.told("GET", "tokens", secret=narrow)["tokens"]]
    assert seen == [id_of(below), id_of(narrow)]
    for other in (wide, bob):
        assert desk.refused("DELETE", f"tokens/{id_of(other)}", secret=narrow) == (404, "token-missing")
        assert desk.refused("POST", f"tokens/{id_of(other)}/rotation", secret=narrow) == (404, "token-missing")
    assert desk.refused("DELETE", "tokens/99999999999999999999", secret=narrow) == (404, "token-missing")
    number = id_of(below)
    assert desk.told("DELETE", f"tokens/{number}", secret=narrow) == {"ended": number}
    assert desk.refused("DELETE", f"tokens/{number}", secret=narrow) == (404, "token-missing")
    assert desk.refused("GET", "tokens", secret=desk.token(("upload", "read", "yank"))) == (403, "token-action")


def test_hostile_183_a_token_that_reads_by_its_own_name_is_beyond_the_others(desk: Desk) -> None:
    """Rotating it would give its secret, and with it what it alone may read."""
    reader = desk.token(("read",))
    indexes.create_index(COMMAND, "vault", clock=desk.clock)
    indexes.grant_read(COMMAND, "vault", tokens.find_token(reader), clock=desk.clock)
    assert desk.refused("POST", f"tokens/{id_of(reader)}/rotation") == (404, "token-missing")


def test_any_token_ends_itself(desk: Desk) -> None:
    secret = desk.token(("read",))
    assert desk.told("DELETE", "token", secret=secret)["ended"] > 0
    assert desk.refused("DELETE", "token", secret=secret) == (401, "token-deleted")


def test_a_token_rotates_itself_and_its_owner_is_told(desk: Desk) -> None:
    notices.follow(make_resources(desk.clock))
    made = desk.told("POST", f"tokens/{id_of(desk.secret)}/rotation", {"grace_hours": 1})
    assert desk.told("GET", "token", secret=made["token"])["id"] == made["id"]
    assert desk.told("GET", "token")["id"] == made["id"]  # the old secret, yet
    notices.follow(make_resources(desk.clock))
    told = [one for one in mail.outbox if "new secret" in one.subject]
    assert [one.to for one in told] == [["alice@example.org"]]
    assert "by a token of yours" in told[0].body
    desk.clock.move(days=2)
    assert desk.refused("GET", "token") == (401, "token-rotated")
    assert desk.refused("POST", f"tokens/{made['id']}/rotation", {"grace_hours": 721}, made["token"]) == (
        400,
        "token-grace-invalid",
    )


def test_a_token_of_an_organization_makes_tokens_of_it(desk: Desk) -> None:
    organizations.create_organization(COMMAND, "Acme", desk.owner, clock=desk.clock)
    secret = organization_tokens.create(COMMAND, "Acme", "ci", EVERYTHING, clock=desk.clock)[1]
    made = desk.told("POST", "tokens", {"name": "job"}, secret)
    assert (made["owner"], made["token"][:5]) == ("Acme", "pkh_o")
    assert [one["owner"] for one in desk.told("GET", "tokens", secret=secret)["tokens"]] == ["Acme", "Acme"]
    notices.follow(make_resources(desk.clock))
    rotated = desk.told("POST", f"tokens/{made['id']}/rotation", {}, secret)
    assert rotated["token"].startswith("pkh_o")
    notices.follow(make_resources(desk.clock))
    [told] = [one for one in mail.outbox if "new secret" in one.subject]
    assert told.to == ["alice@example.org"]  # who runs it
    assert "by a token of Acme" in told.body


def test_the_page_says_which_token_made_another(desk: Desk) -> None:
    from django.test import Client

    made = desk.told("POST", "tokens", {"name": "job 12"})
    client = Client(headers={"accept": "text/html"})
    client.force_login(desk.owner, "packhouse.site.accounts.Backend")
    page = client.get("/manage/account/token/").content.decode()
    assert 'made by the token <span class="breakable">t0</span>' in page
    assert "job 12" in page
    leaving = client.get(f"/manage/account/token/{desk.press.identity.token_id}/delete/").content.decode()
    assert "The token that it made ends with it." in leaving
    alone = client.get(f"/manage/account/token/{made['id']}/delete/").content.decode()
    assert "that it made" not in alone
