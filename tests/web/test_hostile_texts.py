# SPDX-License-Identifier: Apache-2.0
"""What an uploader wrote, in every place where it is shown: it stays text (hostile-153, 154)."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import defusedxml.ElementTree
import pytest
from tests.web.test_projects import page, press

if TYPE_CHECKING:
    from tests.infra.accounts import Browser
    from tests.infra.publishing import Press

__all__ = ["press"]

TEXTS = (
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]></summary><x/>",
    "{{7*7}}${jndi:ldap://x}%s%n{0.__class__}",
    "=cmd|' /C calc'!A0",
    "&lt;b&gt; &amp;",
)
LOOK_ALIKES = (
    "Source, https://code.example/house/parcels.evil",
    "Twin, https://code.example/house/parcels-x",
    "Above, https://code.example/house/parcels/../other",
)


class _Page(HTMLParser):
    """The title, the meta descriptions and the tags of a page, as browsers take them apart."""

    def __init__(self, said: str) -> None:
        super().__init__(convert_charrefs=True)
        self.title, self.described, self._in_title = "", "", False
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.feed(said)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))
        self._in_title = tag == "title"
        if ("name", "description") in attrs:
            self.described = dict(attrs)["content"] or ""

    def handle_data(self, data: str) -> None:
        self.title += data if self._in_title else ""

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_154_a_summary_is_text_wherever_it_is_shown(browser: Browser, press: Press, text: str) -> None:
    press.wheel("parcels", "1.0", summary="Plain", keywords="k")
    plain = _Page(page(browser, "/project/parcels/"))
    press.wheel("parcels", "1.1", summary=text, keywords="k")
    hostile = _Page(page(browser, "/project/parcels/"))
    assert hostile.described == text
    assert hostile.title == "parcels 1.1 · Packhouse"
    assert set(hostile.tags) <= set(plain.tags)  # no element, no attribute that a plain text does not bring
    for address in ("/", "/search/?q=parcels", "/user/alice/"):
        assert "<script>alert" not in page(browser, address)
        assert "<img" not in page(browser, address)
    for feed in ("/rss/updates.xml", "/rss/project/parcels/releases.xml"):
        found = defusedxml.ElementTree.fromstring(page(browser, feed))
        assert text in [element.text for element in found.iter("description")]
    assert json.loads(page(browser, "/pypi/parcels/json"))["info"]["summary"] == text


def test_hostile_153_no_link_is_called_verified_by_its_looks(browser: Browser, press: Press) -> None:
    press.wheel(
        "parcels",
        "1.0",
        Home_Page="https://code.example/house/parcels",
        Download_Url="https://code.example/house/parcels/archive",
        Project_Url="\nProject-URL: ".join(LOOK_ALIKES),
    )
    said = page(browser, "/project/parcels/")
    assert said.count("https://code.example/house/parcels") >= 5
    assert 'class="verified"' not in said
