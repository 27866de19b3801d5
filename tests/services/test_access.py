# SPDX-License-Identifier: Apache-2.0
"""Tokens as credentials: what is taken, what is not, and how soon an end of one is felt."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from tests.infra.clock import TickingClock

from packhouse.catalogue.activity.models import TokenUse
from packhouse.catalogue.models import Token, User
from packhouse.domain.permissions import ANONYMOUS, ReadMode
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, indexes, tokens
from packhouse.services.journal import COMMAND, Actor
from packhouse.services.people import disable_user, enable_user

pytestmark = pytest.mark.django_db


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def refusal(header: str, clock: TickingClock) -> PackhouseError:
    with pytest.raises(PackhouseError) as caught:
        access.authenticate(header, clock())
    assert caught.value.kind is Kind.UNAUTHENTICATED
    return caught.value


@pytest.fixture
def secret(alice: User, clock: TickingClock) -> str:
    return tokens.create_token(COMMAND, alice, "laptop", clock=clock)[1]


def test_a_minted_token_has_prefix_kind_and_checksum() -> None:
    token = access.mint()
    assert token.startswith("pkh_u")
    assert len(token) == 43
    assert access.is_token(token)
    assert access.mint() != token


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: t + "a", lambda t: "x" + t[1:], lambda t: t[:9] + "é" + t[10:]]
)
def test_what_is_no_token_is_known_without_asking_the_database(spoil, django_assert_num_queries) -> None:
    with django_assert_num_queries(0), pytest.raises(PackhouseError):
        access.authenticate("Bearer " + spoil(access.mint()), TickingClock()())


def test_hostile_179_a_flipped_character_breaks_the_checksum() -> None:
    token = access.mint()
    for place in (5, 20, 36, 42):
        other = "A" if token[place] != "A" else "B"
        assert not access.is_token(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize(
    "form",
    [
        "Bearer {t}", "bearer {t}", "BEARER   {t} ", "token {t}", "Token {t}\n",
    ],
)  # fmt: skip
def test_schemes_are_case_insensitive_and_white_space_is_stripped(form: str, secret: str, clock: TickingClock) -> None:
    assert access.authenticate(form.format(t=secret), clock()).username == "alice"


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_basic_takes_the_token_user_alone(scheme: str, secret: str, clock: TickingClock) -> None:
    header = scheme + basic("__token__", f" {secret}\n")[5:]
    identity = access.authenticate(header, clock())
    assert (identity.username, identity.email_verified, identity.two_factor) == ("alice", True, False)
    assert identity.scope is not None
    assert identity.scope.scopes == {"upload", "read"}


def test_hostile_180_other_user_names_are_refused_even_with_a_good_token(secret: str, clock: TickingClock) -> None:
    assert refusal(basic("alice", secret), clock).code == "password-refused"
    assert refusal(basic("alice", "correct horse battery"), clock).code == "password-refused"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ###",
        "Basic " + base64.b64encode(b"nocolon").decode(),
        "Digest x",
        "Bearer",
        "Bearer x" * 4000,
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "pkh_u",
        "Basic é",
    ],
)
def test_hostile_181_unreadable_credentials_are_401(header: str, clock: TickingClock) -> None:
    refusal(header, clock)


def test_no_header_is_nobody(clock: TickingClock, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert access.authenticate(None, clock()) is ANONYMOUS


def test_authentication_is_one_query(secret: str, clock: TickingClock, django_assert_num_queries) -> None:
    with django_assert_num_queries(1):
        access.authenticate(f"Bearer {secret}", clock())


def test_an_unknown_token_is_refused_without_a_name(alice: User, clock: TickingClock) -> None:
    assert refusal("Bearer " + access.mint(), clock).code == "token-unknown"


def test_AU3_an_expired_token_is_named_by_its_beginning(alice: User, clock: TickingClock) -> None:
    end = clock() + timedelta(days=1)
    _, secret = tokens.create_token(COMMAND, alice, "short", expires_at=end, clock=clock)
    access.authenticate(f"Bearer {secret}", clock())
    clock.move(days=1)
    error = refusal(f"Bearer {secret}", clock)
    assert error.code == "token-expired"
    assert secret[: access.HINT_LENGTH] in error.message
    assert secret not in error.message


def test_AU3_a_deleted_token_is_refused_at_once(secret: str, clock: TickingClock) -> None:
    tokens.delete_token(COMMAND, tokens.find_token(secret), clock=clock)
    error = refusal(f"Bearer {secret}", clock)
    assert error.code == "token-deleted"
    assert secret[:9] in error.message


def test_hostile_182_the_tokens_of_a_disabled_account_end_and_come_back(
    alice: User, secret: str, clock: TickingClock
) -> None:
    disable_user(COMMAND, alice, clock=clock)
    assert refusal(f"Bearer {secret}", clock).code == "account-disabled"
    enable_user(COMMAND, alice, clock=clock)
    assert access.authenticate(f"Bearer {secret}", clock()).user_id == alice.pk


def test_a_valid_identity_is_read_again_inside_a_transaction(secret: str, clock: TickingClock) -> None:
    identity = access.authenticate(f"Bearer {secret}", clock())
    assert access.still_valid(identity, clock()) == identity
    tokens.delete_token(COMMAND, tokens.find_token(secret), clock=clock)
    with pytest.raises(PackhouseError) as caught:
        access.still_valid(identity, clock())
    assert caught.value.kind is Kind.UNAUTHENTICATED


def test_hostile_187_only_the_hash_of_a_token_is_kept(secret: str) -> None:
    row = Token.objects.get()
    kept = " ".join(str(value) for value in row.__dict__.values())
    assert secret not in kept
    assert secret[9:41] not in kept
    assert row.digest == access.digest_of(secret)


def test_use_is_noted_once_a_minute(secret: str, clock: TickingClock) -> None:
    identity = access.authenticate(f"Bearer {secret}", clock())
    access._throttle._noted.clear()
    access.note_use(identity, "10.0.0.1", "uv/1", clock())
    access.note_use(identity, "10.0.0.2", "uv/1", clock())
    assert TokenUse.objects.get().address == "10.0.0.1"
    clock.move(seconds=61)
    access.note_use(identity, "10.0.0.3", "a" * 5000, clock())
    mark = TokenUse.objects.get()
    assert (mark.address, len(mark.agent)) == ("10.0.0.3", 512)
    access.note_use(ANONYMOUS, "10.0.0.4", "", clock())
    assert TokenUse.objects.count() == 1


def test_rights_on_an_index(alice: User, bob: User, clock: TickingClock) -> None:
    indexes.create_index(COMMAND, "team", ReadMode.CLOSED, clock=clock)
    indexes.grant_read(COMMAND, "team", alice, clock=clock)
    right = access.index_right(access.identity_of_user(alice), "team")
    assert (right.name, right.read, right.granted) == ("team", ReadMode.CLOSED, True)
    assert not access.index_right(access.identity_of_user(bob), "team").granted
    with pytest.raises(PackhouseError) as caught:
        access.index_right(ANONYMOUS, "nowhere")
    assert caught.value.kind is Kind.MISSING


def test_audiences_are_opaque_and_change_with_the_rule(clock: TickingClock) -> None:
    indexes.ensure_main(clock)
    assert access.audience_of("main") == ""
    indexes.set_read(COMMAND, "main", ReadMode.CLOSED, clock=clock)
    first = access.audience_of("main")
    assert access.index_of_audience(first) == "main"
    indexes.set_read(COMMAND, "main", ReadMode.SIGNED_IN, clock=clock)
    assert access.audience_of("main") not in {"", first, "main"}
    assert access.index_of_audience(first) is None
    assert access.index_of_audience("") is None


def test_a_disabled_session_user_is_nobody(alice: User, clock: TickingClock) -> None:
    disable_user(Actor(via="command"), alice, clock=clock)
    alice.refresh_from_db()
    assert access.identity_of_user(alice) is ANONYMOUS
