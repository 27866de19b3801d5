# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - hostile snippets are as long as they are
"""Descriptions become harmless HTML, or nothing (group R of the hostile inputs, 143 to 151)."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readme_renderer import markdown as library

from packhouse.domain.readme import clean, render_description

HARMLESS = {
    "a", "abbr", "acronym", "b", "blockquote", "code", "em", "i", "li", "ol", "strong", "ul", "br", "caption", "cite", "col",
    "colgroup", "dd", "del", "details", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "p", "pre",
    "span", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "tt", "kbd", "var", "input", "figure",
    "figcaption",
}  # fmt: skip


class Inspector(HTMLParser):
    """Fails at the first thing that could do harm."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in HARMLESS, tag
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name not in {"style", "srcdoc", "srcset", "action", "formaction", "background", "name", "target"}, (
                name
            )
            if name == "href":
                assert value is not None
                assert re.match(r"https?://|mailto:|#user-content-", value), value
            if name == "src":
                assert value is not None
                assert re.match(r"https?://", value), value
            if name == "id":
                assert value is not None
                assert value.startswith("user-content-"), value


def inspect(html: str | None) -> str:
    assert html is not None
    inspector = Inspector(convert_charrefs=True)
    inspector.feed(html)
    inspector.close()
    for element in html5lib.parseFragment(html, namespaceHTMLElements=False).iter():  # as browsers read it
        assert element.tag in {*HARMLESS, "DOCUMENT_FRAGMENT"}, element.tag
    assert clean(html) == html, "cleaning again changes it"
    return html


@pytest.mark.parametrize("variant", ["GFM", "CommonMark"])
@pytest.mark.parametrize(
    "text",
    [
        "# Title\n\nSee [below](#below).\n\n## Below\n\n<b id=x>raw</b> <a href='#x'>raw link</a>",
        "A note[^1] and another[^n].\n\n[^1]: One.\n[^n]: Two.",
        "```python\nimport this\n```\n\n[up](#user-content-up)",
        "```\nno language\n```\n\n    indented\n",
        '<pre lang="python"><code>x = 1</code></pre>\n\n<pre><code class="language-c">int x;</code></pre>',
        "| a | b |\n|---|---|\n| 1 | ~~2~~ |\n\n- [x] done\n\n> [!NOTE]\n> noted\n",
        "<div align=center><img src=http://a.example/x.png width=10 style=x></div>\n\n<script>x</script> text",
        "",
    ],
)
def test_markdown_becomes_what_the_library_makes_of_it(text: str, variant: str) -> None:
    whole = library.render(text, variant=variant)
    expected = clean(whole) if whole else ""
    assert render_description(text, f"text/markdown; variant={variant}") == (expected or None)


def markdown(text: str) -> str:
    return inspect(render_description(text, "text/markdown"))


def test_hostile_147_links_within_links_come_to_rest() -> None:
    """A parser moves the third link out of the table, and then the first two apart."""
    html = clean('<a href="">' * 2 + "<table>" + '<a href="">' * 40)
    assert clean(html) == html


def rst(text: str) -> str | None:
    html = render_description(text, "text/x-rst")
    return inspect(html) if html is not None else None


def test_markdown() -> None:
    html = markdown(
        "# Title\n\n*a* [b](https://example.org) `c`\n\n| x |\n|---|\n| y |\n\n```python\nimport os\n```\n- [x] done\n"
    )
    assert "<h1" in html
    assert 'href="https://example.org" rel="nofollow noopener noreferrer ugc"' in html
    assert "<table>" in html
    assert '<span class="kn">import</span>' in html
    assert 'type="checkbox"' in html


def test_commonmark_variant() -> None:
    assert "<table>" not in inspect(render_description("| x |\n|---|\n", "text/markdown; variant=CommonMark"))


