# SPDX-License-Identifier: Apache-2.0
"""The token page: made once, shown once, limited as chosen, deleted with the password."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from tests.infra.accounts import PASSWORD, Browser, make_user

from packhouse.catalogue.activity.models import TokenUse
from packhouse.catalogue.models import Project, Role, Token, User
from packhouse.errors import PackhouseError
from packhouse.services import access, tokens
from packhouse.services import indexes as services
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now

PAGE = "/manage/account/token/"
DEFAULTS = {"name": "laptop", "scope": "account", "uses": "upload read", "expires": "90"}


def make(browser: Browser, **fields: Any) -> str:
    """Make a token; returns it as the page shows it."""
    page = browser.post(PAGE, **{**DEFAULTS, **fields}).content.decode()
    found = re.findall(r'id="new-token"[^>]*>([^<]*)<', page)
    assert len(found) == 1, page
    return str(found[0]).strip()


def project(name: str, owner: User) -> Project:
    row = Project.objects.create(name=name, display_name=name, created_at=now(), created_serial=1)
    Role.objects.create(project=row, user=owner, role="owner", since=now())
    return row


def test_a_new_token_works_and_is_shown_once(signed_in: Browser):
    token = make(signed_in)
    identity = access.authenticate(f"Bearer {token}", now())
    assert identity.username == "alice"
    again = signed_in.get(PAGE).content.decode()
    assert token not in again
    assert "new-token" not in again
    assert token[:9] in again


def test_only_the_hash_is_kept(signed_in: Browser):
    token = make(signed_in)
    row = Token.objects.get()
    assert token not in str(row.__dict__)
    assert row.digest == access.digest_of(token)
    assert token not in str(dict(signed_in.client.session.items()))


def test_the_page_is_not_kept_by_caches(signed_in: Browser):
    answer = signed_in.post(PAGE, **DEFAULTS)
    assert answer["Cache-Control"] == "no-store"


def test_ready_lines_for_uv_and_twine(signed_in: Browser):
    page = signed_in.post(PAGE, **DEFAULTS).content.decode()
    text = re.sub(r"<[^>]+>", "", page)
    assert "uv publish --publish-url http://testserver/legacy/" in text
    assert "twine upload --repository-url http://testserver/legacy/" in text


def test_fields_and_their_defaults(signed_in: Browser):
    form = signed_in.get(PAGE).context["form"]
    labels = [field.label for field in form]
    assert labels[0] == "Token name"
    assert {"Scope", "Expires"} <= set(labels)
    assert form["scope"].value() == "account"
    assert form["expires"].value() == "90"
    assert [value for value, _ in form.fields["expires"].choices] == ["7", "30", "90", "180", "365", "date", "never"]


@pytest.mark.parametrize(("choice", "days"), [("7", 7), ("90", 90), ("365", 365)])
def test_expiry_in_days(signed_in: Browser, choice: str, days: int):
    make(signed_in, expires=choice)
    end = Token.objects.get().expires_at
    assert end is not None
    left = end - now()
    assert timedelta(days=days, minutes=-5) < left <= timedelta(days=days)


def test_no_expiry(signed_in: Browser):
    make(signed_in, expires="never")
    assert Token.objects.get().expires_at is None


def test_expiry_on_a_date_counts_that_day(signed_in: Browser):
    day = (now() + timedelta(days=3)).date()
    make(signed_in, expires="date", date=day.isoformat())
    end = Token.objects.get().expires_at
    assert end is not None
    assert end.date() == day + timedelta(days=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\u202eb"},
        {"scope": "project:of-somebody-else"},
        {"scope": "several"},
        {"expires": "100000"},
        {"expires": "date"},
        {"expires": "date", "date": "2020-01-01"},
        {"expires": "date", "date": "9999-12-31"},
        {"expires": "date", "date": "31.12."},
        {"uses": "administer"},
    ],
)
def test_what_makes_no_sense_is_refused(signed_in: Browser, wrong: dict[str, str]):
    assert signed_in.post(PAGE, **{**DEFAULTS, **wrong}).status_code == 400
    assert not Token.objects.exists()


def test_a_name_twice_is_refused(signed_in: Browser):
    make(signed_in)
    assert signed_in.post(PAGE, **DEFAULTS).status_code == 400
    assert Token.objects.count() == 1


def test_scope_of_one_project(signed_in: Browser):
    user = User.objects.get()
    project("mine", user)
    project("other", user)
    make(signed_in, scope="project:mine")
    assert Token.objects.get().projects == ["mine"]


def test_scope_of_several_projects(signed_in: Browser):
    user = User.objects.get()
    for name in ("one", "two", "three"):
        project(name, user)
    make(signed_in, scope="several", projects=["one", "three"])
    assert Token.objects.get().projects == ["one", "three"]


def test_projects_of_others_are_not_offered(signed_in: Browser):
    project("theirs", make_user("bob"))
    assert "theirs" not in signed_in.get(PAGE).content.decode()


def test_last_use_is_shown(signed_in: Browser):
    make(signed_in)
    token = Token.objects.get()
    TokenUse.objects.create(token_id=token.pk, used_at=now(), address="192.0.2.44", agent="uv/0.9 <script>")
    page = signed_in.get(PAGE).content.decode()
    assert "192.0.2.44" in page
    assert "<script>" not in page.partition("192.0.2.44")[2].partition("</td>")[0]


def test_deleting_asks_for_the_password_and_holds_at_once(signed_in: Browser):
    token = make(signed_in)
    address = f"{PAGE}{Token.objects.get().pk}/delete/"
    page = signed_in.get(address)
    assert [field.label for field in page.context["form"]] == ["Password"]
    assert "Delete token</button>" in page.content.decode()
    assert signed_in.post(address, password="not the password").status_code == 400
    assert access.authenticate(f"Bearer {token}", now()).username == "alice"
    assert signed_in.post(address, password="seven quiet otters")["Location"] == PAGE
    with pytest.raises(PackhouseError):
        access.authenticate(f"Bearer {token}", now())
    assert token[:9] not in signed_in.get(PAGE).content.decode()


def test_the_delete_page_changes_nothing_by_itself(signed_in: Browser):
    make(signed_in)
    signed_in.get(f"{PAGE}{Token.objects.get().pk}/delete/")
    assert Token.objects.get().deleted_at is None


def test_hostile_267_tokens_of_others_are_not_there(signed_in: Browser):
    make(signed_in)
    address = f"{PAGE}{Token.objects.get().pk}/delete/"
    make_user("bob")
    bob = Browser()
    bob.sign_in("bob")
    assert bob.get(address).status_code == 404
    assert bob.post(address, password="seven quiet otters").status_code == 404
    assert Token.objects.get().deleted_at is None
    for number in (999999, 10**30):
        assert bob.get(f"{PAGE}{number}/delete/").status_code == 404


def test_strangers_are_sent_to_sign_in(browser: Browser):
    assert browser.get(PAGE)["Location"] == f"/account/login/?next={PAGE}"


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("name", ["a", "b", "c"]),
        ("-name", ["c", "b", "a"]),
        ("ends", ["b", "c", "a"]),
        ("used", ["a", "c", "b"]),
        ("__class__", ["c", "b", "a"]),
    ],
)
def test_sorting(signed_in: Browser, order: str, names: list[str]):
    for name, expires in (("a", "never"), ("b", "7"), ("c", "30")):
        make(signed_in, name=name, expires=expires)
    by_name = {row.name: row.pk for row in Token.objects.all()}
    for name, age in (("c", 2), ("b", 1)):
        TokenUse.objects.create(token_id=by_name[name], used_at=now() - timedelta(hours=age), address="192.0.2.1")
    rows = signed_in.get(PAGE, data={"tokens": order}).context["tokens"].page
    assert [row["token"].name for row in rows] == names


def test_a_token_for_an_index_and_some_addresses(signed_in: Browser):
    assert "indexes" not in signed_in.get(PAGE).context["form"].fields
    services.create_index(COMMAND, "team", clock=now)
    services.ensure_main()
    make(signed_in, indexes=["team"], networks="192.0.2.0/24, 2001:db8::1", uses="upload")
    token = Token.objects.get()
    assert (token.indexes, token.networks, token.scopes) == (["team"], ["192.0.2.0/24", "2001:db8::1/128"], ["upload"])
    page = signed_in.get(PAGE).content.decode()
    assert "192.0.2.0/24, 2001:db8::1/128" in page
    wrong = signed_in.post(PAGE, **{**DEFAULTS, "name": "b", "networks": "192.0.2.1/24"})
    assert wrong.status_code == 400
    assert "The address range" in wrong.content.decode()


def test_rotating_shows_the_new_secret_once_and_asks_for_the_password(signed_in: Browser):
    old = make(signed_in)
    address = f"{PAGE}{Token.objects.get().pk}/rotate/"
    assert signed_in.post(address, grace="0", password="wrong").status_code == 400
    assert access.authenticate(f"Bearer {old}", now()).username == "alice"
    page = signed_in.post(address, grace="0", password=PASSWORD).content.decode()
    new = str(re.findall(r'id="new-token"[^>]*>([^<]*)<', page)[0]).strip()
    assert "is refused from now on" in page
    assert access.authenticate(f"Bearer {new}", now()).username == "alice"
    with pytest.raises(PackhouseError):
        access.authenticate(f"Bearer {old}", now())
    assert new not in signed_in.get(PAGE).content.decode()


def test_all_tokens_end_with_the_password(signed_in: Browser):
    made = [make(signed_in, name=name) for name in ("one", "two")]
    assert f"{PAGE}delete/" in signed_in.get(PAGE).content.decode()
    assert signed_in.post(f"{PAGE}delete/", password="wrong").status_code == 400
    assert signed_in.post(f"{PAGE}delete/", password=PASSWORD).status_code == 302
    for secret in made:
        with pytest.raises(PackhouseError):
            access.authenticate(f"Bearer {secret}", now())
    assert "You have no tokens." in signed_in.get(f"{PAGE}delete/").content.decode()


def test_hostile_267_a_token_of_another_is_neither_rotated_nor_deleted(signed_in: Browser):
    token, _ = tokens.create_token(COMMAND, make_user("bob"), "his", clock=now)
    for what in ("rotate", "delete"):
        assert signed_in.post(f"{PAGE}{token.pk}/{what}/", grace="0", password=PASSWORD).status_code == 404
    assert Token.objects.get(pk=token.pk).rotated_at is None


def test_who_has_no_password_deletes_a_token_after_another_proof(signed_in: Browser):
    user = User.objects.get()
    token, _ = tokens.create_token(COMMAND, user, "old", ["read"], [], [], None, clock=now)
    user.set_unusable_password()
    user.save()
    signed_in.client.force_login(user)
    page = signed_in.get(f"/manage/account/token/{token.pk}/delete/")
    assert 'type="password"' not in page.content.decode()
    signed_in.post(f"/manage/account/token/{token.pk}/delete/", csrfmiddlewaretoken="x")
    token.refresh_from_db()
    assert token.deleted_at is not None


def test_staging_is_offered_where_an_index_is_marked(signed_in: Browser):
    from packhouse.services import index_rules, indexes
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    indexes.ensure_main()
    assert "staging indexes" not in signed_in.get("/manage/account/token/").content.decode()
    indexes.create_index(COMMAND, "trial", clock=now)
    index_rules.change_rule(COMMAND, "trial", "staging", "yes", clock=now)
    assert "Publish to staging indexes only, and install" in signed_in.get("/manage/account/token/").content.decode()
    made = signed_in.post("/manage/account/token/", name="ci", scope="account", uses="stage read", expires="30")
    assert made.status_code == 200
    assert sorted(Token.objects.get(name="ci").scopes) == ["read", "stage"]
