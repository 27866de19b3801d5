# SPDX-License-Identifier: Apache-2.0
"""RSS feeds: read-apis 3.4, E7."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhouse.domain.feeds import Happening, render_projects, render_releases, render_updates
from packhouse.domain.project_json import Addresses

AT = datetime(2024, 1, 17, 16, 53, 12, tzinfo=UTC)
ADDRESSES = Addresses(site="https://index.example", index="https://index.example")
RELEASED = Happening("my-pkg", "My.Pkg", "1.0+cpu", "Does <b>things</b> & more]]>", AT, "a@b.example, c@d.example")
OLDER = Happening("foo", "foo", "2!0.1", "", AT.replace(year=2023), "A. Person")


def channel(body: bytes) -> ET.Element:
    rss = ET.fromstring(body)
    assert (rss.tag, rss.get("version")) == ("rss", "2.0")
    found = rss.find("channel")
    assert found is not None
    return found


def texts(item: ET.Element) -> dict[str, str | None]:
    return {child.tag: child.text for child in item}


def test_E7_updates() -> None:
    feed = channel(render_updates([RELEASED, OLDER], "Team index", ADDRESSES))
    assert feed.findtext("title") == "Team index recent updates"
    assert feed.findtext("link") == "https://index.example/"
    assert feed.findtext("lastBuildDate") == "Wed, 17 Jan 2024 16:53:12 GMT"
    link = feed.find("{http://www.w3.org/2005/Atom}link")
    assert link is not None
    assert link.get("href") == "https://index.example/rss/updates.xml"
    newest, older = map(texts, feed.findall("item"))
    assert newest == {
        "title": "My.Pkg 1.0+cpu",
        "link": "https://index.example/project/my-pkg/1.0%2Bcpu/",
        "guid": "https://index.example/project/my-pkg/1.0%2Bcpu/",
        "description": "Does <b>things</b> & more]]>",
        "author": "a@b.example, c@d.example",
        "pubDate": "Wed, 17 Jan 2024 16:53:12 GMT",
    }
    assert "author" not in older
    assert not older["description"]


def test_E7_projects() -> None:
    born = Happening("my-pkg", "My.Pkg", "", "Does things", AT)
    feed = channel(render_projects([born], "Team index", ADDRESSES))
    (item,) = map(texts, feed.findall("item"))
    assert item["title"] == "My.Pkg added to Team index"
    assert item["guid"] == item["link"] == "https://index.example/project/my-pkg/"


def test_E7_releases_of_a_project() -> None:
    feed = channel(render_releases("my-pkg", [RELEASED], "Team index", ADDRESSES))
    assert feed.findtext("title") == "Team index recent updates for my-pkg"
    assert feed.findtext("link") == "https://index.example/project/my-pkg/"
    assert feed.findtext("item/title") == "1.0+cpu"


@pytest.mark.parametrize("render", [render_updates, render_projects])
def test_E7_an_empty_feed_is_a_feed(render: Callable[..., bytes]) -> None:
    feed = channel(render([], "x", ADDRESSES))
    assert feed.findall("item") == []
    assert feed.find("lastBuildDate") is None
    assert render([], "x", ADDRESSES) == render([], "x", ADDRESSES)


@given(st.text(), st.text())
def test_no_text_breaks_a_feed(summary: str, author: str) -> None:
    happening = Happening("foo", summary, "1", summary, AT, author)
    body = render_updates([happening], author, ADDRESSES)
    (item,) = channel(body).findall("item")
    assert (item.findtext("author") is not None) == (bool(author) and all("@" in part for part in author.split(",")))
