# SPDX-License-Identifier: Apache-2.0
"""No request asks more of the databases the more they hold, and none has them read a large table as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.infra import databases
from tests.infra.clock import TickingClock

from packhouse.services import access, releases, roots, search
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.accounts import Browser
    from tests.infra.publishing import Press

XML = '<?xml version="1.0"?><methodCall><methodName>{}</methodName><params>{}</params></methodCall>'
SINCE = XML.format("changelog_since_serial", "<param><value><int>1</int></value></param>")
BROWSE = XML.format(
    "browse",
    "<param><value><array><data><value><string>Topic :: Internet</string></value></data></array></value></param>",
)
CLASSIFIERS = ("Topic :: Internet", "Topic :: Security")


@pytest.fixture
def press(signed_in: Browser) -> Press:
    """Alice, who is signed in, publishes to `main`."""
    from tests.infra.publishing import Press, make_resources

    from packhouse.catalogue.models import User
    from packhouse.services import tokens
    from packhouse.services.indexes import ensure_main
    from packhouse.web.resources import hold

    ensure_main()
    stock = replace(make_resources(TickingClock()), clock=now)
    hold(stock)
    _, secret = tokens.create_token(COMMAND, User.objects.get(username="alice"), "press", clock=now)
    return Press(stock, access.authenticate(f"Bearer {secret}", now()))


def get(path: str) -> Callable[[Browser, Press], Any]:
    def act(browser: Browser, _press: Press) -> None:
        reply = browser.get(path)
        assert reply.status_code == 200, (path, reply.content)
        b"".join(reply)

    return act


def administered(path: str) -> Callable[[Browser, Press], Any]:
    """A page of administrators, whom Alice belongs to for that long."""

    def act(browser: Browser, press: Press) -> None:
        from packhouse.catalogue.models import User

        alice = User.objects.filter(username="alice")
        alice.update(is_admin=True)
        get(path)(browser, press)
        alice.update(is_admin=False)

    return act


def cold(path: str) -> Callable[[Browser, Press], Any]:
    def act(browser: Browser, press: Press) -> None:
        from packhouse.catalogue.models import Page

        Page.objects.all().delete()
        get(path)(browser, press)

    return act


def call(body: str) -> Callable[[Browser, Press], Any]:
    def act(browser: Browser, _press: Press) -> None:
        reply = browser.client.post("/pypi", body, content_type="text/xml")
        assert b"<fault>" not in reply.content

    return act


_made = iter(range(10**6))


def upload(name: str) -> Callable[[Browser, Press], Any]:
    """A file for a project that is there, or (with `%`) for a new one."""

    def act(_browser: Browser, press: Press) -> None:
        number = next(_made)
        press.wheel(name.replace("%", str(number)), f"7.{number}")

    return act


def yank(_browser: Browser, _press: Press) -> None:
    releases.yank(COMMAND, "p0", "0.1", reason=str(next(_made)), clock=now)


def follow(_browser: Browser, press: Press) -> None:
    press.wheel("p0", f"8.{next(_made)}")
    while search.follow():
        pass


REQUESTS: dict[str, Callable[[Browser, Press], Any]] = {
    "home": get("/"),
    "search": get("/search/?q=project"),
    "search of names": get("/search/?q=p1"),
    "search with a slip": get("/search/?q=prject"),
    "search for nothing": get("/search/"),
    "search with a filter": get("/search/?q=project&c=Topic+%3A%3A+Internet"),
    "search, another page": get("/search/?q=project&page=2"),
    "search for one letter": get("/search/?q=p"),
    "search of names with a filter": get("/search/?q=p1&c=Topic+%3A%3A+Internet"),
    "most installed": get("/stats/"),
    "explanation": get("/project/p0/explain/"),
    "project": get("/project/p0/"),
    "release": get("/project/p0/0.1/"),
    "user": get("/user/alice/"),
    "own projects": get("/manage/projects/"),
    "own projects, the newest first": get("/manage/projects/?projects=-published"),
    "own projects to keep": get("/manage/projects/projects.csv"),
    "own tokens": get("/manage/account/token/"),
    "releases to keep": get("/project/p0/releases.csv"),
    "files to keep": get("/project/p0/0.1/files.json"),
    "deleting a project": get("/manage/project/p0/delete/"),
    "deleting a release": get("/manage/project/p0/release/0.1/delete/"),
    "administration": administered("/admin/"),
    "administration of indexes": administered("/admin/indexes/"),
    "administration of an index": administered("/admin/index/main/"),
    "managing a project": get("/manage/project/p0/"),
    "managing a release": get("/manage/project/p0/release/0.1/"),
    "collaborators": get("/manage/project/p0/collaborators/"),
    "simple page": get("/simple/p0/"),
    "simple page, made": cold("/simple/p0/"),
    "root page, made": cold("/simple/"),
    "JSON document": get("/pypi/p0/json"),
    "JSON document of a release": get("/pypi/p0/0.1/json"),
    "feed of updates": get("/rss/updates.xml"),
    "feed of projects": get("/rss/packages.xml"),
    "feed of a project": get("/rss/project/p0/releases.xml"),
    "changelog": call(SINCE),
    "names with serials": call(XML.format("list_packages_with_serial", "")),
    "newest serial": call(XML.format("changelog_last_serial", "")),
    "projects with classifiers": call(BROWSE),
    "projects of a person": call(XML.format("user_packages", "<param><value><string>alice</string></value></param>")),
    "roles": call(XML.format("package_roles", "<param><value><string>p0</string></value></param>")),
    "upload": upload("p0"),
    "upload of a new project": upload("new-%"),
    "yank": yank,
    "search following an upload": follow,
}
WHOLE = {"home", "root page, made", "names with serials", "administration"}
"""What tells of all projects reads them all: the pages that count (a large server: from time to time) too."""


def fill(press: Press, projects: int, versions: int) -> None:
    for number in range(projects):
        for version in range(versions):
            press.wheel(f"p{number}", f"0.{version + 1}", summary="a project", classifier=CLASSIFIERS[number % 2])
    releases.yank(COMMAND, "p0", "0.1", reason="bad", clock=now)
    while search.follow():
        pass


def counted(browser: Browser, press: Press) -> dict[str, int]:
    from tests.infra.statements import statements

    found = {}
    for what, act in REQUESTS.items():
        act(browser, press)  # what is asked once in the life of a process
        found[what] = len(statements(lambda act=act: act(browser, press)))  # type: ignore[misc]
    return found


def test_the_number_of_statements_does_not_grow_with_the_data(signed_in: Browser, press: Press) -> None:
    fill(press, 2, 1)
    few = counted(signed_in, press)
    fill_more(press)
    many = counted(signed_in, press)
    assert {what: (few[what], many[what]) for what in few if many[what] > few[what]} == {}


def fill_more(press: Press) -> None:
    for number in range(2, 8):
        for version in range(2):
            press.wheel(f"p{number}", f"0.{version + 1}", summary="a project", classifier=CLASSIFIERS[number % 2])
    for version in range(2, 8):
        press.wheel("p0", f"0.{version}")
        press.sdist("p0", f"0.{version}")
    while search.follow():
        pass


@pytest.mark.skipif(databases.wanted() == "postgresql", reason="plans of SQLite")
@pytest.mark.parametrize("what", [what for what in REQUESTS if what not in WHOLE])
def test_no_statement_reads_a_large_table_as_a_whole(signed_in: Browser, press: Press, what: str) -> None:
    from tests.infra.statements import statements, whole_readings

    fill(press, 2, 2)
    for statement in statements(lambda: REQUESTS[what](signed_in, press)):
        assert list(whole_readings(statement)) == [], statement.sql


@pytest.mark.skipif(databases.wanted() == "postgresql", reason="plans of SQLite")
def test_the_state_of_a_large_server_is_told_without_counting(press: Press, tmp_path: Path) -> None:
    from tests.infra.statements import statements, whole_readings

    from packhouse.config import load
    from packhouse.services import totals
    from packhouse.services.state import state_of

    press.wheel("p0", "1")
    totals.count_again(quick=0)
    asked = statements(lambda: state_of(load(data=tmp_path), quick=0))
    assert asked
    for statement in asked:
        assert list(whole_readings(statement)) == [], statement.sql


@pytest.mark.skipif(databases.wanted() == "postgresql", reason="plans of SQLite")
def test_a_large_root_page_is_brought_up_to_date_without_reading_all(press: Press, tmp_path: Path) -> None:
    from tests.infra.statements import statements, whole_readings

    from packhouse.storage.roots import RootFolder

    fill(press, 12, 1)
    folder = RootFolder(tmp_path, "main")
    roots.refresh(folder, 4)
    press.wheel("p0", "9")
    asked = statements(lambda: roots.refresh(folder, 4))
    assert asked
    for statement in asked:
        assert list(whole_readings(statement)) == [], statement.sql


@pytest.mark.skipif(databases.wanted() == "postgresql", reason="plans of SQLite")
def test_a_reading_of_all_rows_is_noticed(press: Press) -> None:
    from tests.infra.statements import statements, whole_readings

    from packhouse.catalogue.models import File, Placement

    for ask in (
        lambda: list(File.objects.filter(size=7)),
        lambda: list(Placement.objects.filter(index_id=1)),
        lambda: list(File.objects.order_by("size")[:3]),
    ):
        (statement,) = statements(ask)
        assert list(whole_readings(statement)) != []
