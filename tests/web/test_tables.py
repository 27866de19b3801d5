# SPDX-License-Identifier: Apache-2.0
"""Tables: sorted, narrowed and paged by links, and downloaded; what people wrote is never a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.http import QueryDict
from tests.web.test_projects import page, press

from packhouse.errors import PackhouseError
from packhouse.services import releases
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now
from packhouse.web.tables import Choice, Column, Table

if TYPE_CHECKING:
    from tests.infra.accounts import Browser
    from tests.infra.publishing import Press

__all__ = ["press"]

TABLE = Table(
    "things",
    (Column("name", lambda row: row["name"]), Column("size", lambda row: row["size"]), Column("note")),
    (Choice("big", "Big", lambda row: row["size"] > 5), Choice("huge", "Huge", lambda row: row["size"] > 500)),
    per_page=3,
)
ROWS: list[dict[str, Any]] = [{"name": f"n{i}", "size": 10 - i, "note": f"=SUM({i})"} for i in range(10)]


def shown(query: str = "") -> list[str]:
    return [row["name"] for row in TABLE.show(ROWS, QueryDict(query)).page]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["n0", "n1", "n2"]),
        ("things=-name", ["n9", "n8", "n7"]),
        ("things=size", ["n9", "n8", "n7"]),
        ("things=size&things-page=2", ["n6", "n5", "n4"]),
        ("things-show=big&things=size", ["n4", "n3", "n2"]),
        ("things-show=huge", []),
    ],
)
def test_sorting_narrowing_paging(query: str, names: list[str]) -> None:
    assert shown(query) == names


@pytest.mark.parametrize(
    "query",
    [
        "things=note",
        "things=__class__",
        "things=--name",
        "things-show=%00",
        "things-page=0",
        "things-page=x",
        "sort=size",
    ],
)
def test_hostile_246_what_makes_no_sense_is_passed_over(query: str) -> None:
    assert shown(query) == ["n0", "n1", "n2"] or query == "things-page=0"
    assert len(shown(query)) in {1, 3}


def test_links_keep_the_rest_of_the_address() -> None:
    table = TABLE.show(ROWS, QueryDict("q=x&things=size&things-page=3&other=-1"))
    assert table.sorted_by("size") == "?q=x&other=-1&things=-size#things"
    assert table.sorted_by("name") == "?q=x&other=-1&things=name#things"
    assert (table.direction("size"), table.direction("name")) == ("ascending", "")
    assert [(link["label"], link["count"], link["chosen"]) for link in table.links] == [
        ("All", 10, True),
        ("Big", 5, False),
    ]
    assert table.page_query() == "q=x&things=size&other=-1"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
@pytest.mark.parametrize("hostile", ["cmd|' /C calc'!A0", "SUM(1)", ""])
def test_hostile_154_252_a_cell_that_would_be_a_formula_is_quoted(start: str, hostile: str) -> None:
    rows = [{"name": start + hostile, "size": -5, "note": 'says "x", twice\nhere'}]
    lines = list(csv.reader(io.StringIO(TABLE.download(rows, "csv", "x").content.decode(), newline="")))
    assert lines == [["name", "size", "note"], ["'" + start + hostile, "-5", 'says "x", twice\nhere']]
    assert json.loads(TABLE.download(rows, "json", "x").content)[0]["name"] == start + hostile  # text is text there


def test_a_download_says_moments_lists_and_what_is_missing() -> None:
    rows = [{"name": datetime(2026, 11, 1, tzinfo=UTC), "size": True, "note": ["-a", "b"]}, {}]
    assert TABLE.download(rows, "csv", "x").content == b"name,size,note\r\n2026-11-01T00:00:00Z,yes,'-a b\r\n,,\r\n"
    reply = TABLE.download(rows, "json", "x")
    assert json.loads(reply.content)[0] == {"name": "2026-11-01T00:00:00Z", "size": True, "note": ["-a", "b"]}
    assert reply["Content-Disposition"] == 'attachment; filename="x.json"'
    with pytest.raises(PackhouseError, match="csv or json"):
        TABLE.download(rows, "xlsx", "x")


def table(browser: Browser, address: str) -> list[dict[str, str]]:
    """A CSV of a page, a dictionary for each row."""
    return list(csv.DictReader(io.StringIO(page(browser, address), newline="")))


def test_the_tables_of_a_project(browser: Browser, press: Press) -> None:
    for version in ("1.0", "1.10", "1.9", "2.0rc1"):
        press.wheel("parcels", version)
    releases.yank(COMMAND, "parcels", "1.9", reason="=HYPERLINK(1)", clock=now)
    rows = table(browser, "/project/parcels/releases.csv")
    assert [row["version"] for row in rows] == ["2.0rc1", "1.10", "1.9", "1.0"]
    assert [row["yanked_reason"] for row in rows if row["yanked"] == "yes"] == ["'=HYPERLINK(1)"]
    assert [row["prerelease"] for row in rows] == ["yes", "no", "no", "no"]
    files = json.loads(page(browser, "/project/parcels/1.9/files.json"))
    assert [(file["filename"], file["yanked"]) for file in files] == [("parcels-1.9-py3-none-any.whl", "=HYPERLINK(1)")]
    assert files[0]["address"].endswith(f"/files/{files[0]['sha256']}/{files[0]['filename']}")
    assert files[0]["address"].startswith("http")
    for missing in ("/project/nope/releases.csv", "/project/parcels/9/files.csv", "/project/parcels/releases.exe"):
        page(browser, missing, 404)


def test_the_page_of_a_project_links_its_tables(browser: Browser, press: Press) -> None:
    for version in ("1.0", "1.10", "1.9", "2.0rc1"):
        press.wheel("parcels", version)
    said = page(browser, "/project/parcels/?history=version&history-show=final")
    assert re.findall(r'<td><a class="mono" href="/project/parcels/([^/]+)/"', said) == ["1.0", "1.9", "1.10"]
    for link in ('href="?history-show=final&amp;history=-version#history"', 'href="/project/parcels/1.10/files.json"'):
        assert link in said


def test_one_s_own_tables(browser: Browser, press: Press) -> None:
    browser.sign_in()
    press.wheel("parcels", "1.0", summary="+1")
    rows = table(browser, "/manage/projects/projects.csv")
    assert [(row["name"], row["role"], row["summary"]) for row in rows] == [("parcels", "owner", "'+1")]
    browser.post("/manage/account/token/", name="@home", scope="account", uses="upload read", expires="never")
    rows = table(browser, "/manage/account/token/tokens.csv")
    assert rows[0]["name"] == "'@home"
    assert re.fullmatch(r"pkh_\w{5}", rows[0]["begins"])
    assert not re.search(
        r"pkh_\w{6}", page(browser, "/manage/account/token/tokens.json")
    )  # no more than it begins with


def test_tables_of_one_s_own_are_for_who_is_signed_in(browser: Browser) -> None:
    for address in ("/manage/projects/projects.csv", "/manage/account/token/tokens.json"):
        assert browser.get(address)["Location"] == f"/account/login/?next={address}"
