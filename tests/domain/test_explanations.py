# SPDX-License-Identifier: Apache-2.0
"""docs/upload-errors.md as data."""

from __future__ import annotations

import re
from pathlib import Path

from packhouse.domain.codes import PRECEDENCE
from packhouse.domain.explanations import Explanation, Piece, read_explanations

DOCUMENT = (Path(__file__).parents[2] / "docs/upload-errors.md").read_text(encoding="utf-8")


def test_a_section_is_read_into_pieces() -> None:
    (section,) = read_explanations(
        "# T\n\nx\n\n## A\n\nSome `code`, a [link](x.md).\n\n| code | means |\n|---|---|\n| `a-b` | Go. |\n"
    )
    assert section.title == "A"
    assert section.prose == ((Piece("Some "), Piece("code", is_code=True), Piece(", a "), Piece("link"), Piece(".")),)
    assert section.codes == (Explanation("a-b", (Piece("Go."),), anchor="a-b"),)


def test_a_code_has_one_anchor() -> None:
    table = "\n\n| code | cause | cure |\n|---|---|---|\n| `a` | Because. | Mend. |\n"
    short = "\n\n| code | means |\n|---|---|\n| `a` | Something. |\n"
    sections = read_explanations(f"## 0{short}\n## A{table}\n## B{table}\n## C\n\nnothing\n")
    assert [section.codes[0].anchor for section in sections] == ["", "a", ""]
    assert sections[1].codes[0].cure == (Piece("Mend."),)


def test_every_code_of_the_document_is_there_with_words() -> None:
    codes = [code for section in read_explanations(DOCUMENT) for code in section.codes]
    assert {code.code for code in codes} == set(re.findall(r"^\| `([a-z0-9-]+)` \|", DOCUMENT, re.MULTILINE))
    assert all(code.cause for code in codes)
    anchors = [code.anchor for code in codes if code.anchor]
    assert len(set(anchors)) == len(anchors)


def test_every_code_that_judging_gives_has_a_cause_and_a_cure() -> None:
    """One by one, as the sections about uploads' contents tell them."""
    told = {code.code: code for section in read_explanations(DOCUMENT) for code in section.codes if code.cure}
    assert sorted(set(PRECEDENCE) - set(told)) == []
