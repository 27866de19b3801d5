# SPDX-License-Identifier: Apache-2.0
"""Who may register: what a setting says holds, what it leaves open an administrator chooses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.conf import settings
from tests.infra.clock import TickingClock

from packhouse.catalogue.models import JournalEntry, User
from packhouse.config import Settings
from packhouse.domain.permissions import Identity
from packhouse.domain.registration import Registration, read_domains, read_mode, settle
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, registering, wiping
from packhouse.services.journal import COMMAND
from packhouse.services.registering import Choice

pytestmark = pytest.mark.django_db

OURS: Settings = replace(settings.PACKHOUSE, host="0.0.0.0")


@pytest.fixture
def root(alice: User) -> Identity:
    User.objects.filter(pk=alice.pk).update(is_admin=True)
    return access.identity_of_user(User.objects.get(pk=alice.pk))


def test_nobody_decided(db: None) -> None:
    assert registering.in_force(OURS) == Registration("invited")
    assert registering.in_force(replace(OURS, host="127.0.0.1")) == Registration("open")


def test_an_administrator_chooses_and_takes_it_back(root: Identity, clock: TickingClock) -> None:
    after = registering.choose(root, Choice("open", ("example.org",)), "term begins", OURS, clock=clock)
    assert after == Registration("open", ("example.org",), "chosen", "chosen") == registering.in_force(OURS)
    assert after.admits("a@EXAMPLE.org")
    assert not after.admits("a@sub.example.org")
    registering.choose(COMMAND, Choice("closed"), "full", OURS, clock=clock)
    assert registering.in_force(OURS) == Registration("closed", ("example.org",), "chosen", "chosen")
    registering.choose(root, Choice("", ()), "", OURS, clock=clock)
    assert registering.in_force(OURS) == Registration("invited")
    told = JournalEntry.objects.filter(kind="registration set").order_by("serial")
    assert [(one.actor, one.detail["mode"], one.detail["mode_before"], one.detail["reason"]) for one in told] == [
        ("alice", "open", "invited", "term begins"),
        ("", "closed", "open", "full"),
        ("alice", "invited", "closed", ""),
    ]


def test_the_same_again_is_no_fact(root: Identity, clock: TickingClock) -> None:
    registering.choose(root, Choice("closed"), "", OURS, clock=clock)
    registering.choose(root, Choice("closed"), "once more", OURS, clock=clock)
    assert JournalEntry.objects.filter(kind="registration set").count() == 1


@pytest.mark.parametrize(
    ("wanted", "field", "said"),
    [(Choice("open"), "mode", "PACKHOUSE_REGISTRATION is"), (Choice(None, ("a.org",)), "domains", "_DOMAINS is")],
)
def test_a_setting_locks_its_field(root: Identity, clock: TickingClock, wanted: Choice, field: str, said: str) -> None:
    registering.choose(root, Choice("open", ("b.org",)), "", OURS, clock=clock)
    held = replace(OURS, registration="closed", registration_domains=("c.org",))
    assert registering.in_force(held) == Registration("closed", ("c.org",), "setting", "setting")
    with pytest.raises(PackhouseError, match=said) as caught:
        registering.choose(root, wanted, "", held, clock=clock)
    assert (caught.value.kind, caught.value.code, caught.value.faults[0].field) == (
        Kind.CONFLICT,
        "setting-decides",
        field,
    )
    assert registering.in_force(OURS).mode == "open"  # what was chosen counts again when the setting goes


def test_one_setting_leaves_the_other_to_administrators(root: Identity, clock: TickingClock) -> None:
    half = replace(OURS, registration="open")
    registering.choose(root, Choice(None, ("a.org",)), "", half, clock=clock)
    assert registering.in_force(half) == Registration("open", ("a.org",), "setting", "chosen")


def test_others_choose_nothing(alice: User, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        registering.choose(access.identity_of_user(alice), Choice("open"), "", OURS, clock=clock)
    assert caught.value.code == "admin-only"
    with pytest.raises(PackhouseError) as caught:
        wiping.set_banner(access.identity_of_user(alice), "hello", "", clock=clock)
    assert caught.value.code == "admin-only"
    assert not JournalEntry.objects.filter(kind__in=["registration set", "sandbox banner set"]).exists()


def test_domains_and_modes_as_they_are_typed() -> None:
    assert read_domains(" Example.org,example.net\n example.ORG") == ("example.org", "example.net")
    assert read_domains("") == ()
    for odd in ("@example.org", "a@b.org", "exa mple..org", "-a.org", "a" * 300, "b\x00.org", "ä.org", "a.org/"):
        with pytest.raises(PackhouseError, match="The domain is"):
            read_domains(odd)
    with pytest.raises(PackhouseError, match="101 domains"):
        read_domains(" ".join(f"d{number}.org" for number in range(101)))
    assert read_mode("closed") == "closed"
    with pytest.raises(PackhouseError, match="expected open, invited, closed"):
        read_mode("ajar")
    assert settle(Settings(host="0.0.0.0"), None, ["a.org"]).mode == "open"


def test_the_words_of_a_sandbox(root: Identity, clock: TickingClock) -> None:
    sandbox = replace(OURS, sandbox="on")
    assert wiping.set_banner(root, "  Course 7,\n ask Ada ", "", clock=clock)
    assert not wiping.set_banner(root, "Course 7, ask Ada", "", clock=clock)
    assert (wiping.banner(sandbox), wiping.banner(OURS)) == ("Course 7, ask Ada", "")
    for odd in ("x" * 301, "a\x07b"):
        with pytest.raises(PackhouseError, match="The banner has"):
            wiping.set_banner(root, odd, "", clock=clock)
    assert wiping.set_banner(COMMAND, "", "over", clock=clock)
    assert wiping.banner(sandbox) == ""
