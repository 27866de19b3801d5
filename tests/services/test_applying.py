# SPDX-License-Identifier: Apache-2.0
"""Indexes as a file declares them: a plan, all or nothing, and nothing more the second time."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.infra.clock import TickingClock

from packhouse.catalogue.models import Index, JournalEntry, User
from packhouse.domain.permissions import ReadMode
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, applying, indexes, readers
from packhouse.services.journal import COMMAND, last_serial

pytestmark = pytest.mark.django_db

DECLARED = """
[index.prod]
read = "closed"
readers = ["alice"]
layers = ["own", "index:staging"]

[index.prod.rules]
minimum_age = "7d"
minimum_age_exempt = ["Acme-*", "foo<2"]
allow_direct_urls = false
closes_after_days = 30

[index.staging]
read = "signed-in"
"""


def lines(text: str, clock: TickingClock) -> list[str]:
    return [step.line for step in applying.plan(applying.read_file(text), clock)]


def done(text: str, clock: TickingClock) -> int:
    return applying.apply(COMMAND, applying.read_file(text), lines(text, clock), clock=clock)


def test_what_is_declared_is_made_and_the_second_time_nothing_is(
    main: Index, alice: User, bob: User, clock: TickingClock
) -> None:
    assert lines(DECLARED, clock) == [
        "make the index staging (signed-in), made of own",
        "make the index prod (closed), made of own, index:staging",
        "prod: minimum_age default -> 7 days",
        "prod: minimum_age_exempt default -> acme-*,foo<2",
        "prod: allow_direct_urls default -> no",
        "prod: closes_after_days default -> 30",
        "prod: reader alice added",
    ]
    assert done(DECLARED, clock) == 7
    assert indexes.find_index("prod").read == "closed"
    assert [layer.spelled for layer in indexes.layers_of("prod")] == ["own", "index:staging"]
    assert readers.readers_of("prod") == ["alice"]
    assert indexes.rules_of("prod")["minimum_age"] == 604_800
    serial = last_serial()
    assert (lines(DECLARED, clock), done(DECLARED, clock), last_serial()) == ([], 0, serial)


def test_what_differs_is_changed_and_what_is_not_named_stays(
    main: Index, alice: User, bob: User, clock: TickingClock
) -> None:
    done(DECLARED, clock)
    indexes.grant_read(COMMAND, "prod", bob, clock=clock)
    changed = """
[index.prod]
read = "public"
layers = ["index:staging", "own"]
readers = ["bob"]
[index.prod.rules]
minimum_age = "default"
deny = "left-pad"
"""
    assert lines(changed, clock) == [
        "prod: read by closed -> public",
        "prod: made of own, index:staging -> index:staging, own",
        "prod: minimum_age 7 days -> default",
        "prod: deny default -> left-pad",
        "prod: reader alice taken off",
    ]
    assert done(changed, clock) == 5
    assert indexes.find_index("staging").read == "signed-in"
    assert indexes.rules_of("prod")["closes_after_days"] == 30
    assert readers.readers_of("prod") == ["bob"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[index", "declaration-invalid"),
        ("[indexes.prod]", "declaration-invalid"),
        ("index = 3", "declaration-invalid"),
        ("[index]\nprod = 1", "declaration-invalid"),
        ("[index.prod]\ncolour = 1", "declaration-invalid"),
        ("[index.prod]\nread = 'secret'", "declaration-invalid"),
        ("[index.prod]\nread = ['public']", "declaration-invalid"),
        ("[index.prod]\nlayers = 'own'", "declaration-invalid"),
        ("[index.prod]\nreaders = [1]", "declaration-invalid"),
        ("[index.prod]\nrules = 1", "declaration-invalid"),
        ("[index.prod.rules]\ndeny = 1.5", "declaration-invalid"),
        ("[index.prod.rules]\nno_such = 1", "rule-unknown"),
        ("[index.prod.rules]\nminimum_age = 'soon'", "rule-value-invalid"),
    ],
)
def test_what_can_not_be_read_is_refused_before_anything_is_done(text: str, code: str, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        applying.read_file(text)
    assert (caught.value.kind, caught.value.code) == (Kind.INVALID, code)


def test_nothing_is_done_when_one_step_is_refused(main: Index, clock: TickingClock) -> None:
    serial = last_serial()
    text = '[index.new]\n[index.main]\nlayers = ["own", "index:nowhere"]'
    with pytest.raises(PackhouseError) as caught:
        done(text, clock)
    assert caught.value.code == "index-unknown"
    assert last_serial() == serial
    assert not Index.objects.filter(name="new").exists()
    assert not JournalEntry.objects.filter(index_name="new").exists()


def test_a_plan_that_is_no_longer_true_is_not_applied(main: Index, alice: User, clock: TickingClock) -> None:
    text = '[index.main]\nread = "closed"'
    wanted, agreed = applying.read_file(text), lines(text, clock)
    indexes.set_read(COMMAND, "main", ReadMode.SIGNED_IN, clock=clock)
    with pytest.raises(PackhouseError) as caught:
        applying.apply(COMMAND, wanted, agreed, clock=clock)
    assert caught.value.code == "plan-changed"
    with pytest.raises(PackhouseError) as caught:
        applying.apply(access.identity_of_user(alice), wanted, lines(text, clock), clock=clock)
    assert caught.value.kind is Kind.FORBIDDEN


UPSTREAMS = """
[names]
reserved = ["Acme-*", "secret.tool"]
permitted = ["Tapes"]

[upstream.mirror]
url = "https://index.example/simple"
mode = "strict"
hosts = ["files.example"]
ttl = 60
negative_ttl = 5
username = "ci"
password = { env = "MIRROR" }

