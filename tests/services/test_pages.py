# SPDX-License-Identifier: Apache-2.0
"""Pages: current at every commit, made again when they are gone, never stored stale."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press
from tests.services.conftest import press_of

from packhouse.catalogue.models import File, Index, Page, Project, ProjectStatus, User
from packhouse.domain import page as domain
from packhouse.domain.permissions import ReadMode
from packhouse.services import access, indexes, pages
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import COMMAND
from packhouse.services.resources import Resources

pytestmark = pytest.mark.django_db


def shown(index: str, project: str) -> Any:
    page = pages.read_page(index, project, "json")
    return None if page is None else json.loads(page.body)


def filenames(index: str, project: str) -> list[str]:
    return [file["filename"] for file in shown(index, project)["files"]]


def names(index: str) -> list[str]:
    return [entry["name"] for entry in shown(index, "")["projects"]]


def test_a_page_is_the_same_stored_and_made_again(press: Press) -> None:
    press.wheel("foo", "1.0", requires_python=">=3.9")
    press.sdist("foo", "1.0")
    for kind in ("html", "json"):
        stored = pages.read_page("main", "foo", kind)
        Page.objects.all().delete()
        assert pages.read_page("main", "foo", kind) == stored
        assert pages.read_page("main", "foo", kind) == stored
        assert Page.objects.filter(project="foo", kind=kind).exists()


def test_reading_a_stored_page_is_one_query(press: Press, django_assert_num_queries: Any) -> None:
    press.wheel("foo", "1.0")
    with django_assert_num_queries(1):
        pages.read_page("main", "foo", "html")


def test_making_a_page_takes_as_many_queries_for_many_files_as_for_few(
    press: Press, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for round_ in range(2):
        for number in range(1 + 5 * round_):
            press.wheel("foo", f"{round_}.{number}")
            press.wheel(f"foo{round_}{number}", "1")
        Page.objects.all().delete()
        with CaptureQueriesContext(connection) as queries:
            pages.read_page("main", "foo", "json")
            pages.read_page("main", "", "json")
        counts.append(len(queries))
    assert counts[0] == counts[1] < 40


def test_files_are_sorted_by_version_and_name(press: Press) -> None:
    for version in ("1.10", "1.9", "1.9rc1"):
        press.wheel("foo", version)
    press.sdist("foo", "1.9")
    assert filenames("main", "foo") == [
        "foo-1.9rc1-py3-none-any.whl",
        "foo-1.9-py3-none-any.whl",
        "foo-1.9.tar.gz",
        "foo-1.10-py3-none-any.whl",
    ]
    assert shown("main", "foo")["versions"] == ["1.9rc1", "1.9", "1.10"]


def test_the_root_is_current_at_every_commit(press: Press) -> None:
    assert names("main") == []
    for name in ("foo", "Bar.baz"):
        press.wheel(name, "1.0")
        assert name in names("main")
    assert names("main") == ["Bar.baz", "foo"]
    page = pages.read_page("main", "", "json")
    assert page is not None
    assert page.serial == Project.objects.get(name="bar-baz").serial == Index.objects.get().serial


def test_the_roots_modification_time_always_grows(press: Press) -> None:
    seen = []
    for version in ("1", "2", "3"):
        press.wheel("foo", version)
        page = pages.read_page("main", "", "html")
        assert page is not None
        seen.append(page.modified)
    assert seen[0] < seen[1] < seen[2]


def test_C_a_projects_modification_time_always_grows(press: Press) -> None:
    press.wheel("foo", "1")
    first = pages.read_page("main", "foo", "html")
    press.wheel("foo", "2")
    second = pages.read_page("main", "foo", "html")
    assert first is not None
    assert second is not None
    assert second.modified > first.modified
    assert second.serial > first.serial
    assert second.etag != first.etag


def test_what_nobody_knows_has_no_page(main: Index) -> None:
    assert pages.read_page("main", "foo", "html") is None
    assert pages.read_page("nowhere", "foo", "html") is None
    assert pages.read_page("nowhere", "", "html") is None
    assert Page.objects.get().kind == "names"


def test_the_names_row_moves_when_a_name_appears(press: Press) -> None:
    def serial() -> int:
        page = pages.read_page("main", "", "names")
        assert page is not None
        return page.serial

    before = serial()
    press.wheel("foo", "1")
    first = serial()
    press.wheel("foo", "2")
    assert before < first == serial()
    press.wheel("bar", "1")
    assert serial() > first


def test_a_quarantined_project_shows_no_files_and_leaves_the_root(press: Press) -> None:
    press.wheel("foo", "1")
    ProjectStatus.objects.create(project=Project.objects.get(), status="quarantined", reason="bad", from_serial=9)
    Page.objects.all().delete()
    assert shown("main", "foo")["project-status"] == {"status": "quarantined", "reason": "bad"}
    assert filenames("main", "foo") == []
    assert names("main") == []


def test_indexes_above_show_the_layers_below_and_the_first_owner_wins(
    press: Press, alice: User, resources: Resources, clock: TickingClock
) -> None:
    layers = [LayerSpec("own"), LayerSpec("index", "main")]
    indexes.create_index(COMMAND, "dev", ReadMode.CLOSED, layers, clock=clock)
    indexes.grant_read(COMMAND, "dev", alice, clock=clock)
    press.wheel("foo", "1")
    assert filenames("dev", "foo") == ["foo-1-py3-none-any.whl"]
    assert names("dev") == ["foo"]
    press.wheel("foo", "2")
    assert filenames("dev", "foo") == ["foo-1-py3-none-any.whl", "foo-2-py3-none-any.whl"]
    press_of(alice, resources, "dev").wheel("foo", "3")
    assert filenames("dev", "foo") == ["foo-3-py3-none-any.whl"]
    assert len(filenames("main", "foo")) == 2
    page = pages.read_page("dev", "foo", "html")
    assert page is not None
    assert page.audience == access.audience_of("dev") != ""


class Moving:
    """Renders as ever, but lets something happen meanwhile, the first time."""

    def __init__(self, render: Any, happen: Any) -> None:
        self.render, self.happen = render, [happen]

    def __call__(self, listing: Any) -> bytes:
        body: bytes = self.render(listing)
        if self.happen:
            self.happen.pop()()
        return body


@pytest.mark.parametrize("project", ["foo", ""])
def test_a_page_made_while_something_moved_is_made_again(
    project: str, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    press.wheel("foo", "1")
    Page.objects.all().delete()
    kinds = pages.PROJECT_KINDS if project else pages.ROOT_KINDS
    monkeypatch.setitem(kinds, "html", Moving(kinds["html"], lambda: press.wheel("foo", "2")))
    made = pages.read_page("main", project, "html")
    monkeypatch.undo()
    Page.objects.filter(project=project).delete()
    again = pages.read_page("main", project, "html")
    assert made is not None
    assert again is not None
    assert (made.body, made.serial) == (again.body, again.serial)


def test_an_invalid_page_is_made_again(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1")
    Page.objects.filter(project="foo").update(valid_until=clock().timestamp() - 1, body=b"old")
    made = pages.read_page("main", "foo", "html", clock)
    assert isinstance(made, domain.Page)
    assert made.body != b"old"


def test_a_sdist_that_keeps_things_dynamic_has_no_metadata_offered(press: Press) -> None:
    press.sdist("foo", "1")
    assert shown("main", "foo")["files"][0]["core-metadata"] == {"sha256": File.objects.get().metadata_sha256}
    File.objects.update(metadata_served=False)
    Page.objects.all().delete()
    assert shown("main", "foo")["files"][0]["core-metadata"] is False


def test_the_pages_of_very_many_files_are_made_by_who_reads_them(press: Press) -> None:
    """To make them takes seconds, for which every other writer would wait."""
    from packhouse.services.journal import Moment

    for version in ("1.0", "2.0", "3.0"):
        press.wheel("foo", version)
    index, project = Index.objects.get(name="main"), Project.objects.get(name="foo")
    moment = Moment(index.serial, index.serial, project.created_at)
    pages.refresh(index, project, moment, [], most=3)
    assert Page.objects.filter(project="foo").count() == 2
    pages.refresh(index, project, moment, [], most=2)
    assert not Page.objects.filter(project="foo").exists()
    assert len(filenames("main", "foo")) == 3
    assert Page.objects.filter(project="foo").count() == 1
