# SPDX-License-Identifier: Apache-2.0
"""Yanking, taking it back, deleting; the status and the end of a project."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press
from tests.services.conftest import press_of

from packhouse.catalogue.models import Invitation, JournalEntry, Placement, Project, ProjectStatus, Role, User, Yank
from packhouse.domain.listing import Status
from packhouse.domain.permissions import ProjectRole
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, files, indexes, pages, projects, releases, tokens
from packhouse.services.journal import COMMAND, Actor
from packhouse.services.resources import Resources
from packhouse.services.standing import Asker

pytestmark = pytest.mark.django_db


def page(project: str = "foo", index: str = "main") -> Any:
    found = pages.read_page(index, project, "json")
    return None if found is None else json.loads(found.body)


def yanked() -> dict[str, Any]:
    return {file["filename"]: file["yanked"] for file in page()["files"]}


def kinds_since(serial: int) -> list[str]:
    return list(JournalEntry.objects.filter(serial__gt=serial).order_by("serial").values_list("kind", flat=True))


@pytest.fixture
def serial(press: Press) -> int:
    """Two files of foo 1.0 and one of 2.0 are published; the serial after that."""
    press.wheel("foo", "1.0")
    press.sdist("foo", "1.0")
    press.wheel("foo", "2.0")
    return Project.objects.get().serial


def test_a_release_is_yanked_and_unyanked(alice: User, serial: int, clock: TickingClock) -> None:
    done = releases.yank(access.identity_of_user(alice), "Foo", "1.0.0", reason="broken\nbuild", clock=clock)
    assert done == ["foo-1.0-py3-none-any.whl", "foo-1.0.tar.gz"]
    assert yanked() == {
        "foo-1.0-py3-none-any.whl": "broken build",
        "foo-1.0.tar.gz": "broken build",
        "foo-2.0-py3-none-any.whl": False,
    }
    assert kinds_since(serial) == ["file yanked"] * 2
    assert releases.unyank(COMMAND, "foo", "1.0", clock=clock) == done
    assert set(yanked().values()) == {False}
    assert releases.unyank(COMMAND, "foo", "1.0", clock=clock) == []
    assert list(Yank.objects.values_list("from_serial", "to_serial")) == [
        (serial + 1, serial + 3),
        (serial + 2, serial + 3),
    ]


def test_Y1_one_file_alone_and_without_a_reason(press: Press, serial: int, clock: TickingClock) -> None:
    releases.yank(COMMAND, "foo", "1.0", filename="foo-1.0.tar.gz", clock=clock)
    assert yanked()["foo-1.0.tar.gz"] is True
    assert yanked()["foo-1.0-py3-none-any.whl"] is False
    html = pages.read_page("main", "foo", "html")
    assert html is not None
    assert b'data-yanked=""' in html.body


def test_the_same_yank_again_is_no_event_and_another_reason_is(press: Press, serial: int, clock: TickingClock) -> None:
    releases.yank(COMMAND, "foo", "2.0", reason="a", clock=clock)
    assert releases.yank(COMMAND, "foo", "2.0", reason="a", clock=clock) == []
    assert len(releases.yank(COMMAND, "foo", "2.0", reason="b", clock=clock)) == 1
    assert yanked()["foo-2.0-py3-none-any.whl"] == "b"
    assert kinds_since(serial) == ["file yanked"] * 2


@pytest.mark.parametrize(("version", "filename"), [("9.9", None), ("1.0", "foo-2.0-py3-none-any.whl"), ("1.0", "x")])
def test_what_is_not_there(version: str, filename: str | None, serial: int, clock: TickingClock) -> None:
    for act in (releases.yank, releases.unyank, releases.delete):
        with pytest.raises(PackhouseError) as caught:
            act(COMMAND, "foo", version, filename=filename, clock=clock)
        assert caught.value.kind is Kind.MISSING
    with pytest.raises(PackhouseError):
        releases.yank(COMMAND, "bar", "1.0", clock=clock)


def test_a_reason_has_an_end(serial: int, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        releases.yank(COMMAND, "foo", "1.0", reason="x" * 1001, clock=clock)
    assert caught.value.code == "reason-too-long"


def test_deleting_a_file_and_then_the_rest_of_its_release(press: Press, serial: int, clock: TickingClock) -> None:
    first = releases.delete(COMMAND, "foo", "1.0", filename="foo-1.0.tar.gz", clock=clock)
    assert first == ["foo-1.0.tar.gz"]
    assert kinds_since(serial) == ["file deleted"]
    assert page()["versions"] == ["1.0", "2.0"]
    releases.delete(COMMAND, "foo", "1.0", clock=clock)
    assert kinds_since(serial) == ["file deleted", "file deleted", "release deleted"]
    assert page()["versions"] == ["2.0"]
    releases.delete(COMMAND, "foo", "2.0", clock=clock)
    assert page()["files"] == []
    for attempt, version in ((press.sdist, "1.0"), (press.wheel, "2.0")):
        with pytest.raises(PackhouseError) as caught:
            attempt("foo", version, payload="x")
        assert caught.value.code == "filename-used"
    assert press.wheel("foo", "2.0", tags="py2-none-any").created
    assert kinds_since(serial)[-2:] == ["release new", "file added"]


def test_a_deleted_file_is_gone_from_every_index(
    press: Press, alice: User, resources: Resources, clock: TickingClock
) -> None:
    indexes.create_index(COMMAND, "dev", clock=clock)
    press.wheel("foo", "1.0")
    press_of(alice, resources, "dev").wheel("foo", "1.0")
    releases.delete(COMMAND, "foo", "1.0", clock=clock)
    assert not Placement.objects.filter(to_serial=None).exists()
    deleted = JournalEntry.objects.filter(kind="file deleted").order_by("serial")
    assert list(deleted.values_list("index_name", flat=True)) == ["dev", "main"]
    assert page(index="dev")["files"] == []


def test_rights_to_yank_delete_and_set_the_status(
    press: Press, bobs_press: Press, serial: int, alice: User, bob: User, clock: TickingClock
) -> None:
    owner, stranger = access.identity_of_user(alice), access.identity_of_user(bob)
    acts: list[Callable[[Asker], object]] = [
        lambda who: releases.yank(who, "foo", "1.0", clock=clock),
        lambda who: releases.delete(who, "foo", "2.0", clock=clock),
        lambda who: projects.set_status(who, "foo", Status.DEPRECATED, clock=clock),
    ]
    unfit: list[Asker] = [stranger, press.identity, Actor(alice.pk, "alice", "web")]
    for act in acts:
        for who in unfit:
            with pytest.raises(PackhouseError) as caught:
                act(who)
            assert caught.value.kind is Kind.FORBIDDEN
    Role.objects.create(project=Project.objects.get(), user=bob, role="maintainer", since=clock())
    acts[0](stranger)
    for act in acts[1:]:
        with pytest.raises(PackhouseError):
            act(stranger)
    for act in acts[1:]:
        act(owner)


def test_Y6_status_with_a_reason(press: Press, serial: int, clock: TickingClock) -> None:
    projects.set_status(COMMAND, "foo", Status.ARCHIVED, reason="no longer needed", clock=clock)
    projects.set_status(COMMAND, "foo", Status.ARCHIVED, reason="no longer needed", clock=clock)
    assert page()["project-status"] == {"status": "archived", "reason": "no longer needed"}
    assert kinds_since(serial) == ["project status set"]
    with pytest.raises(PackhouseError) as caught:
        press.wheel("foo", "3.0")
    assert (caught.value.kind, caught.value.code) == (Kind.FORBIDDEN, "project-archived")
    projects.set_status(COMMAND, "foo", Status.ACTIVE, clock=clock)
    assert page()["project-status"] == {"status": "active"}
    assert press.wheel("foo", "3.0").created
    assert ProjectStatus.objects.filter(to_serial=None).count() == 0


def test_quarantine_is_the_administrators(alice: User, press: Press, serial: int, clock: TickingClock) -> None:
    owner = access.identity_of_user(alice)
    with pytest.raises(PackhouseError) as caught:
        projects.set_status(owner, "foo", Status.QUARANTINED, clock=clock)
    assert caught.value.code == "quarantine-admin"
    projects.set_status(COMMAND, "foo", Status.QUARANTINED, clock=clock)
    assert page()["files"] == []
    with pytest.raises(PackhouseError):
        projects.set_status(owner, "foo", Status.ACTIVE, clock=clock)
    User.objects.filter(pk=alice.pk).update(is_admin=True)
    projects.set_status(access.identity_of_user(User.objects.get(pk=alice.pk)), "foo", Status.ACTIVE, clock=clock)
    assert len(page()["files"]) == 3


def test_a_deleted_project_is_gone_and_its_name_stays_its_owners(
    press: Press, bobs_press: Press, serial: int, alice: User, bob: User, clock: TickingClock
) -> None:
    project = Project.objects.get()
    Role.objects.create(project=project, user=bob, role="maintainer", since=clock())
    names = pages.read_page("main", "", "names")
    file = project.files.first()
    assert file is not None
    projects.delete_project(access.identity_of_user(alice), "foo", clock=clock)
    assert page() is None
    assert page("")["projects"] == []
    with pytest.raises(PackhouseError) as caught:
        files.offered_file("main", file.sha256, file.filename, now=file.uploaded_at)
    assert caught.value.kind is Kind.MISSING
    later = pages.read_page("main", "", "names")
    assert names is not None
    assert later is not None
    assert later.serial > names.serial
    assert kinds_since(serial) == [
        "file deleted", "file deleted", "file deleted", "release deleted", "release deleted", "role removed",
        "project deleted",
    ]  # fmt: skip
    with pytest.raises(PackhouseError) as caught:
        bobs_press.wheel("foo", "9.0")
    assert caught.value.kind is Kind.FORBIDDEN
    with pytest.raises(PackhouseError) as caught:
        press.wheel("foo", "1.0")
    assert caught.value.code == "filename-used"
    before = JournalEntry.objects.order_by("-serial")[0].serial
    assert press.wheel("foo", "9.0").created
    assert kinds_since(before) == ["project created", "release new", "file added"]
    assert [file["filename"] for file in page()["files"]] == ["foo-9.0-py3-none-any.whl"]
    assert [role.role for role in Role.objects.all()] == [ProjectRole.OWNER.value]


def test_a_second_deletion_finds_nothing(serial: int, clock: TickingClock) -> None:
    projects.delete_project(COMMAND, "foo", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        projects.delete_project(COMMAND, "foo", clock=clock)
    assert caught.value.kind is Kind.MISSING
    assert not Invitation.objects.exists()


def test_a_token_that_manages_one_project(press: Press, alice: User, serial: int, clock: TickingClock) -> None:
    _, secret = tokens.create_token(COMMAND, alice, "m", ["manage"], projects=["other"], clock=clock)
    with pytest.raises(PackhouseError) as caught:
        releases.yank(access.authenticate(f"Bearer {secret}", clock()), "foo", "1.0", clock=clock)
    assert caught.value.code == "token-project"