def test_rst() -> None:
    html = rst(
        "Title\n=====\n\n*a* `b <https://example.org>`_ ``c``\n\n.. code:: python\n\n   import os\n\n.. note:: Hi\n"
    )
    assert html is not None
    assert "<h1>" in html
    assert "<em>a</em>" in html
    assert "admonition-title" in html


def test_no_type_means_rst() -> None:
    assert "<em>" in inspect(render_description("*a*", ""))


@pytest.mark.parametrize("kind", ["text/plain", "text/plain; charset=UTF-8", "text/html", "application/x"])
def test_other_types_are_left_as_text(kind: str) -> None:
    assert render_description("<b>a</b>", kind) is None


EVIL = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", '<iframe srcdoc="<script>">',
    "<object data=x>", "<embed src=x>", '<form action="https://evil.example"><button>x</button></form>',
    '<meta http-equiv="refresh" content="0;url=https://evil.example">', '<base href="https://evil.example">',
    "<style>@import 'https://evil.example';</style>", '<link rel=stylesheet href="https://evil.example">',
    '<p style="position:fixed">', "<a href='javascript:alert(1)'>x</a>", "<a href=' JaVaScRiPt:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>", "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>'>x</a>", "<a href='vbscript:x'>x</a>", "<a href='//evil.example'>x</a>",
    "<a href='/manage/account/'>x</a>", "<a href='file:///etc/passwd'>x</a>", "<a href='https://a@evil.example'>x</a>",
    "<a href='https:evil'>x</a>", "<a href='https:\\\\evil.example'>x</a>", "<a target=_blank href='https://a.b'>x</a>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">', '<svg></p><style><a id="</style><img src=1 onerror=x>">',
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=x>", "<template><script>x</script></template>",
    "<textarea><script>x</script></textarea>", "<title><img src=x onerror=x></title>", "<xmp><script>x</script></xmp>",
    "<![CDATA[<script>x</script>]]>", "<!--><script>x</script>-->", "<!-- --!><script>x</script>",
    '<div id="location" name="cookie">', "<input type=password name=x>", "<video src=x onerror=y>", "<details ontoggle=x open>",
    '<img src="data:image/svg+xml,<svg onload=x>">', '<a href="https://x" onclick="y">', "<body onload=x>",
    '<p class="button primary danger">', "<marquee onstart=x>", "<isindex action=javascript:x>", "<select><style></select>",
]  # fmt: skip


@pytest.mark.parametrize("evil", EVIL)
def test_hostile_143_144_147_148_markdown(evil: str) -> None:
    html = markdown(f"before\n\n{evil}\n\nafter {evil}\n")
    assert "before" in html
    inspect(clean(evil))


@pytest.mark.parametrize(
    "link",
    ["[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](java\\tscript:alert(1))", "[x](&#106;avascript:alert(1))",
     "[x](data:text/html,x)", "[x](vbscript:x)", "<javascript:alert(1)>", "[x]: javascript:a\n\n[x]", "![x](javascript:a)",
     "[x](/manage/)", "[x](//evil.example)", "[x](relative/path)"],
)  # fmt: skip
def test_hostile_144_links(link: str) -> None:
    assert "href=" not in markdown(link + "\n")


def test_hostile_148_ids_are_prefixed_and_links_follow() -> None:
    html = clean('<h1 id="cookie">x</h1><a href="#cookie">y</a><p id="user-content-z">z</p>')
    assert 'id="user-content-cookie"' in html
    assert 'href="#user-content-cookie"' in html
    assert 'id="user-content-z"' in html


def test_hostile_148_classes_are_listed() -> None:
    assert "class" not in clean('<p class="button primary">x</p>')
    assert 'class="highlight"' in clean('<pre class="highlight evil-class">x</pre>')


