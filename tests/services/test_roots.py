# SPDX-License-Identifier: Apache-2.0
"""Root pages made in pieces say at each moment what the root page made whole would say."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press
from tests.services.conftest import press_of

from packhouse.catalogue.listings import root_shown
from packhouse.catalogue.models import Index, JournalEntry, Project, User
from packhouse.domain.listing import Status
from packhouse.domain.permissions import ReadMode
from packhouse.domain.simple import render_root_html, render_root_json
from packhouse.services import indexes, projects, releases, roots
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import COMMAND
from packhouse.services.resources import Resources
from packhouse.storage.roots import RootFolder, RootShelf, Stand

pytestmark = pytest.mark.django_db

SIZE = 4
"""Projects of a segment here."""


class Roots:
    """The copies of a data folder, brought up to date and compared with what is true."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def folder(self, index: str = "main") -> RootFolder:
        return RootFolder(self.data, index)

    def refresh(self, index: str = "main") -> Stand:
        stand = roots.refresh(self.folder(index), SIZE)
        assert stand is not None
        return stand

    def bodies(self, stand: Stand) -> dict[str, bytes]:
        shelf = RootShelf(self.data)
        return {kind: gzip.decompress(Path(shelf.path(copy)).read_bytes()) for kind, copy in stand.copies.items()}

    def check(self, index: str = "main") -> Stand:
        """Refresh, and compare with the pages made whole."""
        stand, row = self.refresh(index), Index.objects.get(name=index)
        listing = root_shown(row)
        assert self.bodies(stand) == {"html": render_root_html(listing), "json": render_root_json(listing)}
        assert (stand.serial, stand.projects) == (row.serial, len(listing.projects))
        for copy in stand.copies.values():
            assert copy.serial == row.serial
        return stand

    def segments(self, index: str = "main") -> list[list[object]]:
        book = self.folder(index).book()
        assert book is not None
        found: list[list[object]] = book["segments"]
        return found


@pytest.fixture
def held(tmp_path: Path) -> Roots:
    return Roots(tmp_path)


def test_an_empty_index_has_a_root_page(main: Index, held: Roots) -> None:
    assert held.check().projects == 0


def test_every_change_is_in_the_next_copy(press: Press, held: Roots, clock: TickingClock, alice: User) -> None:
    chance = random.Random(7)
    names = [f"{letter}{number}" for letter in "mzadkqt" for number in range(4)]
    for number, name in enumerate(names):
        press.wheel(name, "1.0")
        if chance.random() < 0.5:
            held.check()
        if number % 5 == 4:
            other = chance.choice(names[:number])
            if Project.objects.filter(name=other, deleted_serial=None).exists():
                press.wheel(other, f"1.{number}")
    held.check()
    projects.delete_project(COMMAND, "m0", clock=clock)
    projects.set_status(COMMAND, "z1", Status.QUARANTINED, clock=clock)
    held.check()
    projects.set_status(COMMAND, "z1", Status.ACTIVE, clock=clock)
    releases.yank(COMMAND, "d1", "1.0", clock=clock)
    press.wheel("m0", "2.0")
    held.check()
    for name in names:
        projects.delete_project(COMMAND, name, clock=clock)
    assert held.check().projects == 0


def test_only_the_segments_in_which_something_changed_are_read_again(press: Press, held: Roots) -> None:
    for number in range(20):
        press.wheel(f"p{number:02}", "1.0")
    held.check()
    Project.objects.filter(name="p19").update(display_name="Not-Noticed")  # no serial moved: nothing tells
    press.wheel("p00", "2.0")
    html = held.bodies(held.refresh())["html"]
    assert b"Not-Noticed" not in html
    press.wheel("p18", "2.0")
    assert b"Not-Noticed" in held.bodies(held.refresh())["html"]


def test_a_segment_that_grew_is_divided(press: Press, held: Roots) -> None:
    for number in range(SIZE):
        press.wheel(f"b{number}", "1.0")
    held.check()
    assert len(held.segments()) == 1
    for number in range(2 * SIZE):
        press.wheel(f"a{number}", "1.0")
        held.check()
    assert len(held.segments()) > 2
    assert all(segment[1] <= 2 * SIZE for segment in held.segments())  # type: ignore[operator]


