# SPDX-License-Identifier: Apache-2.0
"""Sandboxes: everything published is wiped, names are free again, all else stays and is found sound."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from tests.infra.clock import TickingClock
from tests.services.conftest import make_user, press_of

from packhouse.catalogue import soundness
from packhouse.catalogue.activity.models import SearchDocument
from packhouse.catalogue.models import File, JournalEntry, Project, Snapshot, Token, User
from packhouse.config import Settings, load
from packhouse.domain.permissions import OrganizationRole, ReadMode
from packhouse.errors import Kind, PackhouseError
from packhouse.jobs.worker import standard
from packhouse.services import (
    access,
    guests,
    indexes,
    members,
    organization_tokens,
    organizations,
    pages,
    readers,
    releases,
    search,
    snapshots,
    teams,
    tokens,
    wiping,
)
from packhouse.services.journal import COMMAND, last_serial

if TYPE_CHECKING:
    from tests.infra.publishing import Press

    from packhouse.catalogue.models import Index
    from packhouse.services.resources import Resources

SANDBOX: Settings = replace(settings.PACKHOUSE, sandbox="on")


def wipe(clock: TickingClock) -> wiping.Wiped:
    return wiping.wipe(COMMAND, SANDBOX, clock=clock)


def breaches() -> list[str]:
    return [breach.code for rule in soundness.RULES for breach in rule.breaches()] + [
        breach.code for breach in soundness.journal_breaches([0])
    ]


def names_in_root(clock: TickingClock) -> str:
    page = pages.read_page("main", "", "json", clock)
    assert page is not None
    return bytes(page.body).decode()


@pytest.fixture
def used(press: Press, main: Index, clock: TickingClock, resources: Resources) -> User:
    """A sandbox somebody has practised in; gus, a guest, published too."""
    press.wheel("tapes", "1.0")
    press.wheel("tapes", "1.1")
    releases.yank(COMMAND, "tapes", "1.0", reason="wrong", clock=clock)
    gus = make_user("gus", clock)
    guests.set_end(COMMAND, gus, clock() + timedelta(days=30), clock=clock)
    press_of(gus, resources).wheel("reels", "2.0")
    indexes.create_index(COMMAND, "stage", ReadMode.PUBLIC, [indexes.LayerSpec("own")], clock=clock)
    snapshots.create(COMMAND, "main", "before", clock=clock)
    search.follow()
    return gus


def test_everything_published_is_gone_and_the_rest_stays(used: User, alice: User, clock: TickingClock) -> None:
    assert "tapes" in names_in_root(clock)
    assert wipe(clock) == wiping.Wiped(projects=2, files=3, guests=1)
    for table in (Project, File, Snapshot):
        assert not table.objects.exists()
    assert [user.username for user in User.objects.all()] == ["alice"]
    assert Token.objects.filter(user=alice).exists()
    assert {index.name for index in indexes.list_indexes()} == {"main", "stage"}
    assert '"projects":[]' in names_in_root(clock).replace(" ", "")
    assert pages.read_page("main", "tapes", "json", clock) is None
    while search.follow():
        pass
    assert not SearchDocument.objects.exists()


def test_each_is_journalled_and_the_rows_are_sound(used: User, clock: TickingClock) -> None:
    before = last_serial()
    wipe(clock)
    told = JournalEntry.objects.filter(serial__gt=before).order_by("serial").values_list("kind", "project")
    assert list(told) == [
        ("project deleted", "reels"),
        ("project deleted", "tapes"),
        ("guest removed", ""),
        ("sandbox wiped", ""),
    ]
    assert JournalEntry.objects.get(kind="sandbox wiped").detail == {"projects": 2, "files": 3, "guests": 1}
    assert breaches() == []


def test_names_filenames_and_user_names_are_free_again(
    used: User, bob: User, clock: TickingClock, resources: Resources
) -> None:
    wipe(clock)
    press_of(bob, resources).wheel("tapes", "1.0", summary="other bytes")
    assert File.objects.get().uploaded_by == bob
    assert "tapes" in names_in_root(clock)
    make_user("gus", clock)
    assert breaches() == []
    wipe(clock)
    press_of(bob, resources, index="stage").wheel("tapes", "1.0")
    assert breaches() == []


def test_the_tokens_of_guests_are_refused(used: User, clock: TickingClock) -> None:
    _, secret = tokens.create_token(COMMAND, used, "late", clock=clock)
    wipe(clock)
    with pytest.raises(PackhouseError) as caught:
        access.authenticate(f"Bearer {secret}", clock())
    assert caught.value.code == "token-unknown"


def test_a_server_that_is_no_sandbox_is_never_wiped(used: User, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        wiping.wipe(COMMAND, settings.PACKHOUSE, clock=clock)
    assert (caught.value.kind, caught.value.code) == (Kind.CONFLICT, "sandbox-off")
    assert File.objects.count() == 3


def test_others_may_not_wipe(used: User, alice: User, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        wiping.wipe(access.identity_of_user(alice), SANDBOX, clock=clock)
    assert caught.value.kind is Kind.FORBIDDEN
    assert File.objects.count() == 3


def test_an_empty_sandbox_is_wiped_too(main: Index, clock: TickingClock) -> None:
    assert wipe(clock) == wiping.Wiped(0, 0, 0)
    assert breaches() == []


def test_the_schedule(used: User, clock: TickingClock, resources: Resources) -> None:
    nightly = replace(SANDBOX, sandbox_wipe="0 3 * * *")
    assert wiping.next_wipe(nightly, clock()) == clock().replace(hour=3, minute=0, second=0, microsecond=0) + timedelta(
        1
    )
    assert wiping.next_wipe(SANDBOX, clock()) is None
    assert wiping.next_wipe(replace(nightly, sandbox="off"), clock()) is None
    stock = replace(resources, settings=nightly)
    for wanted, found in ((stock, 1), (replace(stock, settings=SANDBOX), 0), (resources, 0)):
        jobs = [job for job in standard(wanted).jobs if job.name == "wiping of the sandbox"]
        assert len(jobs) == found
    wiping.wipe_by_schedule(stock)
    assert not File.objects.exists()
    assert JournalEntry.objects.get(kind="sandbox wiped").via == "schedule"


@pytest.mark.parametrize("text", ["soon", "61 * * * *", "* * *", "@daily"])
def test_a_schedule_that_makes_no_sense(text: str, tmp_path: Any) -> None:
    with pytest.raises(PackhouseError) as caught:
        load({"PACKHOUSE_SANDBOX_WIPE": text, "PACKHOUSE_DATA": str(tmp_path)})
    assert caught.value.code == "setting-invalid"


def test_organizations_of_guests_alone_go_with_their_tokens_and_others_stay(
    used: User, alice: User, clock: TickingClock
) -> None:
    for name, owner in (("theirs", used), ("ours", alice)):
        organizations.create_organization(COMMAND, name, owner, clock=clock)
        teams.create_team(COMMAND, name, "core", clock=clock)
    members.set_member(COMMAND, "ours", used, OrganizationRole.MEMBER, clock=clock)
    teams.set_team_member(COMMAND, "ours", "core", used, inside=True, clock=clock)
    secrets = [organization_tokens.create(COMMAND, name, "ci", clock=clock)[1] for name in ("theirs", "ours")]
    indexes.create_index(COMMAND, "vault", ReadMode.CLOSED, clock=clock)
    for reader in ("theirs", "ours", used.username):
        indexes.grant_read(COMMAND, "vault", readers.find_reader(reader), clock=clock)
    wipe(clock)
    assert [one.name for one in organizations.list_organizations()] == ["ours"]
    assert readers.readers_of("vault") == ["ours"]
    assert access.authenticate(f"Bearer {secrets[1]}", clock()).username == "ours"
    with pytest.raises(PackhouseError) as caught:
        access.authenticate(f"Bearer {secrets[0]}", clock())
    assert caught.value.code == "token-unknown"
    assert breaches() == []
