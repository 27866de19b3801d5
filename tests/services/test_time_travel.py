# SPDX-License-Identifier: Apache-2.0
"""Past states, purging, snapshots and promotion: everything at every moment; only what is purged is forgotten."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press

from packhouse.catalogue import soundness
from packhouse.catalogue.models import File, FileDescription, Index, JournalEntry, User
from packhouse.domain.listing import Status
from packhouse.domain.moments import AsOf
from packhouse.domain.permissions import Identity
from packhouse.errors import Kind, PackhouseError
from packhouse.services import (
    access,
    file_purging,
    files,
    index_rules,
    indexes,
    journal,
    maintenance,
    pages,
    projects,
    promoting,
    releases,
    serving,
    snapshots,
)
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import COMMAND
from packhouse.services.past_pages import past_page
from packhouse.services.resources import Resources

pytestmark = pytest.mark.django_db


def point(clock: TickingClock) -> AsOf:
    """The state now, left behind by a moment."""
    as_of = AsOf(journal.last_serial(), clock())
    clock.move(hours=1)
    return as_of


def then(index: str, project: str, as_of: AsOf) -> list[str] | None:
    page = past_page(index, project, "json", as_of)
    return None if page is None else [file["filename"] for file in json.loads(page.body)["files"]]


def names_then(index: str, as_of: AsOf) -> list[str]:
    page = past_page(index, "", "json", as_of)
    assert page is not None
    return [entry["name"] for entry in json.loads(page.body)["projects"]]


def versions(index: str, project: str, clock: TickingClock) -> list[str] | None:
    page = pages.read_page(index, project, "json", clock)
    return None if page is None else list(json.loads(page.body)["versions"])


WHEEL = "foo-{}-py3-none-any.whl"


def test_every_fact_of_a_page_has_its_past(press: Press, clock: TickingClock) -> None:
    start = point(clock)
    press.wheel("foo", "1.0")
    one = point(clock)
    press.wheel("foo", "2.0")
    releases.yank(COMMAND, "foo", "1.0", reason="broken", clock=clock)
    projects.set_status(COMMAND, "foo", Status.DEPRECATED, reason="use bar", clock=clock)
    two = point(clock)
    releases.unyank(COMMAND, "foo", "1.0", clock=clock)
    releases.delete(COMMAND, "foo", "1.0", clock=clock)
    projects.set_status(COMMAND, "foo", Status.QUARANTINED, clock=clock)
    three = point(clock)
    projects.set_status(COMMAND, "foo", Status.ACTIVE, clock=clock)
    projects.delete_project(COMMAND, "foo", clock=clock)
    gone = point(clock)
    press.wheel("foo", "3.0")
    back = point(clock)

    assert then("main", "foo", start) is None
    assert then("main", "foo", one) == [WHEEL.format("1.0")]
    assert then("main", "foo", two) == [WHEEL.format("1.0"), WHEEL.format("2.0")]
    assert then("main", "foo", three) == []
    assert then("main", "foo", gone) is None
    assert then("main", "foo", back) == [WHEEL.format("3.0")]
    page = past_page("main", "foo", "json", two)
    assert page is not None
    told = json.loads(page.body)
    assert [file["yanked"] for file in told["files"]] == ["broken", False]
    assert told["project-status"] == {"reason": "use bar", "status": "deprecated"}
    assert told["meta"]["_last-serial"] == two.serial == page.serial
    assert [names_then("main", moment) for moment in (start, one, three, gone, back)] == [[], ["foo"], [], [], ["foo"]]


def test_a_past_state_never_changes_whatever_is_done_later(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    as_of = point(clock)
    seen = [past_page("main", name, kind, as_of) for name in ("foo", "") for kind in ("html", "json")]
    press.wheel("foo", "2.0")
    releases.yank(COMMAND, "foo", "1.0", clock=clock)
    index_rules.change_rule(COMMAND, "main", "deny", "foo", clock=clock)
    indexes.create_index(COMMAND, "low", clock=clock)
    indexes.set_layers(COMMAND, "main", [LayerSpec("index", "low")], clock=clock)
    projects.delete_project(COMMAND, "foo", clock=clock)
    assert [past_page("main", name, kind, as_of) for name in ("foo", "") for kind in ("html", "json")] == seen


def test_files_deleted_since_are_still_served_in_the_past_and_nowhere_else(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    as_of, file = point(clock), File.objects.get()
    releases.delete(COMMAND, "foo", "1.0", clock=clock)
    offered = files.offered_file("main", file.sha256, file.filename, now=clock(), as_of=as_of)
    assert offered.size == file.size
    with pytest.raises(PackhouseError) as caught:
        files.offered_file("main", file.sha256, file.filename, now=clock())
    assert caught.value.kind is Kind.MISSING
    with pytest.raises(PackhouseError):
        files.offered_file("main", file.sha256, file.filename, now=clock(), as_of=AsOf(1, as_of.at))


def test_rules_and_layers_of_the_past_are_those_of_then(
    press: Press, alice: User, resources: Resources, clock: TickingClock
) -> None:
    press.wheel("foo", "1.0")
    indexes.create_index(COMMAND, "top", layers=[LayerSpec("index", "main")], clock=clock)
    clock.move(days=30)
    index_rules.change_rule(COMMAND, "main", "minimum_age", "7d", clock=clock)
    press.wheel("foo", "2.0")
    strict = point(clock)
    index_rules.change_rule(COMMAND, "main", "minimum_age", "none", clock=clock)
    free = point(clock)
    indexes.set_layers(COMMAND, "top", [LayerSpec("own")], clock=clock)
    alone = point(clock)
    for index in ("main", "top"):
        assert then(index, "foo", strict) == [WHEEL.format("1.0")]
        assert then(index, "foo", AsOf(strict.serial, strict.at + timedelta(days=8))) == [
            WHEEL.format("1.0"),
            WHEEL.format("2.0"),
        ]
        assert then(index, "foo", free) == [WHEEL.format("1.0"), WHEEL.format("2.0")]
    assert then("top", "foo", alone) is None
    file = File.objects.get(release__version="2.0")
    with pytest.raises(PackhouseError) as caught:
        files.offered_file("main", file.sha256, file.filename, now=clock(), as_of=strict)
    assert caught.value.code == "file-too-new"
    assert past_page("top", "foo", "json", AsOf(1, strict.at)) is None


def test_hostile_242_moments_of_the_future_and_before_everything_are_refused(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    now = clock()
    for text in ("2026-11-25", "2026-11-24T12:00:01Z", "9999-12-31", "1970-01-01", "2026-11-23", "serial-0"):
        with pytest.raises(PackhouseError) as caught:
            journal.moment_named(text, now)
        assert (caught.value.kind, caught.value.code) == (Kind.INVALID, "moment-unknown"), text
    with pytest.raises(PackhouseError):
        journal.moment_named(f"serial-{journal.last_serial() + 1}", now)
    assert journal.moment_named("2026-11-24", now) is None  # not yet over: as now


def test_a_moment_is_settled_when_nothing_can_be_added_to_it(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    last = journal.last_serial()
    clock.move(seconds=10)
    fresh = journal.moment_named("2026-11-24T12:00:05Z", clock())
    assert fresh == journal.Past(AsOf(last, datetime(2026, 11, 24, 12, 0, 5, tzinfo=UTC)), settled=False)
    clock.move(minutes=2)
    later = journal.moment_named("2026-11-24T12:00:05Z", clock())
    assert later is not None
    assert later.settled
    assert journal.moment_named(f"serial-{last}", clock()) is not None


def test_purging_removes_from_every_state_and_the_filename_stays_taken(
    press: Press, resources: Resources, clock: TickingClock
) -> None:
    press.wheel("foo", "1.0", description="A readme.")
    press.wheel("foo", "2.0")
    as_of, file = point(clock), File.objects.get(release__version="1.0")
    releases.delete(COMMAND, "foo", "1.0", clock=clock)
    assert file_purging.purge(COMMAND, "Foo", "1", reason="a secret\nin it", clock=clock) == [file.filename]
    assert then("main", "foo", as_of) == [WHEEL.format("2.0")]
    for moment in (None, as_of):
        with pytest.raises(PackhouseError) as caught:
            files.offered_file("main", file.sha256, file.filename, now=clock(), as_of=moment)
        assert caught.value.kind is (Kind.MISSING if moment is None else Kind.GONE)
    assert not FileDescription.objects.filter(file=file).exists()
    entry = JournalEntry.objects.get(kind="file purged")
    assert (entry.detail["reason"], entry.filename) == ("a secret in it", file.filename)
    with pytest.raises(PackhouseError) as caught:
        press.wheel("foo", "1.0")
    assert caught.value.kind is not Kind.MISSING
    clock.move(days=2)
    maintenance.collect_garbage(resources, timedelta(0))
    assert resources.blobs.stat(file.sha256) is None
    assert resources.blobs.stat(File.objects.get(release__version="2.0").sha256) is not None
    for code, found in (("nothing left", ("foo", "1.0")), ("never was", ("foo", "9"))):
        with pytest.raises(PackhouseError) as caught:
            file_purging.purge(COMMAND, *found, reason="again", clock=clock)
        assert caught.value.kind is Kind.MISSING, code


def test_purging_is_for_administrators_with_a_reason_and_spares_what_is_protected(
    press: Press, alice: User, clock: TickingClock
) -> None:
    press.wheel("foo", "1.0")
    owner = access.identity_of_user(alice)
    with pytest.raises(PackhouseError) as caught:
        file_purging.purge(owner, "foo", None, reason="mine", clock=clock)
    assert caught.value.kind is Kind.FORBIDDEN
    with pytest.raises(PackhouseError) as caught:
        file_purging.purge(COMMAND, "foo", None, reason=" \n", clock=clock)
    assert caught.value.code == "reason-missing"
    snapshots.create(COMMAND, "main", "keep", clock=clock)
    snapshots.protect(COMMAND, "main", "keep", clock=clock)
    releases.delete(COMMAND, "foo", "1.0", clock=clock)
    for act in (
        lambda: file_purging.purge(COMMAND, "foo", None, reason="x", clock=clock),
        lambda: snapshots.delete(COMMAND, "main", "keep", clock=clock),
    ):
        with pytest.raises(PackhouseError) as caught:
            act()
        assert caught.value.code == "snapshot-protected"
    snapshots.protect(COMMAND, "main", "keep", on=False, clock=clock)
    assert len(file_purging.purge(COMMAND, "foo", None, reason="x", clock=clock)) == 1
    snapshots.delete(COMMAND, "main", "keep", clock=clock)


def test_snapshots_name_states_and_are_compared(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    press.wheel("bar", "1.0")
    clock.move(hours=1)
    snapshots.create(COMMAND, "main", "before", note="the release", clock=clock)
    press.wheel("foo", "2.0")
    releases.yank(COMMAND, "foo", "1.0", clock=clock)
    releases.delete(COMMAND, "bar", "1.0", clock=clock)
    before, now = snapshots.point("main", "before", clock), snapshots.point("main", "now", clock)
    found = snapshots.compare("main", before, now)
    assert found.added == (("foo", "2.0", WHEEL.format("2.0")),)
    assert found.removed == (("bar", "1.0", "bar-1.0-py3-none-any.whl"),)
    assert found.yanked == (("foo", "1.0", WHEEL.format("1.0")),)
    assert snapshots.compare("main", now, before).unyanked == found.yanked
    assert snapshots.compare("main", before, before) == snapshots.Difference((), (), (), ())
    at_first = snapshots.create(COMMAND, "main", "first", f"@serial-{before.serial - 1}", clock=clock)
    assert [one.name for one in snapshots.list_snapshots("main")] == ["before", "first"]
    assert at_first.serial == before.serial - 1
    for name, moment, code in (
        ("before", "", "snapshot-name-taken"),
        ("Now!", "", "snapshot-name-invalid"),
        ("now", "", "snapshot-name-invalid"),
        ("x", "2030-01-01", "moment-unknown"),
    ):
        with pytest.raises(PackhouseError) as caught:
            snapshots.create(COMMAND, "main", name, moment, clock=clock)
        assert caught.value.code == code


def test_going_back_and_undoing_it(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    press.wheel("bar", "1.0")
    past = point(clock)
    press.wheel("foo", "2.0")
    press.wheel("new", "1.0")
    releases.delete(COMMAND, "bar", "1.0", clock=clock)
    plan = snapshots.plan_rollback("main", past)
    assert plan.withdrawn == (WHEEL.format("2.0"), "new-1.0-py3-none-any.whl")
    assert (plan.placed, plan.kept_deleted) == ((), ("bar-1.0-py3-none-any.whl",))
    undo = snapshots.roll_back(COMMAND, "main", past, reason="it broke", clock=clock)
    assert versions("main", "foo", clock) == ["1.0"]
    assert versions("main", "new", clock) is None  # the index knew no such project then
    assert snapshots.roll_back(COMMAND, "main", past, clock=clock) == 0
    again = snapshots.roll_back(COMMAND, "main", snapshots.point("main", f"@serial-{undo}", clock), clock=clock)
    assert again > undo
    assert versions("main", "foo", clock) == ["1.0", "2.0"]
    assert versions("main", "new", clock) == ["1.0"]
    snapshots.roll_back(COMMAND, "main", past, even_deleted=True, clock=clock)
    assert versions("main", "bar", clock) == ["1.0"]
    assert [breach for rule in soundness.RULES for breach in rule.breaches()] == []
    kinds = JournalEntry.objects.filter(detail__reason="it broke").values_list("kind", flat=True)
    assert list(kinds) == ["file withdrawn", "file withdrawn"]


@pytest.fixture
def stages(press: Press, clock: TickingClock) -> Press:
    """The index `prod`, made of its own files and then those of `main`, and a release in `main`."""
    indexes.create_index(COMMAND, "prod", layers=[LayerSpec("own"), LayerSpec("index", "main")], clock=clock)
    press.wheel("foo", "1.0")
    press.sdist("foo", "1.0")
    return press


def test_promotion_places_the_same_files_and_is_undone_in_one_step(stages: Press, clock: TickingClock) -> None:
    stages.wheel("foo", "2.0")
    before = point(clock)
    done = promoting.promote(COMMAND, "foo", "1.0", "main", "prod", reason="tested", clock=clock)
    assert done.filenames == (WHEEL.format("1.0"), "foo-1.0.tar.gz")
    assert versions("prod", "foo", clock) == ["1.0"]  # its own layer answers alone now
    assert versions("main", "foo", clock) == ["1.0", "2.0"]
    assert File.objects.count() == 3
    entry = JournalEntry.objects.get(serial=done.serial)
    assert (entry.kind, entry.index_name) == ("file placed", "prod")
    assert (entry.detail["from"], entry.detail["reason"]) == ("main", "tested")
    assert promoting.promote(COMMAND, "foo", "1.0", "main", "prod", clock=clock).serial == 0
    told = promoting.promotions_of(File.objects.first().project)  # type: ignore[union-attr]
    assert [(one.source, one.target, one.version, one.reason, one.stands) for one in told] == [
        ("main", "prod", "1.0", "tested", True)
    ]
    during = point(clock)
    assert promoting.undo(COMMAND, done.serial + 1, clock=clock) == list(done.filenames)
    assert versions("prod", "foo", clock) == ["1.0", "2.0"]
    assert then("prod", "foo", during) == [WHEEL.format("1.0"), "foo-1.0.tar.gz"]
    assert then("prod", "foo", before) == [WHEEL.format("1.0"), "foo-1.0.tar.gz", WHEEL.format("2.0")]
    for serial in (done.serial, 1, 10**9):
        with pytest.raises(PackhouseError) as caught:
            promoting.undo(COMMAND, serial, clock=clock)
        assert caught.value.code == "promotion-unknown"
    assert [breach for rule in soundness.RULES for breach in rule.breaches()] == []


def test_hostile_243_promotion_asks_the_policy_of_both_indexes_and_does_all_or_nothing(
    stages: Press, clock: TickingClock
) -> None:
    index_rules.change_rule(COMMAND, "prod", "minimum_age", "7d", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        promoting.promote(COMMAND, "foo", "1.0", "main", "prod", clock=clock)
    assert (caught.value.kind, caught.value.code) == (Kind.FORBIDDEN, "file-too-new")
    clock.move(days=8)
    index_rules.change_rule(COMMAND, "main", "deny", "foo<2", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        promoting.promote(COMMAND, "foo", "1.0", "main", "prod", clock=clock)
    assert caught.value.code == "file-denied"
    projects.set_status(COMMAND, "foo", Status.QUARANTINED, clock=clock)
    index_rules.change_rule(COMMAND, "main", "deny", "none", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        promoting.promote(COMMAND, "foo", "1.0", "main", "prod", clock=clock)
    assert caught.value.code == "project-quarantined"
    assert not JournalEntry.objects.filter(kind="file placed").exists()
    projects.set_status(COMMAND, "foo", Status.ACTIVE, clock=clock)
    assert len(promoting.promote(COMMAND, "foo", "1.0", "main", "prod", clock=clock).filenames) == 2


def test_promotion_is_for_owners_and_administrators_who_may_reach_both(
    stages: Press, alice: User, bob: User, clock: TickingClock
) -> None:
    from packhouse.domain.permissions import ReadMode

    def ask(user: User | Identity) -> None:
        identity = user if isinstance(user, Identity) else access.identity_of_user(user)
        promoting.promote(identity, "foo", "1.0", "main", "prod", clock=clock)

    with pytest.raises(PackhouseError) as caught:
        ask(bob)
    assert caught.value.code == "project-forbidden"
    indexes.set_read(COMMAND, "prod", ReadMode.CLOSED, clock=clock)
    for asker in (alice, stages.identity):
        with pytest.raises(PackhouseError) as caught:
            ask(asker)
        assert caught.value.kind is Kind.FORBIDDEN
    indexes.grant_read(COMMAND, "prod", alice, clock=clock)
    ask(alice)
    assert JournalEntry.objects.filter(kind="file placed", actor="alice").count() == 2


def test_a_promoted_name_shows_in_the_documents_too(stages: Press, main: Index, clock: TickingClock) -> None:
    from packhouse.catalogue import queries

    stages.wheel("foo", "2.0")
    promoting.promote(COMMAND, "foo", "1.0", "main", "prod", clock=clock)
    found = queries.answering("prod", "foo")
    assert found is not None
    assert found.index == "prod"
    assert [release.version for release in serving.served(found, clock()).facts.releases] == ["1.0"]
    past = queries.answering("prod", "foo", AsOf(main.created_serial + 5, clock()))
    assert past is None or past.index != "prod"


@pytest.mark.parametrize(
    ("rule", "value", "code"),
    [
        ("profile", "strict", "local-version"),
        ("allow_unknown_classifiers", "no", "classifier-unknown"),
        ("allow_odd_urls", "no", "url-invalid"),
        ("allow_local_versions", "no", "local-version"),
        ("max_file_size", "100", "file-too-large"),
        ("max_project_size", "100", "project-too-large"),
        ("longest_name", "2", "name-too-long"),
        ("prohibited_names", "odd", "name-prohibited"),
    ],
)
def test_promotion_asks_the_upload_profile_of_the_target(
    stages: Press, clock: TickingClock, rule: str, value: str, code: str
) -> None:
    told = {"Classifier": "Made :: Up", "Home-page": "gopher://example.org"}
    stages.wheel("odd", "1.0+local", **told)
    index_rules.change_rule(COMMAND, "prod", rule, value, clock=clock)
    before = JournalEntry.objects.count()
    with pytest.raises(PackhouseError) as caught:
        promoting.promote(COMMAND, "odd", "1.0+local", "main", "prod", clock=clock)
    assert caught.value.kind is Kind.INVALID
    assert code in {fault.code for fault in caught.value.faults}
    assert caught.value.message.startswith("The index 'prod' (profile ")
    assert JournalEntry.objects.count() == before
    index_rules.change_rule(COMMAND, "prod", rule, "default", clock=clock)
    done = promoting.promote(COMMAND, "odd", "1.0+local", "main", "prod", clock=clock)
    index_rules.change_rule(COMMAND, "prod", rule, value, clock=clock)
    assert promoting.undo(COMMAND, done.serial, clock=clock) == list(done.filenames)  # whatever the rules say now


def test_promotion_asks_what_was_remarked_about_the_archive_and_what_a_person_has(
    stages: Press, alice: User, clock: TickingClock
) -> None:
    file = File.objects.get(filename="foo-1.0-py3-none-any.whl")
    file.warnings = [{"code": "startup-code", "message": "'x.pth' is run at every start.", "field": "content"}]
    file.save()
    index_rules.change_rule(COMMAND, "prod", "allow_startup_code", "no", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        promoting.promote(COMMAND, "foo", "1.0", "main", "prod", clock=clock)
    assert [fault.code for fault in caught.value.faults] == ["startup-code"]
    index_rules.change_rule(COMMAND, "prod", "allow_startup_code", "default", clock=clock)
    index_rules.change_rule(COMMAND, "prod", "needs_two_factor", "yes", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        promoting.promote(access.identity_of_user(alice), "foo", "1.0", "main", "prod", clock=clock)
    assert (caught.value.kind, caught.value.code) == (Kind.FORBIDDEN, "two-factor-missing")
    assert promoting.promote(COMMAND, "foo", "1.0", "main", "prod", clock=clock).serial
    index_rules.change_rule(COMMAND, "prod", "closes_after_days", "14", clock=clock)
    clock.move(days=15)
    stages.wheel("foo", "1.0", tags="py2-none-any")
    with pytest.raises(PackhouseError) as caught:
        promoting.promote(COMMAND, "foo", "1.0", "main", "prod", clock=clock)
    assert [fault.code for fault in caught.value.faults] == ["release-closed"]