@pytest.mark.parametrize(
    "source",
    ["file:///etc/passwd", "//evil.example/x.png", "/x.png", "x.png", "data:image/svg+xml,<svg>", "javascript:x",
     "https://a@evil.example/x.png", "https:\\\\evil.example"],
)  # fmt: skip
def test_hostile_149_pictures_have_an_address_on_the_web_or_none(source: str) -> None:
    assert "src=" not in clean(f'<img src="{source}" alt="words" srcset="https://evil.example 2x">')
    assert 'src="https://example.org/x.png"' in markdown("![words](https://example.org/x.png)")


def test_hostile_150_links_vouch_for_nothing() -> None:
    html = markdown('<a href="https://a.b" target="_blank" rel="me">x</a>')
    assert 'rel="nofollow noopener noreferrer ugc"' in html
    assert "target" not in html


@pytest.mark.parametrize(
    "text",
    [
        ".. raw:: html\n\n   <script>alert(1)</script>\n", ".. include:: /etc/passwd\n",
        ".. csv-table::\n   :file: /etc/passwd\n", ".. csv-table::\n   :url: https://example.org/x\n",
        ".. role:: evil(raw)\n   :format: html\n\n:evil:`<script>`\n", ".. unknown::\n", ":nosuchrole:`x`\n", "``unclosed\n",
        ".. literalinclude:: /etc/passwd\n", ".. code:: python\n   :file: /etc/passwd\n",
    ],
)  # fmt: skip
def test_hostile_145_D16_rst_that_is_refused(text: str) -> None:
    html = rst("Title\n=====\n\n" + text)
    assert html is None


@pytest.mark.parametrize(
    "text",
    [
        ".. image:: file:///etc/passwd\n", ".. image:: javascript:x\n", "`x <javascript:alert(1)>`_\n", ".. class:: button\n\nx\n",
        ".. figure:: /x.png\n\n   words\n", ".. _cookie:\n\nx\n", ".. meta::\n   :refresh: 0\n\nx\n", "`x <data:text/html,y>`__\n",
        ".. math:: \\href{javascript:x}{y}\n", ".. container:: button\n\n   x\n", ".. |x| image:: //evil.example/x\n\n|x|\n",
    ],
)  # fmt: skip
def test_hostile_145_rst_that_is_made_harmless(text: str) -> None:
    rst("Title\n=====\n\n" + text)


@pytest.mark.parametrize(
    "text", ["[" * 20_000, "*" * 20_000, "_" * 20_000, "> " * 300 + "x", "`" * 9_999, "<div>" * 2000]
)
def test_hostile_146_heavy_markdown(text: str) -> None:
    markdown(text)


def test_hostile_146_few_words_that_stand_for_many() -> None:
    text = ".. _a: https://example.org/" + "x" * 1_000 + "\n\n" + "a_ " * 3_000
    assert len(text) < 20_000
    assert render_description(text, "text/x-rst") is None
    assert render_description(text[:5_000], "text/x-rst") is not None


def test_hostile_151_bidi_stays_inside() -> None:
    assert "\u202e" in markdown("[safe\u202egpj.exe](https://example.org)")


TAGS = st.sampled_from(
    [*sorted(HARMLESS), "script", "style", "svg", "math", "mtext", "mglyph", "noscript", "form", "template"]
)
NAMES = st.sampled_from(
    ["href", "src", "id", "class", "style", "onclick", "title", "alt", "width", "name", "type", "rel"]
)
VALUES = st.one_of(
    st.text(max_size=12), st.sampled_from(["javascript:x", "https://a.b", "#x", "//e", "data:x", "mailto:a@b"])
)
PIECES = st.one_of(
    st.builds(lambda tag, name, value: f'<{tag} {name}="{value}">', TAGS, NAMES, VALUES),
    st.builds("</{}>".format, TAGS),
    st.text(max_size=10),
    st.sampled_from(["<!--", "-->", "<![CDATA[", "]]>", "&lt;", "&#x3c;", "<", ">", '"', "'", "\x00"]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=12))
def test_hostile_147_any_html_comes_out_harmless_and_stable(pieces: list[str]) -> None:
    inspect(clean("".join(pieces)))