[index.prod]
layers = ["own", "upstream:mirror"]
"""
ENVIRONMENT = {"MIRROR": "p:w/ 1\n"}


def declared(text: str, clock: TickingClock) -> list[str]:
    """Apply; the lines of the plan."""
    wanted = applying.read_file(text, ENVIRONMENT)
    agreed = [step.line for step in applying.plan(wanted, clock)]
    assert applying.apply(COMMAND, wanted, agreed, clock=clock) == len(agreed)
    return agreed


def test_upstreams_and_names_are_declared_and_the_second_time_nothing_changes(main: Index, clock: TickingClock) -> None:
    from packhouse.services import upstreams

    assert declared(UPSTREAMS, clock) == [
        "reserved names none -> acme-*, secret-tool",
        "permit the name tapes",
        (
            "make the upstream mirror: https://index.example/simple/, mode strict, hosts files.example, ttl 60,"
            " negative_ttl 5, signs in as ci with the password of env MIRROR"
        ),
        "make the index prod (public), made of own, upstream:mirror",
    ]
    made = upstreams.find_upstream("mirror")
    assert (made.mode, made.hosts, made.ttl, made.negative_ttl) == ("strict", ["files.example"], 60, 5)
    assert upstreams.reach_of(made).authorization == "Basic Y2k6cDp3LyAx"  # ci:p:w/ 1
    told = str(list(JournalEntry.objects.values_list("detail", flat=True)))
    assert "p:w" not in told + made.secret
    assert "Y2k6" not in told + made.secret
    serial = last_serial()
    assert (declared(UPSTREAMS, clock), last_serial()) == ([], serial)


def test_what_differs_of_an_upstream_is_changed_and_the_rest_stays(main: Index, clock: TickingClock) -> None:
    from packhouse.services import upstreams

    declared(UPSTREAMS, clock)
    changed = "[upstream.mirror]\nttl = 90\nhosts = []\n[names]\npermitted = []"
    assert declared(changed, clock) == [
        "permit the name tapes no more",
        "upstream mirror: hosts files.example -> none",
        "upstream mirror: ttl 60 -> 90",
    ]
    assert upstreams.reserved_names() == ("acme-*", "secret-tool")
    assert upstreams.reach_of(upstreams.find_upstream("mirror")).authorization
    ENVIRONMENT["MIRROR"] = "another"
    try:
        again = '[upstream.mirror]\nusername = "ci"\npassword = { env = "MIRROR" }'
        assert declared(again, clock) == ["upstream mirror: signs in as ci with the password of env MIRROR"]
        assert declared(again, clock) == []
    finally:
        ENVIRONMENT["MIRROR"] = "p:w/ 1\n"
    moved = '[upstream.mirror]\nurl = "https://other.example/simple/"\nhosts = ["files.other"]'
    assert declared(moved, clock)[0] == (
        "upstream mirror: address https://index.example/simple/ -> https://other.example/simple/, and is sent no"
        " credentials any more"
    )
    found = upstreams.find_upstream("mirror")
    assert (upstreams.reach_of(found).authorization, found.hosts, found.mode) == ("", ["files.other"], "strict")
    assert declared('[upstream.mirror]\nusername = ""', clock) == []


def test_a_password_may_be_in_a_file(main: Index, clock: TickingClock, tmp_path: Path) -> None:
    from packhouse.services import upstreams

    (tmp_path / "secret").write_text("otter\n", encoding="utf-8")
    text = f'[upstream.m]\nurl = "https://a.example/"\nusername = "ci"\npassword = {{ file = "{tmp_path}/secret" }}'
    assert "otter" not in str(declared(text, clock))
    assert upstreams.reach_of(upstreams.find_upstream("m")).authorization == "Basic Y2k6b3R0ZXI="


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('url = "https://ci:secret@a.example/"', "has credentials in it"),
        ('url = "ftp://a.example/"', "no address of an index"),
        ("url = 3", "url is no text"),
        ('mode = "loose"', "expected fallback, strict, offline"),
        ("ttl = -1", "no number of seconds"),
        ("ttl = true", "no number of seconds"),
        ('hosts = ["a b"]', "is no host"),
        ('colour = "red"', "'colour'"),
        ('username = "ci"', "together"),
        ('username = "ci"\npassword = "clear"', "together"),
        ('username = "ci"\npassword = { vault = "x" }', "expected env or file"),
        ('username = "ci"\npassword = { env = "NOT_THERE" }', "the environment variable 'NOT_THERE', which holds none"),
        ('username = "ci"\npassword = { file = "/no/such/file" }', "can't be read"),
    ],
)
def test_an_upstream_that_can_not_be_read_is_refused_without_its_secrets(text: str, words: str) -> None:
    with pytest.raises(PackhouseError) as caught:
        applying.read_file(f"[upstream.mirror]\n{text}", ENVIRONMENT)
    assert caught.value.kind is Kind.INVALID
    assert words in caught.value.message
    assert "secret@" not in caught.value.message


@pytest.mark.parametrize(
    "text", ["names = 1", "[names]\nred = []", '[names]\npermitted = ["a b"]', '[names]\nreserved = ["*"]']
)
def test_names_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(PackhouseError) as caught:
        applying.read_file(text)
    assert caught.value.kind is Kind.INVALID


def test_an_upstream_without_an_address_is_refused_in_the_plan(main: Index, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        applying.plan(applying.read_file("[upstream.mirror]\nttl = 1"), clock)
    assert caught.value.code == "declaration-invalid"
