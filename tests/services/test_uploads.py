# SPDX-License-Identifier: Apache-2.0
"""Publishing one file: what is taken, what is refused in which order, and what is there afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.judges import CredulousJudge, sdist, wheel
from tests.infra.publishing import Press, make_resources
from tests.services.conftest import press_of

from packhouse.catalogue.models import (
    File,
    FileDescription,
    Index,
    JournalEntry,
    Page,
    Placement,
    Project,
    ProjectStatus,
    Release,
    Role,
    User,
    Yank,
)
from packhouse.domain.permissions import ANONYMOUS, ReadMode
from packhouse.domain.upload_form import read_form
from packhouse.errors import Fault, Kind, PackhouseError
from packhouse.services import access, indexes, tokens, uploads
from packhouse.services.journal import COMMAND
from packhouse.services.people import disable_user
from packhouse.services.resources import Resources

pytestmark = pytest.mark.django_db


def refused(attempt: Any, kind: Kind, *codes: str) -> PackhouseError:
    """What the attempt is refused with: its kind, and its codes in order."""
    before = facts()
    with pytest.raises(PackhouseError) as caught:
        attempt()
    error = caught.value
    assert (error.kind, tuple(fault.code for fault in error.faults)) == (kind, codes), error.faults
    assert facts() == before
    return error


def facts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (File, Release, Project, Placement, JournalEntry))


def test_a_first_upload_is_four_facts(press: Press, alice: User) -> None:
    before = JournalEntry.objects.count()
    outcome = press.wheel("Foo.Bar", "1.0", summary="A thing", requires_python=">=3.9", description="Read me")
    assert outcome.created
    entries = JournalEntry.objects.order_by("serial")[before:]
    assert [entry.kind for entry in entries] == ["project created", "role added", "release new", "file added"]
    assert {(entry.index_name, entry.project, entry.actor) for entry in entries} == {("main", "foo-bar", "alice")}
    assert entries[3].filename == "foo_bar-1.0-py3-none-any.whl"
    project = Project.objects.get()
    assert (project.name, project.display_name, project.serial) == ("foo-bar", "Foo.Bar", entries[3].serial)
    assert Role.objects.get().user == alice
    file = File.objects.get()
    assert (file.requires_python, file.metadata["summary"], file.metadata_served) == (">=3.9", "A thing", True)
    assert "description" not in file.metadata
    assert FileDescription.objects.get().text == "Read me"
    placement = Placement.objects.get()
    assert (placement.from_serial, placement.to_serial) == (entries[3].serial, None)


def test_blobs_are_there_before_the_row(press: Press) -> None:
    press.wheel("foo", "1.0")
    file = File.objects.get()
    assert press.resources.blobs.stat(file.sha256) == file.size
    assert press.resources.blobs.read(file.metadata_sha256).startswith(b"Metadata-Version")


def test_the_page_is_written_in_the_transaction(press: Press) -> None:
    press.wheel("foo", "1.0")
    press.sdist("foo", "1.0")
    html, json = Page.objects.filter(project="foo").order_by("kind")
    assert b"foo-1.0.tar.gz" in bytes(html.body)
    assert b"foo-1.0-py3-none-any.whl" in bytes(json.body)
    assert html.serial == json.serial == Project.objects.get().serial
    assert Page.objects.get(kind="names").serial == Index.objects.get().names_serial


def test_hostile_59_E9_the_same_file_again_is_no_event(press: Press) -> None:
    assert press.wheel("foo", "1.0").created
    before = facts()
    outcome = press.wheel("foo", "1.0")
    assert not outcome.created
    assert facts() == before
    assert judge_of(press).seen == ["foo-1.0-py3-none-any.whl"]


def test_hostile_60_E10_other_bytes_under_a_filename(press: Press) -> None:
    press.wheel("foo", "1.0")
    error = refused(lambda: press.wheel("foo", "1.0", payload="x"), Kind.INVALID, "file-exists")
    assert error.message.startswith("File already exists ('foo-1.0-py3-none-any.whl', with blake2_256 hash '")


def test_hostile_62_E11_a_deleted_filename_is_used_up(press: Press) -> None:
    press.wheel("foo", "1.0")
    Placement.objects.update(to_serial=99)
    for payload in ("", "x"):
        error = refused(lambda: press.wheel("foo", "1.0", payload=payload), Kind.INVALID, "filename-used")  # noqa: B023
        assert error.message.startswith("This filename was previously used")


def test_hostile_61_the_same_bytes_under_another_name_share_a_blob(press: Press, bobs_press: Press) -> None:
    data = wheel("foo", "1.0")
    press.send(press.form("foo", "1.0", "foo-1.0-py3-none-any.whl"), data)
    press.send(press.form("foo", "1.0", "foo-1.0-1-py3-none-any.whl"), data)
    assert File.objects.values("sha256").distinct().count() == 1
    assert File.objects.count() == 2


@pytest.mark.parametrize("version", ["1.0.0", "1"])
def test_hostile_63_what_means_the_same_file_is_refused(version: str, press: Press) -> None:
    press.wheel("foo", "1.0")
    refused(lambda: press.wheel("foo", version), Kind.INVALID, "filename-clash")


def test_hostile_50_an_equal_version_joins_the_release(press: Press) -> None:
    press.wheel("foo", "1.0")
    press.wheel("foo", "1.0.0", tags="py2-none-any")
    assert Release.objects.get().version == "1.0"
    assert list(JournalEntry.objects.filter(filename__contains="py2").values_list("version", flat=True)) == ["1.0"]


def test_hostile_64_E13_one_sdist_per_release(press: Press) -> None:
    press.sdist("foo", "1.0")
    refused(lambda: press.sdist("foo", "1.0.0"), Kind.INVALID, "filename-clash")
    File.objects.update(filename_key="other")
    refused(lambda: press.sdist("foo", "1.0.0"), Kind.INVALID, "sdist-second")


def test_hostile_66_yanked_archived_and_quarantined_take_nothing(press: Press) -> None:
    press.wheel("foo", "1.0")
    yank = Yank.objects.create(file=File.objects.get(), from_serial=9)
    refused(lambda: press.sdist("foo", "1.0"), Kind.FORBIDDEN, "release-yanked")
    yank.delete()
    for status, kind in (("archived", Kind.FORBIDDEN), ("quarantined", Kind.FORBIDDEN)):
        ProjectStatus.objects.update(to_serial=9)
        ProjectStatus.objects.create(project=Project.objects.get(), status=status, reason="why", from_serial=9)
        error = refused(lambda: press.sdist("foo", "1.0"), kind, f"project-{status}")
        assert "why" in error.message
    ProjectStatus.objects.update(status="deprecated")
    assert press.sdist("foo", "1.0").created


def test_D12_a_stranger_is_refused_before_the_file_is_judged(press: Press, bobs_press: Press) -> None:
    press.wheel("foo", "1.0")
    refused(lambda: bobs_press.wheel("foo", "2.0"), Kind.FORBIDDEN, "project-forbidden")
    assert len(judge_of(press).seen) == 1


def test_D14_a_token_of_another_project(press: Press, alice: User, clock: TickingClock) -> None:
    _, secret = tokens.create_token(COMMAND, alice, "one", projects=["foo"], clock=clock)
    limited = Press(press.resources, access.authenticate(f"Bearer {secret}", clock()))
    limited.wheel("foo", "1.0")
    refused(lambda: limited.wheel("bar", "1.0"), Kind.FORBIDDEN, "token-project")


def test_credentials_are_judged_before_the_body(press: Press, alice: User, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        uploads.begin(ANONYMOUS, "main", press.resources.settings)
    assert caught.value.kind is Kind.UNAUTHENTICATED
    _, secret = tokens.create_token(COMMAND, alice, "reader", ["read"], clock=clock)
    with pytest.raises(PackhouseError) as caught:
        uploads.begin(access.authenticate(f"Bearer {secret}", clock()), "main", press.resources.settings)
    assert (caught.value.kind, caught.value.code) == (Kind.FORBIDDEN, "token-action")
    with pytest.raises(PackhouseError) as caught:
        uploads.begin(press.identity, "nowhere", press.resources.settings)
    assert caught.value.kind is Kind.MISSING
    assert uploads.begin(press.identity, "main", press.resources.settings) > 0


def test_an_index_one_may_not_read_takes_no_upload(alice: User, resources: Resources, clock: TickingClock) -> None:
    indexes.create_index(COMMAND, "team", ReadMode.CLOSED, clock=clock)
    press = press_of(alice, resources, "team")
    refused(lambda: press.wheel("foo", "1.0"), Kind.FORBIDDEN, "index-closed")
    indexes.grant_read(COMMAND, "team", alice, clock=clock)
    assert press.wheel("foo", "1.0").created
    assert Page.objects.get(project="foo", kind="html").audience == access.audience_of("team")


def judge_of(press: Press) -> CredulousJudge:
    """The judge that this press publishes with."""
    judge = press.resources.judge
    assert isinstance(judge, CredulousJudge)
    return judge


class Meddling:
    """A judge that lets something happen while the archive is looked at."""

    def __init__(self, inner: Any, happen: Any) -> None:
        self.inner, self.happen = inner, happen

    def judge(self, *args: Any) -> Any:
        self.happen()
        return self.inner.judge(*args)


@pytest.mark.parametrize("event", ["token", "account", "role", "archived", "index"])
def test_hostile_258_what_ends_meanwhile_is_felt_in_the_commit(
    event: str, press: Press, alice: User, bob: User, clock: TickingClock
) -> None:
    press.wheel("foo", "1.0")
    project = Project.objects.get()
    happen = {
        "token": lambda: tokens.delete_token(COMMAND, tokens.tokens_of(alice)[0], clock=clock),
        "account": lambda: disable_user(COMMAND, alice, clock=clock),
        "role": lambda: Role.objects.update(user=bob),
        "archived": lambda: ProjectStatus.objects.create(project=project, status="archived", from_serial=9),
        "index": lambda: indexes.set_read(COMMAND, "main", ReadMode.CLOSED, clock=clock),
    }[event]
    slow = make_resources(clock)
    meddled = Resources(slow.settings, slow.blobs, Meddling(slow.judge, happen), clock)
    with pytest.raises(PackhouseError) as caught:
        Press(meddled, press.identity).wheel("foo", "2.0")
    kind = Kind.UNAUTHENTICATED if event in {"token", "account"} else Kind.FORBIDDEN
    assert caught.value.kind is kind
    assert File.objects.count() == 1


def test_all_faults_come_together_in_the_contracts_order(press: Press) -> None:
    wrong = {"filetype": "bdist_egg", "protocol_version": "2", "sha256_digest": "abc"}
    form = press.form("-foo", "dog", "foo-1.0.exe", **wrong)
    refused(
        lambda: press.send(form, b"x"),
        Kind.INVALID,
        "protocol-unknown", "name-invalid", "filetype-unknown", "digest-invalid", "version-invalid",
        "extension-unknown",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"protocol_version": "2"}, ["protocol-unknown"]),  # B1
        ({"name": ""}, ["name-missing"]),  # B2
        ({"name": "foo-"}, ["name-invalid"]),  # B3
        ({"filetype": ""}, ["filetype-missing"]),  # B4
        ({"filetype": "bdist_wininst"}, ["filetype-unknown"]),  # B5
        ({"filetype": "sdist", "pyversion": ""}, ["extension-mismatch"]),  # E3
        ({"sha256_digest": "0" * 63}, ["digest-invalid"]),  # B6
        ({"blake2_256_digest": "g" * 64}, ["digest-invalid"]),  # B7
        ({"pyversion": ""}, ["pyversion-missing"]),  # B8
        ({"version": ""}, ["version-missing"]),  # C2
        ({"version": "latest"}, ["version-invalid"]),  # C3
        ({"sha256_digest": "0" * 64}, ["digest-mismatch"]),  # E8
        ({"md5_digest": "0" * 32}, ["digest-mismatch"]),  # E8
        ({"name": "bar"}, ["name-mismatch"]),  # E17
        ({"version": "2.0"}, ["version-mismatch"]),  # E23
        (
            {"name": "bar", "version": "2.0", "md5_digest": "0"},
            ["digest-mismatch", "name-mismatch", "version-mismatch"],
        ),
        ({"attestations": "[]"}, ["attestations-unsupported"]),  # E29
    ],
    ids=str,
)
def test_the_form_against_the_file(changes: dict[str, str], codes: list[str], press: Press) -> None:
    form = press.form("foo", "1.0", "foo-1.0-py3-none-any.whl", **changes)
    refused(lambda: press.send(form, wheel("foo", "1.0")), Kind.INVALID, *codes)


def test_B9_an_sdist_has_no_python_version(press: Press) -> None:
    form = press.form("foo", "1.0", "foo-1.0.tar.gz", pyversion="cp312")
    refused(lambda: press.send(form, sdist("foo", "1.0")), Kind.INVALID, "pyversion-invalid")
    assert press.send(press.form("foo", "1.0", "foo-1.0.tar.gz", pyversion=""), sdist("foo", "1.0")).created


def test_hostile_1_D1_no_file(press: Press) -> None:
    form = read_form({"name": ["foo"], "version": ["1"], "filetype": ["sdist"]}, None, None)
    with pytest.raises(PackhouseError) as caught:
        uploads.publish(form, None, press.resources, press.identity, "main")
    assert caught.value.code == "file-missing"


def test_hostile_29_an_empty_file(press: Press) -> None:
    refused(lambda: press.send(press.form("foo", "1.0", "foo-1.0-py3-none-any.whl"), b""), Kind.INVALID, "file-empty")


def test_faults_of_the_metadata_come_before_those_of_the_archive(press: Press) -> None:
    judge_of(press).faults = (Fault("record", "x", "content"), Fault("summary", "x", "summary"))
    refused(lambda: press.wheel("foo", "1.0"), Kind.INVALID, "summary", "record")


def test_hostile_13_digests_in_any_case_and_with_blanks(press: Press) -> None:
    import hashlib

    data = wheel("foo", "1.0")
    digest = f" {hashlib.sha256(data).hexdigest().upper()}\n"
    form = press.form("foo", "1.0", "foo-1.0-py3-none-any.whl", sha256_digest=digest)
    assert press.send(form, data).warnings == ()


def test_hostile_12_no_digest_is_a_warning(press: Press) -> None:
    assert [fault.code for fault in press.wheel("foo", "1.0").warnings] == ["digest-missing"]


def test_hostile_133_a_form_that_says_otherwise_is_a_warning(press: Press) -> None:
    form = press.form("foo", "1.0", "foo-1.0-py3-none-any.whl", summary="Another", md5_digest="")
    outcome = press.send(form, wheel("foo", "1.0", summary="A thing"))
    assert [(fault.code, fault.field) for fault in outcome.warnings] == [
        ("digest-missing", "sha256_digest"),
        ("form-differs", "summary"),
    ]
    assert File.objects.get().metadata["summary"] == "A thing"
    assert File.objects.get().warnings[1]["field"] == "summary"


def test_E7_a_quota_is_for_all_files_of_a_project(alice: User, main: Index, clock: TickingClock) -> None:
    press = press_of(alice, make_resources(clock, max_project_size=len(wheel("foo", "1.0")) * 2 + 10))
    press.wheel("foo", "1.0")
    press.wheel("foo", "2.0")
    refused(lambda: press.wheel("foo", "3.0"), Kind.TOO_LARGE, "project-too-large")
    refused(lambda: press.wheel("bar", "1.0", payload="x" * 9999), Kind.TOO_LARGE, "project-too-large")
    Placement.objects.filter(file__filename__contains="1.0").update(to_serial=99)
    assert press.wheel("foo", "3.0").created


def test_limits_of_an_index(press: Press, resources: Resources, clock: TickingClock) -> None:
    assert uploads.begin(press.identity, "main", resources.settings) == 2 * 1024**3
    indexes.set_rule(COMMAND, "main", "profile", "strict", clock=clock)
    assert uploads.begin(press.identity, "main", resources.settings) == 100_000_000
    assert indexes.project_limit("main", resources.settings) == 10**10
    indexes.set_rule(COMMAND, "main", "max_file_size", 5, clock=clock)
    assert uploads.begin(press.identity, "main", resources.settings) == 5


@pytest.fixture
def strict(main: Index, clock: TickingClock) -> None:
    for key, value in (("profile", "strict"), ("needs_two_factor", False)):
        indexes.set_rule(COMMAND, "main", key, value, clock=clock)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("xml", "name-stdlib"),
        ("asyncore", "name-stdlib"),
        ("requirements.txt", "name-prohibited"),
        ("a" * 65, "name-too-long"),
    ],
)
def test_D8_D10_names_the_public_rules_refuse(name: str, code: str, strict: None, press: Press) -> None:
    refused(lambda: press.wheel(name, "1.0"), Kind.INVALID, code)


def test_hostile_56_D11_lookalikes(strict: None, press: Press, clock: TickingClock) -> None:
    press.wheel("solo", "1.0")
    refused(lambda: press.wheel("s0-1o", "1.0"), Kind.INVALID, "name-lookalike")
    assert press.wheel("solo", "2.0").created
    indexes.set_rule(COMMAND, "main", "profile", None, clock=clock)
    assert press.wheel("s0-1o", "1.0").created


def test_E12_old_releases_are_closed_under_public_rules(strict: None, press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    clock.move(days=15)
    refused(lambda: press.sdist("foo", "1.0"), Kind.INVALID, "release-closed")
    assert not press.wheel("foo", "1.0").created
    assert press.wheel("foo", "2.0").created


def test_D3_D4_public_rules_want_a_verified_address_and_two_factors(press: Press, clock: TickingClock) -> None:
    from allauth.account.models import EmailAddress

    indexes.set_rule(COMMAND, "main", "profile", "strict", clock=clock)
    refused(lambda: press.wheel("foo", "1.0"), Kind.FORBIDDEN, "two-factor-missing")
    EmailAddress.objects.update(verified=False)
    unverified = Press(press.resources, access.identity_of_user(User.objects.get()))
    refused(lambda: unverified.wheel("foo", "1.0"), Kind.FORBIDDEN, "email-unverified")


def test_D5_new_projects_are_counted_by_the_hour(strict: None, press: Press, clock: TickingClock) -> None:
    indexes.set_rule(COMMAND, "main", "new_projects_per_hour", 2, clock=clock)
    press.wheel("one", "1.0")
    press.wheel("two", "1.0")
    refused(lambda: press.wheel("three", "1.0"), Kind.TOO_MANY, "projects-too-many")
    clock.at += timedelta(hours=1)
    assert press.wheel("three", "1.0").created


def test_D5_hostile_272_new_projects_are_counted_by_address_too(
    strict: None, press: Press, bobs_press: Press, clock: TickingClock
) -> None:
    indexes.set_rule(COMMAND, "main", "new_projects_per_hour_from_address", 2, clock=clock)
    for who, name, address in (
        (press, "one", "2001:db8:1:2::5"),
        (bobs_press, "two", "2001:db8:1:2:ffff::9"),
        (bobs_press, "three", "2001:db8:1:3::9"),
    ):
        assert who.wheel_from(address, name).created
    with pytest.raises(PackhouseError) as caught:
        press.wheel_from("2001:db8:1:2::7", "four")
    assert (caught.value.kind, caught.value.code) == (Kind.TOO_MANY, "projects-too-many")
    assert caught.value.message.startswith("Too many new projects created")
    assert 0 < (caught.value.retry_after or 0) <= 3600
    assert press.wheel_from("2001:db8:1:2::7", "one", "2.0").created, "a project that is there is not counted"
    clock.move(hours=1)
    assert press.wheel_from("2001:db8:1:2::7", "four").created


def test_D5_addresses_are_kept_only_where_they_are_counted(press: Press, clock: TickingClock) -> None:
    press.wheel_from("203.0.113.9", "one")
    indexes.set_rule(COMMAND, "main", "new_projects_per_hour_from_address", 9, clock=clock)
    press.wheel_from("::ffff:203.0.113.9", "two")
    details = JournalEntry.objects.filter(kind="project created").order_by("serial").values_list("detail", flat=True)
    assert [detail.get("address") for detail in details] == [None, "203.0.113.9"]


def test_D5_none_may_be_made_and_when_to_come_again(strict: None, press: Press, clock: TickingClock) -> None:
    indexes.set_rule(COMMAND, "main", "new_projects_per_hour", 0, clock=clock)
    refused(lambda: press.wheel("one", "1.0"), Kind.TOO_MANY, "projects-too-many")
    indexes.set_rule(COMMAND, "main", "new_projects_per_hour", 1, clock=clock)
    press.wheel("one", "1.0")
    clock.move(minutes=50)
    with pytest.raises(PackhouseError) as caught:
        press.wheel("two", "1.0")
    assert 500 < (caught.value.retry_after or 0) <= 600
    assert "10 minutes" in caught.value.message


def test_D3_D4_D5_come_before_the_name_of_a_new_project(press: Press, clock: TickingClock) -> None:
    indexes.set_rule(COMMAND, "main", "profile", "strict", clock=clock)
    refused(lambda: press.wheel("xml", "1.0"), Kind.FORBIDDEN, "two-factor-missing")
    indexes.set_rule(COMMAND, "main", "needs_two_factor", False, clock=clock)
    indexes.set_rule(COMMAND, "main", "new_projects_per_hour", 0, clock=clock)
    refused(lambda: press.wheel("xml", "1.0"), Kind.TOO_MANY, "projects-too-many")


def test_hostile_56_lookalikes_are_warned_of_in_private(press: Press) -> None:
    press.wheel("solo", "1.0")
    codes = [fault.code for fault in press.wheel("s0-1o", "1.0").warnings]
    assert "name-lookalike" in codes
    assert "name-lookalike" not in [fault.code for fault in press.wheel("s0-1o", "2.0").warnings]


def test_hostile_34_a_token_publishes_so_many_files_a_minute(
    strict: None, press: Press, bobs_press: Press, clock: TickingClock
) -> None:
    indexes.set_rule(COMMAND, "main", "uploads_per_minute", 2, clock=clock)
    press.wheel("one", "1.0")
    press.wheel("one", "2.0")
    refused(lambda: press.wheel("one", "3.0"), Kind.TOO_MANY, "uploads-too-many")
    assert bobs_press.wheel("two", "1.0").created
    clock.move(minutes=1)
    assert press.wheel("one", "3.0").created


def test_hostile_55_all_spellings_are_one_project(press: Press) -> None:
    press.send(press.form("foo._-bar", "1.0", "foo_bar-1.0-py3-none-any.whl"), wheel("foo--bar", "1.0"))
    press.send(press.form("FOO-Bar", "2.0", "foo_bar-2.0-py3-none-any.whl"), wheel("foo-bar", "2.0"))
    assert Project.objects.get().name == "foo-bar"


def test_the_same_file_in_another_index_is_a_placement(
    press: Press, alice: User, bobs_press: Press, resources: Resources, clock: TickingClock
) -> None:
    indexes.create_index(COMMAND, "dev", clock=clock)
    press.wheel("foo", "1.0")
    dev = press_of(alice, resources, "dev")
    refused(lambda: dev.wheel("foo", "1.0", payload="x"), Kind.INVALID, "file-exists")
    assert dev.wheel("foo", "1.0").created
    assert not dev.wheel("foo", "1.0").created
    assert File.objects.count() == 1
    assert Placement.objects.count() == 2
    refused(
        lambda: Press(resources, bobs_press.identity, "dev").wheel("foo", "2.0"), Kind.FORBIDDEN, "project-forbidden"
    )


def test_U7_actions() -> None:
    for action, kind in (("submit", Kind.GONE), ("doc_upload", Kind.GONE), ("browse", Kind.INVALID)):
        with pytest.raises(PackhouseError) as caught:
            read_form({":action": [action]}, None, None)
        assert caught.value.kind is kind
    assert read_form({}, "f", "file_upload").filename == "f"
    with pytest.raises(PackhouseError):
        read_form({}, None, "submit")


def test_hostile_15_UNKNOWN_is_absent() -> None:
    form = read_form({"pyversion": ["UNKNOWN"], "summary": ["UNKNOWN"], "name": ["foo"]}, "f", None)
    assert (form.pyversion, dict(form.said)) == ("", {"name": ("foo",)})


def test_text_no_database_takes_is_kept_without_its_nul(press: Press) -> None:
    press.wheel("foo", "1.0", summary="a\x00b", description="x\x00y")
    assert File.objects.get().metadata["summary"] == "ab"
    assert FileDescription.objects.get().text == "xy"
