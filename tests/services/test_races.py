# SPDX-License-Identifier: Apache-2.0
"""Many uploads at once: one outcome, whatever the order, and never an error of ours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources
from tests.services.conftest import make_user, press_of

from packhouse.catalogue.models import (
    Counter,
    File,
    JournalEntry,
    Page,
    Placement,
    Project,
    Release,
    Role,
)
from packhouse.domain.permissions import ProjectRole
from packhouse.errors import Kind, PackhouseError
from packhouse.services import pages
from packhouse.services.maintenance import collect_garbage
from packhouse.storage.memory_blobs import MemoryBlobs

pytestmark = pytest.mark.django_db(transaction=True)


def together(attempts: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run all at once, each in a thread; what each returned or raised, in order."""
    from django.db import connections

    jobs = list(attempts)
    results: list[Any] = [None] * len(jobs)
    gate = threading.Barrier(len(jobs))

    def run(place: int) -> None:
        gate.wait(timeout=30)
        try:
            results[place] = jobs[place]()
        except BaseException as error:  # noqa: BLE001 - it is what the test is about
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


@pytest.fixture
def two(transactional_db: None) -> tuple[Press, Press]:
    """Two tokens of one person."""
    from packhouse.services import access, tokens
    from packhouse.services.indexes import ensure_main
    from packhouse.services.journal import COMMAND

    clock = TickingClock()
    ensure_main(clock)
    alice, resources = make_user("alice", clock), make_resources(clock)
    first = press_of(alice, resources)
    _, secret = tokens.create_token(COMMAND, alice, "second", clock=clock)
    return first, Press(resources, access.authenticate(f"Bearer {secret}", clock()))


def check_journal() -> None:
    """No gap, and everything placed under a serial that exists."""
    serials = list(JournalEntry.objects.order_by("serial").values_list("serial", flat=True))
    assert serials == list(range(1, Counter.objects.get(name="serial").value + 1))
    assert set(Placement.objects.values_list("from_serial", flat=True)) <= set(serials)
    times = list(JournalEntry.objects.order_by("serial").values_list("at", flat=True))
    assert times == sorted(times)


def test_hostile_255_twenty_wheels_of_a_new_project(two: tuple[Press, Press]) -> None:
    results = together(partial(two[n % 2].wheel, "foo", "1.0", tags=f"cp3{n}-none-any") for n in range(20))
    assert [getattr(result, "created", result) for result in results] == [True] * 20
    counts = [model.objects.count() for model in (Project, Release, Role, File, Placement)]
    assert counts == [1, 1, 1, 20, 20]
    check_journal()
    page = Page.objects.get(project="foo", kind="json")
    assert bytes(page.body).count(b'"filename"') == 20
    assert page.serial == Project.objects.get().serial


def test_hostile_253_the_same_file_fifty_times(two: tuple[Press, Press]) -> None:
    results = together([lambda: two[0].wheel("foo", "1.0")] * 50)
    assert all(not isinstance(result, BaseException) for result in results), results
    assert sum(result.created for result in results) == 1
    assert File.objects.count() == 1
    check_journal()


def test_hostile_254_fifty_racing_for_one_filename(two: tuple[Press, Press]) -> None:
    results = together(partial(two[0].wheel, "foo", "1.0", payload=str(n)) for n in range(50))
    won = [n for n, result in enumerate(results) if not isinstance(result, BaseException)]
    assert len(won) == 1
    for result in results:
        if isinstance(result, BaseException):
            assert isinstance(result, PackhouseError), result
            assert (result.kind, result.code) == (Kind.INVALID, "file-exists")
    file = File.objects.get()
    assert str(won[0]).encode() in two[0].resources.blobs.read(file.sha256)
    check_journal()


def test_hostile_265_a_quota_holds_in_a_race(transactional_db: None) -> None:
    from packhouse.services.indexes import ensure_main

    clock = TickingClock()
    ensure_main(clock)
    press = press_of(make_user("alice", clock), make_resources(clock, max_project_size=1500))
    results = together(partial(press.wheel, "foo", f"{n}.0") for n in range(10))
    refusals = [result for result in results if isinstance(result, BaseException)]
    assert {getattr(result, "kind", result) for result in refusals} == {Kind.TOO_LARGE}
    assert 0 < sum(File.objects.values_list("size", flat=True)) <= 1500


def test_two_people_racing_for_a_name(transactional_db: None) -> None:
    from packhouse.services.indexes import ensure_main

    clock = TickingClock()
    ensure_main(clock)
    resources = make_resources(clock)
    presses = [press_of(make_user(name, clock), resources) for name in ("alice", "bob")]
    results = together(partial(presses[n].wheel, "foo", f"{n}.0") for n in range(2))
    kinds = sorted(str(getattr(result, "kind", "created")) for result in results)
    assert kinds == ["created", "forbidden"]
    assert Role.objects.count() == 1
    check_journal()


