# SPDX-License-Identifier: Apache-2.0
"""The scanner for other indexes' HTML: what it reads, and that nothing makes it slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhouse.domain.markup import Tag, read_tags


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('<a href="x">y</a>', [Tag("a", {"href": "x"}, "y")]),
        ("<A HREF='x&amp;y' data-yanked>z &lt;", [Tag("a", {"href": "x&y", "data-yanked": ""}, "z <")]),
        ("<a\n href=x\tid = y>", [Tag("a", {"href": "x", "id": "y"}, "")]),
        ('<a href="a>b" title=\'"\'>t<b>u', [Tag("a", {"href": "a>b", "title": '"'}, "t")]),
        ('<a href="1" href="2">', [Tag("a", {"href": "1"}, "")]),
        ("<abbr href=x><article><b>", []),
        ("</a href=x>", []),
        ("<!-- <a href=x> --><base href=y/>", [Tag("base", {"href": "y/"}, "")]),
        ("<!-- <a href=x>", []),
        ("<script><a href=x></SCRIPT ><title> T </title>", [Tag("title", {}, "T")]),
        ("<style><a href=x>", []),
        ("<a href=x", []),
        ('<a href="x>', []),
        ("<a <a href=x>", [Tag("a", {"href": "x"}, "")]),
        ("<meta name=n content='c'/>", [Tag("meta", {"name": "n", "content": "c"}, "")]),
    ],
)
def test_tags(text: str, tags: list[Tag]) -> None:
    assert list(read_tags(text)) == tags


@pytest.mark.parametrize(
    "piece",
    [
        "<a ",
        "<!--",
        "<a x='",
        '<a "<a " ',
        "<script>",
        '<a <meta name="',
        "<a '\"",
        "<a x=<",
        "</a",
        "<a" + " " * 50,
        "<",
    ],
)
def test_nothing_makes_it_slow(piece: str) -> None:
    began = time.process_time()
    list(read_tags(piece * (1_000_000 // len(piece))))
    assert time.process_time() - began < 5


@given(
    st.one_of(
        st.text(),
        st.lists(st.sampled_from(["<a", " ", "href", "=", '"', "'", ">", "<", "/", "x", "<!--", "-->"])).map("".join),
    )
)
def test_total_on_garbage(text: str) -> None:
    assert all(isinstance(tag, Tag) for tag in read_tags(text))
