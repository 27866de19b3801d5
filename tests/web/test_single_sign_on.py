# SPDX-License-Identifier: Apache-2.0
"""Single sign-on against a provider with real signatures: identities, groups, faults, nothing but single sign-on."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from django.core import mail

from packhouse.config import Settings, load
from packhouse.errors import PackhouseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.accounts import Browser
    from tests.infra.oidc_issuer import Issuer


@pytest.fixture
def issuer(db: None, settings: Any) -> Iterator[Issuer]:
    """A provider, and a server that knows it."""
    from tests.infra.oidc_issuer import CLIENT, SECRET, oidc_issuer

    with oidc_issuer() as running:
        settings.PACKHOUSE = replace(
            settings.PACKHOUSE,
            oidc_issuer=running.url,
            oidc_client_id=CLIENT,
            oidc_client_secret=SECRET,
            oidc_name="Example Login",
            registration="closed",
        )
        running.signs_in(email="ada@example.org", email_verified=True, preferred_username="ada")
        yield running


def change(settings: Any, **values: Any) -> None:
    settings.PACKHOUSE = replace(settings.PACKHOUSE, **values)


def way_back(browser: Browser, issuer: Issuer, start: str = "/account/sso/", **more: str) -> str:
    """The address on this server that the provider sends the browser to."""
    answer = browser.get(start)
    assert answer.status_code == 302, answer.content.decode()
    assert answer["Location"].startswith(f"{issuer.url}/authorize?")
    return issuer.authorize(answer["Location"], **more)


def come_back(browser: Browser, address: str) -> Any:
    parts = urlsplit(address)
    return browser.get(f"{parts.path}?{parts.query}")


def sign_in(browser: Browser, issuer: Issuer, start: str = "/account/sso/", **more: str) -> Any:
    return come_back(browser, way_back(browser, issuer, start, **more))


def first_time(browser: Browser, issuer: Issuer, name: str = "ada") -> Any:
    """Sign in for the first time, and take a name."""
    assert sign_in(browser, issuer)["Location"] == "/account/sso/register/"
    return browser.post("/account/sso/register/", username=name)


def users() -> list[str]:
    from packhouse.catalogue.models import User

    return list(User.objects.order_by("pk").values_list("username", flat=True))


def user(name: str) -> Any:
    from packhouse.catalogue.models import User

    return User.objects.get(username=name)


def kinds() -> list[str]:
    from packhouse.catalogue.models import JournalEntry

    return list(JournalEntry.objects.order_by("serial").values_list("kind", flat=True))


def test_the_first_time_makes_an_account_and_the_second_signs_in(browser: Browser, issuer: Issuer) -> None:
    from tests.infra.accounts import Browser

    assert "Sign in by Example Login" in browser.get("/account/login/").content.decode()
    assert sign_in(browser, issuer)["Location"] == "/account/sso/register/"
    page = browser.get("/account/sso/register/").content.decode()
    assert 'value="ada"' in page
    assert 'value="ada@example.org"' in page
    assert browser.post("/account/sso/register/", username="lovelace", email="eve@example.org").status_code == 302
    assert browser.signed_in
    assert (user("lovelace").email, user("lovelace").has_usable_password()) == ("ada@example.org", False)
    assert mail.outbox == []  # the provider vouches for the address
    assert [kind for kind in kinds() if kind in {"user created", "identity joined"}] == [
        "user created",
        "identity joined",
    ]
    other = Browser()
    assert sign_in(other, issuer, "/account/sso/?next=/manage/account/")["Location"] == "/manage/account/"
    assert other.signed_in
    assert users() == ["lovelace"]


def test_hostile_215_the_way_there_has_state_nonce_and_a_challenge(browser: Browser, issuer: Issuer) -> None:
    asked = parse_qs(urlsplit(browser.get("/account/sso/")["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["code_challenge"][0]) == 43
    assert len(asked["nonce"][0]) >= 20
    assert len(asked["state"][0]) >= 16
    assert asked["redirect_uri"][0].endswith("/account/sso/callback/")
    assert asked["scope"] == ["openid profile email"]


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_the_usual_signatures_are_taken(browser: Browser, issuer: Issuer, algorithm: str) -> None:
    issuer.algorithm = algorithm
    first_time(browser, issuer)
    assert browser.signed_in


# -- who somebody is


def test_hostile_215_the_same_address_does_not_sign_in_to_an_account(browser: Browser, issuer: Issuer) -> None:
    from tests.infra.accounts import make_user

    make_user("ada")
    answer = first_time(browser, issuer, "ada2")
    assert answer.status_code == 400
    assert "An account here has this e-mail address" in answer.content.decode()
    assert not browser.signed_in
    assert users() == ["ada"]


def test_hostile_215_an_address_nobody_vouches_for_is_confirmed_by_a_code(browser: Browser, issuer: Issuer) -> None:
    from tests.infra.accounts import Browser, make_user

    for said in (False, None, "true", 1):
        other, name = Browser(), f"u{said}".lower()
        issuer.signs_in(name, email=f"{name}@example.org", email_verified=said)
        assert first_time(other, issuer, name)["Location"] == "/account/confirm/"
        assert not other.signed_in
        assert mail.outbox[-1].to == [f"{name}@example.org"]
    make_user("bob")
    issuer.signs_in("evil", email="bob@example.org", email_verified=False)
    assert first_time(browser, issuer, "eve")["Location"] == "/account/confirm/"  # as if there were no such account
    assert "eve" not in users()
    assert mail.outbox[-1].to == ["bob@example.org"]


def test_hostile_215_another_subject_is_another_person(browser: Browser, issuer: Issuer) -> None:
    first_time(browser, issuer)
    browser.post("/account/logout/")
    issuer.signs_in("another", email="ada@example.org", email_verified=True, preferred_username="ada")
    assert first_time(browser, issuer, "ada2").status_code == 400
    assert not browser.signed_in


def test_hostile_215_another_issuer_with_the_same_subject_is_another_person(
    browser: Browser, issuer: Issuer, settings: Any
) -> None:
    from tests.infra.oidc_issuer import oidc_issuer

    first_time(browser, issuer)
    browser.post("/account/logout/")
    with oidc_issuer() as second:
        change(settings, oidc_issuer=second.url)
        second.signs_in(email="ada@example.org", email_verified=True)
        assert sign_in(browser, second)["Location"] == "/account/sso/register/"
        assert not browser.signed_in


def test_the_owner_joins_an_identity_signed_in_and_parts_from_it(signed_in: Browser, issuer: Issuer) -> None:
    from tests.infra.accounts import Browser

    signed_in.reauthenticate()
    page = "/manage/account/sso/"
    assert "None yet" in signed_in.get(page).content.decode()
    assert "Go on to Example Login" in signed_in.post(page, action="join").content.decode()
    assert sign_in(signed_in, issuer)["Location"] == page
    assert "ada@example.org" in signed_in.get(page).content.decode()
    assert mail.outbox[-1].subject == "An identity was joined to your account"
    other = Browser()
    sign_in(other, issuer)
    assert other.signed_in
    assert users() == ["alice"]
    from allauth.socialaccount.models import SocialAccount

    identity = str(SocialAccount.objects.get().pk)
    assert signed_in.post(page, action="part", identity=identity)["Location"] == page
    assert not SocialAccount.objects.exists()
    assert kinds()[-2:] == ["identity joined", "identity parted"]
    for nonsense in ("", "x", "9" * 30, identity):
        assert signed_in.post(page, action="part", identity=nonsense).status_code == 302


def test_no_link_of_others_joins_an_identity(signed_in: Browser, issuer: Issuer) -> None:
    from allauth.socialaccount.models import SocialAccount

    signed_in.reauthenticate()
    sign_in(signed_in, issuer, "/account/sso/?process=connect")
    assert not SocialAccount.objects.exists()


def test_a_wish_to_join_does_not_last(signed_in: Browser, issuer: Issuer) -> None:
    from allauth.socialaccount.models import SocialAccount

    from packhouse.web.single_sign_on import JOINING

    signed_in.reauthenticate()
    assert signed_in.post("/manage/account/sso/", action="join").status_code == 200
    sign_in(signed_in, issuer, "/account/sso/?confirm=1")  # asked again who one is: another thing
    session = signed_in.client.session
    session[JOINING] -= 601
    session.save()
    sign_in(signed_in, issuer)
    assert not SocialAccount.objects.exists()


def test_an_identity_of_another_account_is_not_joined(browser: Browser, issuer: Issuer) -> None:
    from tests.infra.accounts import Browser, make_user

    first_time(browser, issuer)
    make_user()
    other = Browser()
    other.sign_in()
    other.reauthenticate()
    other.post("/manage/account/sso/", action="join")
    sign_in(other, issuer)
    assert "signs in another account" in other.get("/manage/account/sso/").content.decode()


def test_the_only_way_in_stays(browser: Browser, issuer: Issuer) -> None:
    from allauth.socialaccount.models import SocialAccount

    first_time(browser, issuer)
    browser.post("/manage/account/sso/", action="part", identity=str(SocialAccount.objects.get().pk))
    assert SocialAccount.objects.exists()
    assert "set a password first" in browser.get("/manage/account/sso/").content.decode()


def test_only_joined_identities_sign_in_where_that_is_set(browser: Browser, issuer: Issuer, settings: Any) -> None:
    change(settings, oidc_accounts="joined")
    answer = sign_in(browser, issuer)
    assert answer.status_code == 403
    assert "No account here is joined" in answer.content.decode()
    assert users() == []


def test_where_no_new_users_are_wanted_a_first_sign_in_makes_none(browser: Browser, issuer: Issuer) -> None:
    from packhouse.services import flags
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    flags.set_flag(COMMAND, flags.NO_NEW_USERS, "enough for now", on=True, clock=now)
    answer = sign_in(browser, issuer)
    assert answer.status_code == 403
    assert "enough for now" in answer.content.decode()
    assert users() == []
    flags.set_flag(COMMAND, flags.NO_NEW_USERS, "", on=False, clock=now)
    first_time(browser, issuer)
    assert users() == ["ada"]


def test_no_secret_or_token_is_kept(browser: Browser, issuer: Issuer) -> None:
    from django.db import connections

    from packhouse.catalogue.activity.models import Session

    sign_in(browser, issuer)
    decoded = [str(row.get_decoded()) for row in Session.objects.all()]
    browser.post("/account/sso/register/", username="ada")
    for alias in ("default", "activity"):
        connection = connections[alias]
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - our own tables
                decoded += [str(row) for row in cursor.fetchall()]
    assert len(decoded) > 5
    assert not [text for text in decoded if "canary" in text]


# -- groups


def test_groups_make_administrators_and_readers_and_take_both_away(
    browser: Browser, issuer: Issuer, settings: Any
) -> None:
    from tests.infra.accounts import make_user

    from packhouse.domain.permissions import ReadMode
    from packhouse.services import indexes, readers
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    make_user("root", admin=True)
    indexes.create_index(COMMAND, "company", ReadMode.CLOSED, [indexes.LayerSpec("own")], clock=now)
    change(settings, oidc_admin_groups=("ops",), oidc_index_groups=("staff=company", "ops=company", "x=gone"))
    person: dict[str, Any] = {"email": "ada@example.org", "email_verified": True}
    issuer.signs_in(**person, groups=["staff", "other"])
    first_time(browser, issuer)
    assert (user("ada").is_admin, readers.readers_of("company")) == (False, ["ada"])
    issuer.signs_in(**person, groups=["ops"])
    sign_in(browser, issuer)
    assert (user("ada").is_admin, readers.readers_of("company")) == (True, ["ada"])
    issuer.signs_in(**person, groups=[])
    sign_in(browser, issuer)
    assert (user("ada").is_admin, readers.readers_of("company")) == (False, [])
    told = [kind for kind in kinds() if kind.startswith(("administrator", "index grant"))]
    assert told == ["index granted", "administrator added", "administrator removed", "index grant ended"]


def test_groups_make_members_and_put_them_into_teams(browser: Browser, issuer: Issuer) -> None:
    from tests.infra.accounts import Browser, make_user
    from tests.infra.clock import TickingClock
    from tests.infra.publishing import make_resources

    from packhouse.catalogue.models import Membership, TeamMember
    from packhouse.services import organizations, teams
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.web.resources import hold

    hold(make_resources(TickingClock()))
    root = make_user("root", admin=True)
    organizations.create_organization(COMMAND, "acme", root, clock=now)
    teams.create_team(COMMAND, "acme", "core", clock=now)
    admin = Browser()
    admin.sign_in("root")
    admin.reauthenticate()
    page = "/admin/groups/"
    for fields in ({"group": "devs", "role": "member"}, {"group": "core devs", "role": "", "team": "core"}):
        assert admin.post(page, action="map", organization="acme", **fields)["Location"] == page
    assert admin.post(page, action="map", organization="acme", group="x", role="", team="").status_code == 400
    assert "core devs" in admin.get(page).content.decode()
    person: dict[str, Any] = {"email": "ada@example.org", "email_verified": True}
    issuer.signs_in(**person, groups=["devs", "core devs", "secret"])
    first_time(browser, issuer)
    assert Membership.objects.get(user=user("ada")).role == "member"
    assert TeamMember.objects.get(user=user("ada")).team.name == "core"
    assert "groups there decide" in browser.get("/manage/organization/acme/people/").content.decode()
    issuer.signs_in(**person, groups=["core devs"])
    sign_in(browser, issuer)
    assert not Membership.objects.filter(user=user("ada")).exists()
    from packhouse.services.group_roles import list_mapped

    for row in list_mapped():
        assert admin.post(page, action="unmap", row=str(row.pk))["Location"] == page
    assert admin.post(page, action="unmap", row="9999").status_code == 302
    assert "no such mapping" in admin.get(page).content.decode()
    assert kinds()[-2:] == ["group unmapped", "group unmapped"]


def test_the_last_administrator_stays_one(browser: Browser, issuer: Issuer, settings: Any) -> None:
    change(settings, oidc_admin_groups=("ops",))
    issuer.signs_in(email="ada@example.org", email_verified=True, groups="ops")
    first_time(browser, issuer)
    issuer.signs_in(email="ada@example.org", email_verified=True)
    sign_in(browser, issuer)
    assert user("ada").is_admin


def test_without_a_mapping_groups_change_nothing(browser: Browser, issuer: Issuer) -> None:
    from packhouse.catalogue.models import User

    first_time(browser, issuer)
    User.objects.update(is_admin=True)
    issuer.signs_in(groups=[])
    sign_in(browser, issuer)
    assert user("ada").is_admin


@pytest.mark.parametrize(
    ("groups", "let_in"), [(["staff"], True), ("staff", True), (["Staff"], False), (None, False), ({"staff": 1}, False)]
)
def test_only_members_come_in_where_that_is_set(
    browser: Browser, issuer: Issuer, settings: Any, groups: Any, let_in: bool
) -> None:
    change(settings, oidc_allow_groups=("staff",))
    issuer.signs_in(email="ada@example.org", email_verified=True, groups=groups)
    answer = sign_in(browser, issuer)
    assert answer.status_code == (302 if let_in else 403)


def test_hostile_215_a_group_that_was_taken_away_lets_nobody_in(
    browser: Browser, issuer: Issuer, settings: Any
) -> None:
    change(settings, oidc_allow_groups=("staff",))
    issuer.signs_in(email="ada@example.org", email_verified=True, groups=["staff"])
    first_time(browser, issuer)
    browser.post("/account/logout/")
    issuer.signs_in(email="ada@example.org", email_verified=True, groups=["leavers"])
    answer = sign_in(browser, issuer)
    assert answer.status_code == 403
    assert "Your groups at Example Login" in answer.content.decode()
    assert not browser.signed_in


def test_groups_come_from_the_user_information_too(browser: Browser, issuer: Issuer, settings: Any) -> None:
    change(settings, oidc_admin_groups=("ops",))
    issuer.wrong.claims = {"groups": None, "email": None}
    issuer.signs_in(email="ada@example.org", email_verified=True, groups=["ops"])
    first_time(browser, issuer)
    assert user("ada").is_admin


# -- faults


def refusal(browser: Browser, answer: Any) -> str:
    """The sentence of a refusal, which signs nobody in."""
    assert 400 <= answer.status_code < 500, answer.status_code
    assert not browser.signed_in
    assert users() == []
    return str(answer.content.decode())


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "somebody else"}, "for somebody else"),
        ({"aud": ["packhouse", "other"]}, "for somebody else"),
        ({"aud": None}, "read"),
        ({"azp": "other"}, "for somebody else"),
        ({"iss": "http://127.0.0.1:1"}, "of another issuer"),
        ({"exp": 1}, "has run out"),
        ({"exp": None}, "read"),
        ({"exp": "soon"}, "read"),
        ({"iat": time.time() + 9999}, "read"),
        ({"nonce": "replayed"}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"sub": None}, "read"),
        ({"sub": ""}, "names nobody"),
        ({"sub": "x" * 192}, "names nobody"),
        ({"sub": 7}, "read"),
        ({"sub": "a\x00b"}, "names nobody"),
    ],
)
def test_hostile_215_id_tokens_that_prove_nothing(
    browser: Browser, issuer: Issuer, claims: dict[str, Any], said: str
) -> None:
    issuer.wrong.claims = claims
    sentence = refusal(browser, sign_in(browser, issuer))
    assert said in sentence
    assert "Example Login" in sentence


def test_hostile_215_signatures_that_are_not_the_providers(browser: Browser, issuer: Issuer) -> None:
    from tests.infra.oidc_issuer import OTHER_KEY, SECRET

    issuer.wrong.key = OTHER_KEY
    assert "signature of its ID token is wrong" in refusal(browser, sign_in(browser, issuer))
    issuer.wrong.kid = "unknown"
    assert "key that is not" in refusal(browser, sign_in(browser, issuer))
    now = int(time.time())
    good = {"iss": issuer.url, "aud": "packhouse", "sub": "1", "iat": now, "exp": now + 99}
    unsigned = jwt.encode(good, "", "none", headers={"kid": "RS256"})
    shared = jwt.encode(good, SECRET * 3, "HS256", headers={"kid": "RS256"})
    for token in (unsigned, shared, "", "a.b.c", "é", unsigned[:-9]):
        issuer.wrong.token = token
        refusal(browser, sign_in(browser, issuer))


def test_hostile_215_a_way_back_is_taken_once_and_by_its_browser_alone(browser: Browser, issuer: Issuer) -> None:
    from tests.infra.accounts import Browser

    address = way_back(browser, issuer)
    stranger = Browser()
    assert "another browser" in refusal(stranger, come_back(stranger, address))
    assert come_back(browser, address).status_code == 302
    assert "done already" in refusal(browser, come_back(browser, address))
    for path in ("", "?state=", "?state=x&code=y", f"?state={'x' * 9000}&code=z"):
        refusal(browser, browser.get(f"/account/sso/callback/{path}"))


def test_hostile_215_a_code_is_taken_with_its_verifier_alone(browser: Browser, issuer: Issuer) -> None:
    from tests.infra.accounts import Browser

    victim, thief = Browser(), browser
    stolen = parse_qs(urlsplit(way_back(victim, issuer)).query)["code"][0]
    own = way_back(thief, issuer)
    state = parse_qs(urlsplit(own).query)["state"][0]
    sentence = refusal(thief, thief.get(f"/account/sso/callback/?state={state}&code={stolen}"))
    assert "no token for the code" in sentence


@pytest.mark.parametrize("said", ["https://evil.example", ""])
def test_hostile_215_a_mix_up_of_two_providers(browser: Browser, issuer: Issuer, said: str) -> None:
    before = len(issuer.asked)
    assert "another issuer" in refusal(browser, sign_in(browser, issuer, iss=said))
    assert "/token" not in [path for _, path, _, _ in issuer.asked[before:]]


def test_a_provider_that_says_iss_must_say_it(browser: Browser, issuer: Issuer) -> None:
    issuer.wrong.document = {"authorization_response_iss_parameter_supported": True}
    assert "another issuer" in refusal(browser, sign_in(browser, issuer))
    assert sign_in(browser, issuer, iss=issuer.url).status_code == 302


def test_user_information_of_somebody_else(browser: Browser, issuer: Issuer) -> None:
    issuer.wrong.userinfo = {"sub": "other", "groups": ["ops"], "email": "x@example.org"}
    assert "somebody else" in refusal(browser, sign_in(browser, issuer))


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (503, b""),
        (404, b"{}"),
        (302, b"{}"),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"a":' * 5000),
        (200, b" " * 1_100_000 + b"{}"),
        (200, b"\xff\xfe{}"),
        (200, b'{"keys": [{"kty": "RSA", "kid": "RS256", "alg": "RS256", "n": "!", "e": 1}]}'),
    ],
)
def test_hostile_213_answers_that_make_no_sense(
    browser: Browser, issuer: Issuer, path: str, answer: tuple[int, bytes]
) -> None:
    address = way_back(browser, issuer)
    issuer.wrong.bodies[path] = answer
    assert "Example Login" in refusal(browser, come_back(browser, address))
    if "well-known" in path:
        assert "doesn&#x27;t work now" in refusal(browser, browser.get("/account/sso/"))


def test_a_dead_provider(browser: Browser, issuer: Issuer, settings: Any) -> None:
    change(settings, oidc_issuer="http://127.0.0.1:1")
    sentence = refusal(browser, browser.get("/account/sso/"))
    assert "could not be reached" in sentence
    assert browser.get("/account/login/").status_code == 200


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "http://127.0.0.1:1"},
        {"issuer": None},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": 7},
    ],
)
def test_hostile_213_documents_that_are_not_believed(
    browser: Browser, issuer: Issuer, document: dict[str, Any]
) -> None:
    issuer.wrong.document = document
    assert "its document" in refusal(browser, browser.get("/account/sso/"))


@pytest.mark.parametrize(
    ("error", "said"),
    [("access_denied", "You did not sign in"), ("server_error", "server_error"), ("<b>", "&lt;b&gt;")],
)
def test_a_provider_that_says_no(browser: Browser, issuer: Issuer, error: str, said: str) -> None:
    asked = parse_qs(urlsplit(browser.get("/account/sso/")["Location"]).query)
    answer = browser.client.get("/account/sso/callback/", {"error": error, "state": asked["state"][0]})
    assert said in refusal(browser, answer)


def test_a_wrong_client_secret(browser: Browser, issuer: Issuer, settings: Any) -> None:
    change(settings, oidc_client_secret="wrong")
    assert "no token for the code (status 401)" in refusal(browser, sign_in(browser, issuer))


def test_the_secret_comes_from_a_file(browser: Browser, issuer: Issuer, settings: Any, tmp_path: Path) -> None:
    from tests.infra.oidc_issuer import SECRET

    file = tmp_path / "secret"
    change(settings, oidc_client_secret=None, oidc_client_secret_file=str(file))
    assert "can&#x27;t read the secret" in refusal(browser, sign_in(browser, issuer))
    file.write_text(SECRET + "\n", encoding="utf-8")
    assert sign_in(browser, issuer).status_code == 302


@pytest.mark.parametrize(
    "where", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_led_away_afterwards(browser: Browser, issuer: Issuer, where: str) -> None:
    first_time(browser, issuer)
    browser.post("/account/logout/")
    answer = sign_in(browser, issuer, f"/account/sso/?next={where}")
    assert answer["Location"] == "/manage/projects/"


def test_without_single_sign_on_there_are_no_such_pages(signed_in: Browser) -> None:
    for path in ("/account/sso/", "/account/sso/callback/", "/account/sso/out/", "/manage/account/sso/"):
        assert signed_in.get(path).status_code == 404
    assert "sso" not in signed_in.get("/manage/account/").content.decode()


# -- once more, and out


def test_who_has_no_password_confirms_by_the_provider(browser: Browser, issuer: Issuer) -> None:
    from packhouse.web.proofs import LATELY

    first_time(browser, issuer)
    session = browser.client.session
    records = session["account_authentication_methods"]
    for record in records:
        record["at"] -= 2 * LATELY
    session["account_authentication_methods"] = records
    session.save()
    start = "/account/sso/?confirm=1&next=/manage/account/token/"
    assert parse_qs(urlsplit(browser.get(start)["Location"]).query)["prompt"] == ["login"]
    assert sign_in(browser, issuer, start)["Location"] == "/manage/account/token/"
    fresh = browser.client.session["account_authentication_methods"][-1]
    assert (fresh["method"], fresh["reauthenticated"]) == ("socialaccount", True)
    issuer.wrong.claims = {"auth_time": int(time.time()) - 3600}
    assert "did not ask you again" in sign_in(browser, issuer, start).content.decode()
    issuer.wrong.claims = {}
    issuer.signs_in("somebody else")
    assert "somebody else" in sign_in(browser, issuer, start).content.decode()


def test_signing_out_leads_on_to_the_provider(browser: Browser, issuer: Issuer) -> None:
    first_time(browser, issuer)
    assert browser.post("/account/logout/")["Location"] == "/account/sso/out/"
    assert not browser.signed_in
    assert "There you may be signed in still" in browser.get("/account/sso/out/").content.decode()
    assert f'href="{issuer.url}/end?client_id=packhouse&amp;' in browser.post("/account/sso/out/").content.decode()
    issuer.wrong.document = {"end_session_endpoint": None}
    assert browser.post("/account/sso/out/").status_code == 409


# -- nothing but single sign-on


@pytest.fixture
def only(issuer: Issuer, settings: Any) -> Issuer:
    change(settings, sso_only="on", registration="open")
    return issuer


def test_passwords_and_registration_are_off(browser: Browser, only: Issuer) -> None:
    from tests.infra.accounts import make_user

    make_user()
    page = browser.get("/account/login/").content.decode()
    assert "Sign in by Example Login" in page
    assert 'name="password"' not in page
    assert browser.sign_in().status_code == 403
    assert not browser.signed_in
    browser.register("eve", "eve@example.org")
    assert users() == ["alice"]
    assert "Accounts come by Example Login" in browser.get("/account/register/").content.decode()
    for path in ("/account/reset/", "/account/reset/1-x/set-password/"):
        assert browser.get(path).status_code == 403
        assert browser.post(path, email="alice@example.org").status_code == 403
    assert mail.outbox == []
    first_time(browser, only)
    assert browser.signed_in
    for path in ("/manage/account/password/", "/manage/account/password/set/"):
        assert browser.get(path).status_code == 403


def test_a_sign_in_link_lets_an_administrator_in_once(browser: Browser, only: Issuer, settings: Any) -> None:
    from tests.infra.accounts import Browser, make_user

    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.single_sign_on import make_link

    root = make_user("root", admin=True)
    change(settings, oidc_issuer="http://127.0.0.1:1")  # it is away
    old = urlsplit(make_link(COMMAND, root, settings.PACKHOUSE, clock=now)).path
    path = urlsplit(make_link(COMMAND, root, settings.PACKHOUSE, clock=now)).path
    assert mail.outbox[-1].to == ["root@example.org"]
    assert path not in str(mail.outbox[-1].body)
    assert browser.get(old).status_code == 410
    for _ in range(2):  # mail programs open links
        assert "as <strong" in browser.get(path).content.decode()
    assert not browser.signed_in
    assert browser.post(path).status_code == 302
    assert browser.signed_in
    late = Browser()
    assert late.post(path).status_code == 410
    assert late.get(path).status_code == 410
    assert late.get("/account/emergency/nonsense/").status_code == 410
    assert [kind for kind in kinds() if "link" in kind] == [
        "sign-in link made",
        "sign-in link made",
        "sign-in link used",
    ]


def test_a_sign_in_link_asks_for_the_second_factor(browser: Browser, only: Issuer, settings: Any) -> None:
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
    from tests.infra.accounts import make_user

    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.single_sign_on import make_link

    root = make_user("root", admin=True)
    TOTP.activate(root, generate_totp_secret())
    path = urlsplit(make_link(COMMAND, root, settings.PACKHOUSE, clock=now)).path
    assert "second-factor" in browser.post(path)["Location"]
    assert not browser.signed_in


# -- settings


@pytest.mark.parametrize(
    "values",
    [
        {"OIDC_ISSUER": "http://login.example.org", "OIDC_CLIENT_ID": "x"},
        {"OIDC_ISSUER": "https://login.example.org?x=1", "OIDC_CLIENT_ID": "x"},
        {"OIDC_ISSUER": "https://u:p@login.example.org", "OIDC_CLIENT_ID": "x"},
        {"OIDC_ISSUER": "https://login.example.org/" + "x" * 200, "OIDC_CLIENT_ID": "x"},
        {"OIDC_ISSUER": "https://login.example.org"},
        {"SSO_ONLY": "on"},
        {"OIDC_SCOPES": "profile"},
        {"OIDC_INDEX_GROUPS": "staff"},
        {"OIDC_ADMIN_GROUPS": "a,,b"},
        {"OIDC_CLIENT_SECRET": "a", "OIDC_CLIENT_SECRET_FILE": "b"},
    ],
)
def test_settings_that_make_no_sense(values: dict[str, str], tmp_path: Path) -> None:
    given = {f"PACKHOUSE_{name}": value for name, value in values.items()}
    with pytest.raises(PackhouseError) as caught:
        load({"PACKHOUSE_DATA": str(tmp_path), **given})
    assert caught.value.code == "setting-invalid"
    assert "u:p" not in caught.value.message


def test_the_secret_is_not_shown() -> None:
    assert "canary" not in repr(Settings(oidc_client_secret="canary"))


def test_an_old_session_without_a_password_is_asked_before_anything_grave(browser: Browser, issuer: Issuer) -> None:
    from datetime import timedelta

    from packhouse.catalogue.activity.sessions import STARTED
    from packhouse.services import tokens
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.web.proofs import LATELY

    first_time(browser, issuer)
    token, _ = tokens.create_token(COMMAND, user("ada"), "old", ["read"], [], [], None, clock=now)
    session = browser.client.session
    for record in (records := session["account_authentication_methods"]):
        record["at"] -= 2 * LATELY
    session["account_authentication_methods"] = records
    session[STARTED] = session[STARTED] | {"at": (now() - timedelta(seconds=2 * LATELY)).isoformat()}
    session.save()
    delete = f"/manage/account/token/{token.pk}/delete/"
    for path in (delete, "/account/two-factor/app/", "/account/two-factor/keys/add/", "/manage/account/token/"):
        assert browser.post(path, code="1", csrfmiddlewaretoken="x")["Location"].startswith("/account/reauthenticate/")
    page = browser.get("/account/reauthenticate/?next=/manage/account/token/").content.decode()
    assert 'type="password"' not in page  # there is none
    assert "/account/sso/?confirm=1&amp;next=/manage/account/token/" in page
    token.refresh_from_db()
    assert token.deleted_at is None
    assert sign_in(browser, issuer, f"/account/sso/?confirm=1&next={delete}")["Location"] == delete
    browser.post(delete, csrfmiddlewaretoken="x")
    token.refresh_from_db()
    assert token.deleted_at is not None