def test_nothing_changed_nothing_is_made_again(press: Press, held: Roots) -> None:
    press.wheel("foo", "1.0")
    first = held.check()
    again = held.refresh()
    assert again.copies == first.copies
    assert again.seen >= first.seen


def test_the_html_page_keeps_its_tag_when_no_name_came_or_went(press: Press, held: Roots) -> None:
    press.wheel("foo", "1.0")
    first = held.check()
    press.wheel("foo", "2.0")
    second = held.check()
    assert first.copies["html"].etag == second.copies["html"].etag
    assert first.copies["html"].modified == second.copies["html"].modified
    assert first.copies["json"].etag != second.copies["json"].etag
    assert first.copies["json"].modified < second.copies["json"].modified
    assert first.copies["html"].serial < second.copies["html"].serial


def test_an_index_above_shows_what_those_below_have(
    press: Press, alice: User, resources: Resources, held: Roots, clock: TickingClock
) -> None:
    indexes.create_index(COMMAND, "team", ReadMode.PUBLIC, (LayerSpec("own"),), clock=clock)
    indexes.create_index(
        COMMAND, "all", ReadMode.PUBLIC, (LayerSpec("index", "team"), LayerSpec("index", "main")), clock=clock
    )
    press.wheel("foo", "1.0")
    for index in ("main", "team", "all"):
        held.check(index)
    press_of(alice, resources, "team").wheel("bar", "1.0")
    assert [held.check(index).projects for index in ("main", "team", "all")] == [1, 1, 2]


def test_another_layer_makes_all_of_it_again(
    press: Press, alice: User, resources: Resources, held: Roots, clock: TickingClock
) -> None:
    indexes.create_index(COMMAND, "team", clock=clock)
    press.wheel("foo", "1.0")
    press_of(alice, resources, "team").wheel("bar", "1.0")
    assert held.check("team").projects == 1
    team = Index.objects.get(name="team")
    team.layers.create(position=1, kind="index", target="main", from_serial=team.serial)
    Index.objects.filter(pk=team.pk).update(serial=team.serial + 1)
    assert held.check("team").projects == 2


def test_another_history_makes_all_of_it_again(press: Press, held: Roots) -> None:
    """A restored backup whose journal went on elsewhere must not be mixed with what was."""
    press.wheel("foo", "1.0")
    press.wheel("bar", "1.0")
    held.check()
    JournalEntry.objects.filter(serial=Index.objects.get(name="main").serial).update(at="2020-01-01T00:00:00Z")
    Project.objects.filter(name="bar").update(display_name="BAR")
    press.wheel("foo", "2.0")
    assert b"BAR" in held.bodies(held.check())["html"]


def test_copies_of_another_history_are_discarded_at_a_start(press: Press, held: Roots) -> None:
    press.wheel("foo", "1.0")
    held.check()
    roots.discard_foreign(held.data)
    assert RootShelf(held.data).find("main") is not None
    JournalEntry.objects.filter(serial=Index.objects.get(name="main").serial).update(at="2020-01-01T00:00:00Z")
    roots.discard_foreign(held.data)
    assert RootShelf(held.data).find("main") is None


@pytest.mark.parametrize("missing", ["book", "current", "json", "html"])
def test_whatever_is_missing_is_made_again(press: Press, held: Roots, missing: str) -> None:
    press.wheel("foo", "1.0")
    held.check()
    for file in held.folder().folder.glob(f"{missing}*"):
        file.unlink()
    press.wheel("bar", "1.0")
    assert held.check().projects == 2


def test_without_the_index_there_is_no_copy(press: Press, held: Roots) -> None:
    assert roots.refresh(held.folder("gone")) is None
    assert roots.root_copy("gone", "json", held.data) is None


def test_a_copy_is_current_when_it_is_asked_for(press: Press, held: Roots) -> None:
    for version in ("1.0", "2.0", "3.0"):
        press.wheel("foo", version)
        found = roots.root_copy("main", "json", held.data)
        assert found is not None
        copy, path = found
        assert copy.serial == Index.objects.get(name="main").serial
        assert gzip.decompress(Path(path).read_bytes()) == render_root_json(root_shown(Index.objects.get(name="main")))


