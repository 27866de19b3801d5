# SPDX-License-Identifier: Apache-2.0
"""Pages that show downloads: beside a project, in its table of files, and `/stats/`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.web.test_projects import page, press

from packhouse.services import downloads
from packhouse.storage.tally import DAY, Key

if TYPE_CHECKING:
    from tests.infra.accounts import Browser
    from tests.infra.publishing import Press

__all__ = ["press"]

pytestmark = pytest.mark.django_db(databases=["default", "activity"])


def taken(filename: str, count: int, installer: str = "pip", python: str = "3.12", index: str = "main") -> None:
    today = int(datetime.now(UTC).timestamp()) // DAY
    downloads.keep({Key(today, index, filename, installer, python): count})


def test_a_project_without_downloads_says_so(browser: Browser, press: Press) -> None:
    press.wheel("tapes", "1.0")
    assert "None in the last 30 days" in page(browser, "/project/tapes/")
    assert "Nothing was downloaded" in page(browser, "/stats/")


def test_a_project_shows_its_downloads_drawn_and_in_a_table(browser: Browser, press: Press) -> None:
    press.wheel("tapes", "1.0")
    press.wheel("tapes", "2.0")
    taken("tapes-1.0-py3-none-any.whl", 1200)
    taken("tapes-2.0-py3-none-any.whl", 34, "uv", "")
    shown = page(browser, "/project/tapes/")
    assert "<strong>1,234</strong> in the last 30 days" in shown
    assert "Of this release: 34 in 30 days." in shown
    assert 'role="img"' in shown
    assert shown.count("<rect x=") == 1
    assert '<td class="number">1,234</td>' in shown
    assert "not said" in shown
    assert "Of this release: 1,200 in 30 days." in page(browser, "/project/tapes/1.0/")
    rows = json.loads(page(browser, "/project/tapes/1.0/files.json"))
    assert [row["downloads"] for row in rows] == [1200]


def test_what_everybody_installs_is_of_main_alone(browser: Browser, press: Press) -> None:
    for name, count in (("few", 3), ("many", 1000)):
        press.wheel(name, "1.0")
        taken(f"{name}-1.0-py3-none-any.whl", count, "uv", "3.13")
    taken("few-1.0-py3-none-any.whl", 7777, "poetry", index="elsewhere")
    shown = page(browser, "/stats/")
    assert shown.index(">many</a>") < shown.index(">few</a>")
    assert "1,003 downloads in the last 30 days" in shown
    assert ">3.13</th>" in shown
    assert "7,777" not in shown
    assert "poetry" not in shown


def test_the_page_takes_as_many_queries_for_many_projects(
    browser: Browser, press: Press, django_assert_num_queries: Any
) -> None:
    press.wheel("one", "1.0")
    taken("one-1.0-py3-none-any.whl", 1)
    page(browser, "/stats/")
    with django_assert_num_queries(2, using="activity"):
        page(browser, "/stats/")
    for name in ("two", "three", "four"):
        press.wheel(name, "1.0")
        taken(f"{name}-1.0-py3-none-any.whl", 2)
    with django_assert_num_queries(2, using="activity"):
        page(browser, "/stats/")