def test_readers_during_uploads_never_see_an_older_page_after_a_newer(two: tuple[Press, Press]) -> None:
    seen: list[int] = []

    def read() -> None:
        for _ in range(40):
            page = pages.read_page("main", "", "json")
            assert page is not None
            seen.append(page.serial)

    def publish() -> None:
        for number in range(10):
            press = two[0]
            press.wheel("foo", f"{number}.0")
            page = pages.read_page("main", "foo", "html")
            assert page is not None
            assert f"foo-{number}.0-py3".encode() in page.body

    assert together([read, publish]) == [None, None]
    assert seen == sorted(seen)
    final = pages.read_page("main", "", "json")
    assert final is not None
    assert final.serial == Project.objects.get().serial


class FarBlobs(MemoryBlobs):
    """Blobs in a bucket, whose copies are elsewhere."""

    @property
    def near(self) -> MemoryBlobs:
        return MemoryBlobs()


@pytest.mark.parametrize("store", [MemoryBlobs, FarBlobs])
def test_hostile_257_collecting_while_the_same_bytes_come_again(
    two: tuple[Press, Press], store: type[MemoryBlobs]
) -> None:
    blobs = store()
    for press in two:
        press.resources = replace(press.resources, blobs=blobs)
    resources, done = two[0].resources, threading.Event()

    def collect() -> None:
        """A collector without grace that never rests could keep out every upload: so it rests at last."""
        for _ in range(300):
            if done.is_set():
                break
            collect_garbage(resources, timedelta(days=-1))

    def publish() -> list[str]:
        """Each file until it is taken; a collector that came between is told, and a later try gets through."""
        refused = []
        for number in range(12):
            while True:
                try:
                    two[number % 2].wheel("foo", f"{number}.0")
                    break
                except PackhouseError as error:
                    refused.append(error.code)
        done.set()
        return refused

    results = together([collect, publish])
    done.set()
    assert results[0] is None
    assert set(results[1]) <= {"blob-missing"}
    kept = list(File.objects.values_list("sha256", "metadata_sha256"))
    assert len(kept) == 12
    for sha256s in kept:
        for sha256 in sha256s:
            assert resources.blobs.stat(sha256) is not None
    check_journal()


def test_hostile_262_one_invitation_answered_by_two_at_once(transactional_db: None) -> None:
    from packhouse.services import access, collaborators
    from packhouse.services.indexes import ensure_main

    clock = TickingClock()
    ensure_main(clock)
    alice, bob = make_user("alice", clock), make_user("bob", clock)
    press_of(alice, make_resources(clock)).wheel("foo", "1.0")
    owner, guest = access.identity_of_user(alice), access.identity_of_user(bob)
    invitation = collaborators.invite(owner, "foo", bob, ProjectRole.MAINTAINER, clock=clock)
    tries = [partial(collaborators.answer, guest, invitation.pk, accept=n % 2 == 0, clock=clock) for n in range(8)]
    results = together([*tries, partial(collaborators.withdraw, owner, "foo", invitation.pk, clock=clock)])
    kinds = [result.kind for result in results if isinstance(result, PackhouseError)]
    assert kinds == [Kind.MISSING] * 8
    check_journal()


def test_hostile_183_no_token_outlives_the_one_that_makes_it_meanwhile(two: tuple[Press, Press]) -> None:
    """Eight make tokens by one that is ended at the same time: whatever they got ended with it."""
    from packhouse.catalogue.models import Token
    from packhouse.services import access, delegating, tokens
    from packhouse.services.journal import COMMAND

    clock = two[0].resources.clock
    alice = Token.objects.get(digest=two[0].identity.digest).user
    maker, secret = tokens.create_token(COMMAND, alice, "maker", ["upload", "read", "manage"], clock=clock)
    identity = access.authenticate(f"Bearer {secret}", clock())
    made = [partial(delegating.create, identity, f"job {number}", clock=clock) for number in range(8)]
    results = together([*made[:4], partial(tokens.delete_token, COMMAND, maker, clock=clock), *made[4:]])
    refused = [one for one in results if isinstance(one, BaseException)]
    assert all(isinstance(one, PackhouseError) and one.code == "token-deleted" for one in refused), refused
    assert not Token.objects.filter(made_by=maker, deleted_at=None).exists()
    assert Token.objects.filter(made_by=maker).count() == 8 - len(refused)
    with pytest.raises(PackhouseError, match="was deleted"):
        delegating.create(identity, "afterwards", clock=clock)
