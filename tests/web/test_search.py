# SPDX-License-Identifier: Apache-2.0
"""`/search/`: finding, narrowing, paging, and not being fooled by what is typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.web.test_projects import page, press

from packhouse.services import search as searching

if TYPE_CHECKING:
    from tests.infra.accounts import Browser
    from tests.infra.publishing import Press

__all__ = ["press"]


@pytest.fixture
def published(press: Press) -> Press:
    """Two projects about parcels, one about something else."""
    press.wheel("parcels", "1.0", summary="Sends & receives", Classifier="Topic :: Terminals")
    press.wheel("flask-parcels", "2.0", summary="For Flask", Classifier="Framework :: Flask")
    press.wheel("zebra", "1.0", summary="Stripes", Classifier="Topic :: Terminals")
    return press


def names(html: str) -> list[str]:
    """The projects of a page of results."""
    return re.findall(r'<a class="name" href="/project/([^/]+)/"', html)


def test_what_was_just_published_is_found(browser: Browser, published: Press) -> None:
    said = page(browser, "/search/?q=parcels")
    assert names(said) == ["parcels", "flask-parcels"]
    assert "Sends &amp; receives" in said
    assert "<strong>2</strong> projects" in said


def test_no_words_find_everything(browser: Browser, published: Press) -> None:
    assert set(names(page(browser, "/search/"))) == {"parcels", "flask-parcels", "zebra"}


def test_a_classifier_narrows_and_can_be_taken_away(browser: Browser, published: Press) -> None:
    said = page(browser, "/search/?q=parcels")
    narrow = "?q=parcels&amp;c=Framework+%3A%3A+Flask"
    assert f'href="{narrow}"' in said
    narrowed = page(browser, "/search/" + narrow.replace("&amp;", "&"))
    assert names(narrowed) == ["flask-parcels"]
    assert 'href="?q=parcels"' in narrowed
    assert '<input type="hidden" name="c" value="Framework :: Flask">' in narrowed


def test_a_slip_is_forgiven(browser: Browser, published: Press) -> None:
    said = page(browser, "/search/?q=parcles")
    assert "Did you mean" in said
    assert "parcels" in names(said)


@pytest.mark.parametrize("query", ["%22", "a%00b", "%3Cscript%3E", "NEAR(", "*", "%25", "x" * 5000, "%F0%9F%93%A6"])
def test_whatever_is_typed_is_text(browser: Browser, published: Press, query: str) -> None:
    said = page(browser, f"/search/?q={query}&page=zz&c=%22")
    assert "<script>" not in said.split("<main")[1].split("</main>")[0]


def test_pages_are_linked(browser: Browser, published: Press) -> None:
    for number in range(25):
        published.wheel(f"many-{number}", "1.0", summary="Many")
    while searching.follow():  # the page gives itself two seconds, which a busy machine may exceed
        pass
    first = page(browser, "/search/?q=many")
    assert len(names(first)) == 20
    assert 'href="?q=many&amp;page=2"' in first
    assert len(names(page(browser, "/search/?q=many&page=2"))) == 5
