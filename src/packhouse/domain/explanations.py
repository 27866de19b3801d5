# SPDX-License-Identifier: Apache-2.0
"""What each error code means: `docs/upload-errors.md` as data, so that the page served and the document are one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_CODE_CELL = re.compile(r"`([a-z0-9-]+)`\Z")
_PIECES = re.compile(r"`([^`]*)`|\[([^\]]*)\]\([^)]*\)|\*\*([^*]*)\*\*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; `is_code` when it stands in code's letters."""

    text: str
    is_code: bool = False


Prose = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code: what it means or what causes it, and what to do about it (empty where the meaning says it).

    `anchor` is the code at the one place to link to, the first with a cure; "" at any other.
    """

    code: str
    cause: Prose
    cure: Prose = ()
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, what stands below it, and its codes."""

    title: str
    prose: tuple[Prose, ...]
    codes: tuple[Explanation, ...]


def read_explanations(document: str) -> tuple[Section, ...]:
    """The sections of the document that explain codes; other tables and sections without codes are left out."""
    parts = re.split(r"^## +", document, flags=re.MULTILINE)[1:]
    sections = [section for part in parts if (section := _read_section(part)).codes]
    best: dict[str, Explanation] = {}
    for one in (one for section in sections for one in section.codes):
        if one.code not in best or (one.cure and not best[one.code].cure):
            best[one.code] = one
    return tuple(
        replace(
            section,
            codes=tuple(replace(one, anchor=one.code) if one is best[one.code] else one for one in section.codes),
        )
        for section in sections
    )


def _read_section(part: str) -> Section:
    title, _, text = part.partition("\n")
    codes = []
    prose = []
    for line in text.splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            match = _CODE_CELL.match(cells[0])
            if match:
                codes.append(Explanation(match[1], _pieces(cells[1]), _pieces(" ".join(cells[2:]))))
        elif line.strip():
            prose.append(_pieces(line.strip()))
    return Section(title.strip(), tuple(prose), tuple(codes))


def _pieces(text: str) -> Prose:
    """Markdown of one line, of which code is told apart and links and emphasis lose their marks."""
    pieces = []
    at = 0
    for match in _PIECES.finditer(text):
        pieces.append(Piece(text[at : match.start()]))
        pieces.append(Piece(match[1] or match[2] or match[3] or "", is_code=match[1] is not None))
        at = match.end()
    return tuple(piece for piece in (*pieces, Piece(text[at:])) if piece.text)