def test_the_worker_brings_up_to_date_what_is_behind(press: Press, held: Roots) -> None:
    from threading import Event

    press.wheel("foo", "1.0")
    roots.Refresher(held.data).catch_up(Event())
    assert RootShelf(held.data).find("main") is None  # nobody asked for it yet
    held.check()
    press.wheel("foo", "2.0")
    roots.Refresher(held.data).catch_up(Event())
    stand = RootShelf(held.data).find("main")
    assert stand is not None
    assert stand.serial == Index.objects.get(name="main").serial


def test_the_worker_makes_the_first_copy_of_a_large_server(press: Press, held: Roots) -> None:
    from threading import Event

    for name in ("foo", "bar"):
        press.wheel(name, "1.0")
    roots.Refresher(held.data, many=2).catch_up(Event())
    assert RootShelf(held.data).find("main") is None
    roots.Refresher(held.data, many=1).catch_up(Event())
    stand = RootShelf(held.data).find("main")
    assert stand is not None
    assert stand.projects == 2


def test_a_few_files_are_kept_for_replies_about_to_begin(press: Press, held: Roots) -> None:
    for number in range(6):
        press.wheel("foo", f"{number}.0")
        held.check()
    left = [file.name for file in held.folder().folder.iterdir() if file.suffix == ".gz"]
    assert len([name for name in left if name.startswith("json-")]) == 3
    assert len([name for name in left if name.startswith("html-")]) == 1


def test_the_shelf_sees_a_new_copy_and_a_new_time(press: Press, held: Roots) -> None:
    shelf = RootShelf(held.data)
    assert shelf.find("main") is None
    press.wheel("foo", "1.0")
    first = held.check()
    assert shelf.find("main") == first
    os.utime(held.folder().folder / "current", (first.seen + 5, first.seen + 5))
    later = shelf.find("main")
    assert later is not None
    assert later.copies == first.copies
    assert later.seen == pytest.approx(first.seen + 5)
    press.wheel("foo", "2.0")
    second = held.check()
    assert shelf.find("main") == second


def test_few_projects_are_not_many(press: Press) -> None:
    press.wheel("foo", "1.0")
    assert not roots.are_many()
    assert not roots.are_many(1)
    assert roots.are_many(0)


def kept(name: str, clock: TickingClock, status: str = "active") -> None:
    """A page of a project of an upstream is kept, as `observing` does it."""
    from packhouse.catalogue.models import Upstream, UpstreamProject
    from packhouse.services import pages
    from packhouse.services.journal import Entry, Fact, record, take, write

    with write():
        moment = take(1, clock)
        row, _ = UpstreamProject.objects.update_or_create(
            upstream=Upstream.objects.get(),
            name=name,
            defaults={"serial": moment.last, "status": status},
            create_defaults={
                "first_seen": moment.at,
                "from_serial": moment.last,
                "serial": moment.last,
                "modified": 1,
                "checked_at": 0.0,
                "fresh_until": 0.0,
                "status": status,
            },
        )
        record(moment, COMMAND, [Entry(Fact.UPSTREAM_PROJECT_KEPT, project=row.name)])
        pages.forget(["main"], moment, row.name)


def test_projects_kept_of_an_upstream_stand_on_a_root_page_in_pieces_too(
    press: Press, clock: TickingClock, tmp_path: Path
) -> None:
    from packhouse.services.upstreams import ensure_default

    made = Roots(tmp_path)
    for number in range(10):
        press.wheel(f"ours{number}", "1.0")
    made.check()
    ensure_default(COMMAND, "http://127.0.0.1:9/simple/", learns=False, clock=clock)
    for number in range(10):
        kept(f"ours{number}-theirs", clock)
        if number % 3 == 0:
            made.check()
    stand = made.check()
    assert stand.projects == 20
    kept("ours4-theirs", clock, "quarantined")
    assert made.check().projects == 19
    kept("zzz", clock)
    assert b"zzz" in made.bodies(made.check())["json"]
    from packhouse.services.upstreams import permit

    permit(COMMAND, "ours5-theirs", clock=clock)
    press.wheel("ours5-theirs", "1.0")  # ours from now on, and once on the page
    assert made.check().projects == 20
    assert made.bodies(made.check())["json"].count(b'"ours5-theirs"') == 1
