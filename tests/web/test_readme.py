# SPDX-License-Identifier: Apache-2.0
"""READMEs inside our pages: no collisions, no requests to elsewhere, text unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.domain.test_readme import HARMLESS, PIECES

from packhouse.domain.readme import clean
from packhouse.web.readme import fit


@pytest.mark.parametrize(
    ("given_html", "expected"),
    [
        ('<h1 id="user-content-a">A</h1>', '<h2 id="user-content-a">A</h2>'),
        ("<h6>A</h6>", "<h6>A</h6>"),
        ('<a href="/x?a=1&amp;b=2" rel="ugc">A</a>', '<a href="/x?a=1&amp;b=2" rel="ugc" dir="auto">A</a>'),
        ('<h1><a href="#user-content-a" id="user-content-a"></a>A</h1>', '<h2><span id="user-content-a"></span>A</h2>'),
        ('<p><a href="#user-content-a"></a>A</p>', "<p>A</p>"),
        ('<img alt="build">', '<span class="image-off">build</span>'),
        ('<img alt="">', ""),
        ('<pre lang="python">x &lt; y</pre>', '<pre data-lang="python" tabindex="0">x &lt; y</pre>'),
        ("a &amp; b &#955; &lt;script&gt;", "a &amp; b &#955; &lt;script&gt;"),
        ("<p>one<br>two<br/></p>", "<p>one<br>two<br></p>"),
    ],
)
def test_a_readme_fits_the_page(given_html: str, expected: str) -> None:
    assert fit(given_html) == expected


PICTURE = '<p><img src="https://example.org/x.png?a=1&amp;b=2" alt="a &lt;b&gt;"></p>'
BADGE = '<p><a href="https://ci.example"><img alt="build" src="https://example.org/b.svg"></a></p>'


def test_hostile_149_blocked_pictures_say_so_with_a_link() -> None:
    html = fit(PICTURE)
    assert "<img" not in html
    assert 'class="image-off" href="https://example.org/x.png?a=1&amp;b=2"' in html
    assert "a &lt;b&gt;</a>" in html
    assert html.startswith('<p class="quiet small">Pictures from elsewhere are not loaded here')


def test_hostile_149_a_blocked_picture_in_a_link_is_that_link() -> None:
    html = fit(BADGE)
    assert html.count("<a ") == 1
    assert 'href="https://ci.example"' in html
    assert "build</span></a>" in html
    assert "example.org" not in html


def test_hostile_149_pictures_by_another_rule() -> None:
    assert 'src="/_/image/x"' in fit(PICTURE, lambda url: "/_/image/x" if url.endswith("?a=1&b=2") else None)
    allowed = fit(PICTURE, str)
    assert 'src="https://example.org/x.png?a=1&amp;b=2"' in allowed
    assert 'loading="lazy" referrerpolicy="no-referrer"' in allowed
    assert "not loaded" not in allowed


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=12), st.sampled_from([lambda _url: None, str, lambda _url: "/_/image/x/00"]))
def test_hostile_147_what_browsers_read_is_what_was_cleaned(
    pieces: list[str], place: Callable[[str], str | None]
) -> None:
    html = fit(clean("".join(pieces)), place)
    for element in html5lib.parseFragment(html, namespaceHTMLElements=False).iter():
        assert element.tag in {*HARMLESS, "DOCUMENT_FRAGMENT"}
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name not in {"style", "srcset", "target", "action"}
            if name == "href":
                assert re.match(r"https?://|mailto:|#user-content-", value)
                assert element.attrib["rel"] == "nofollow noopener noreferrer ugc"
            if name == "id":
                assert value.startswith("user-content-")


def test_hostile_151_links_are_isolated() -> None:
    html = fit(clean('<a href="https://example.org">safe\u202egpj.exe</a>'))
    assert '<a href="https://example.org" rel="nofollow noopener noreferrer ugc" dir="auto">' in html


@given(st.text(alphabet=st.characters(exclude_characters="<&\r\x00", exclude_categories=["Cs"])))
def test_words_are_kept(text: str) -> None:
    shown = unescape(re.sub(r"<[^>]*>", "", fit(f"<p>{text}</p>")))
    assert shown == unescape(text.replace(">", "&gt;"))
