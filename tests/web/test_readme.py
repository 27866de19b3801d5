# SPDX-License-Identifier: Apache-2.0
"""READMEs inside our pages: no collisions, no requests to elsewhere, text unchanged."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhouse.web.readme import fit


@pytest.mark.parametrize(
    ("given_html", "expected"),
    [
        ('<h1 id="user-content-a">A</h1>', '<h2 id="user-content-a">A</h2>'),
        ("<h6>A</h6>", "<h6>A</h6>"),
        ('<a href="/x?a=1&amp;b=2" rel="ugc">A</a>', '<a href="/x?a=1&amp;b=2" rel="ugc">A</a>'),
        ('<h1><a href="#user-content-a" id="user-content-a"></a>A</h1>', '<h2><span id="user-content-a"></span>A</h2>'),
        ('<p><a href="#user-content-a"></a>A</p>', "<p>A</p>"),
        ('<img alt="build">', '<span class="image-off">build</span>'),
        ('<img src="https://example.org/x.svg" alt="a &lt;b&gt;">', '<span class="image-off">a &lt;b&gt;</span>'),
        ('<img src="https://example.org/x.svg">', ""),
        ('<img src="data:image/png;base64,AA==">', '<img src="data:image/png;base64,AA==" alt="">'),
        ('<pre lang="python">x &lt; y</pre>', '<pre data-lang="python" tabindex="0">x &lt; y</pre>'),
        ("a &amp; b &#955; &lt;script&gt;", "a &amp; b &#955; &lt;script&gt;"),
        ("<p>one<br>two<br/></p>", "<p>one<br>two<br></p>"),
    ],
)
def test_a_readme_fits_the_page(given_html: str, expected: str) -> None:
    assert fit(given_html) == expected


def test_no_picture_is_asked_of_another_server() -> None:
    html = fit('<p><a href="https://example.org"><img alt="build" src="//example.org/b.svg"></a><img src="/x.png"></p>')
    assert "<img" not in html
    assert "build" in html


@given(st.text(alphabet=st.characters(exclude_characters="<&\r\x00", exclude_categories=["Cs"])))
def test_words_are_kept(text: str) -> None:
    shown = unescape(re.sub(r"<[^>]*>", "", fit(f"<p>{text}</p>")))
    assert shown == unescape(text.replace(">", "&gt;"))
