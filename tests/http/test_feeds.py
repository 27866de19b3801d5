# SPDX-License-Identifier: Apache-2.0
"""RSS feeds and the pages tools print (standards E7, E8, E13; read-apis 3.4)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import pytest
from defusedxml import ElementTree
from tests.http.client import Answer, Site, fresh, wheel


def channel(answer: Answer) -> Element:
    assert answer.status == 200
    assert answer.type == "text/xml"
    root = ElementTree.fromstring(answer.body)
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    found = root.find("channel")
    assert found is not None
    return found


def items(answer: Answer) -> list[dict[str, str]]:
    return [{child.tag: child.text or "" for child in item} for item in channel(answer).iter("item")]


@pytest.fixture(scope="session")
def news(site: Site) -> str:
    """A project with two releases, published last before it is read."""
    name = fresh("news")
    site.publish(wheel(name, "1.0", summary="<b>First</b> & more", lines=["Author-email: Ada <ada@example.org>"]))
    site.publish(wheel(name, "2.0"))
    return name


@pytest.mark.parametrize("path", ["/rss/updates.xml", "/rss/packages.xml", "/rss/project/{}/releases.xml"])
def test_E7_well_formed_with_title_link_and_description(site: Site, news: str, path: str):
    answer = site.ask(path.format(news))
    about = channel(answer)
    for name in ("title", "link", "description"):
        assert about.findtext(name)
    for item in items(answer):
        assert parsedate_to_datetime(item["pubDate"]).tzinfo
        assert urlsplit(item["link"]).path.startswith("/project/")
    assert answer["access-control-allow-origin"] == "*"
    assert site.ask(path.format(news), if_none_match=answer["etag"]).status == 304


def test_E7_updates_and_releases(site: Site, news: str):
    titles = [item["title"] for item in items(site.ask("/rss/updates.xml"))]
    assert titles.index(f"{news} 2.0") < titles.index(f"{news} 1.0")
    releases = items(site.ask(f"/rss/project/{news}/releases.xml"))
    assert [item["title"] for item in releases] == ["2.0", "1.0"]
    assert releases[1]["description"] == "<b>First</b> & more"
    assert any(item["title"].startswith(f"{news} added to ") for item in items(site.ask("/rss/packages.xml")))


def test_E7_other_names(site: Site, news: str):
    assert site.ask("/rss/project/no-such/releases.xml").status == 404
    answer = site.ask(f"/rss/project/{news.upper()}/releases.xml")
    assert (answer.status, answer.leads_to()) == (301, f"/rss/project/{news}/releases.xml")


def test_E8_the_page_tools_print_after_an_upload(site: Site, news: str):
    for path in (f"/project/{news}/", f"/project/{news}/2.0/"):
        answer = site.ask(path, accept="text/html")
        assert (answer.status, answer.type) == (200, "text/html")


def test_E13_health(site: Site):
    assert site.ask("/healthz").status == 200
    assert site.ask("/readyz").status == 200
