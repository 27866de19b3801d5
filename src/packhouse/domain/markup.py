# SPDX-License-Identifier: Apache-2.0
"""Reading the few tags of somebody else's simple page, in time linear in its length whatever it holds.

The standard library's parser takes 40 s for 60 kB of `<a ` (Python 3.11.7), so it can't be shown to strangers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from itertools import islice
from typing import NamedTuple

# Possessive, so nothing is tried twice; an unfinished tag is left where reading stopped, not where it began.
_TAG = re.compile(
    r"""<!--|<(/?)(a|base|meta|title|script|style)(?![^\s/>])((?:[^<>"']++|"[^"]*+"|'[^']*+')*+)(>?)""",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'=<>`]++)))?""")
_RAW = {"script": re.compile("</script", re.IGNORECASE), "style": re.compile("</style", re.IGNORECASE)}


MOST_ATTRIBUTES = 100
"""Of a tag; what stands behind them is not read."""


class Tag(NamedTuple):
    """A start tag: name and names of attributes in lower case, values unescaped ("" when none), text up to `<`."""

    name: str
    attributes: dict[str, str]
    text: str


def read_tags(text: str) -> Iterator[Tag]:
    """The start tags `a`, `base`, `meta` and `title` of an HTML text, comments, scripts and styles left out."""
    position = 0
    while match := _TAG.search(text, position):
        position = match.end()
        if match[0] == "<!--":
            position = _after(text, text.find("-->", position), 3)
        elif match[4] and not match[1]:
            name = match[2].lower()
            if name in _RAW:
                end = _RAW[name].search(text, position)
                position = end.end() if end else len(text)
            else:
                yield Tag(name, _attributes(match[3]), _text_at(text, position))


def _after(text: str, found: int, length: int) -> int:
    """The position behind what was found at `found`; the end of the text when it was not (-1)."""
    return len(text) if found < 0 else found + length


def _attributes(raw: str) -> dict[str, str]:
    """The attributes of a tag; of a repeated name the first counts, as in browsers."""
    found: dict[str, str] = {}
    for match in islice(_ATTRIBUTE.finditer(raw), MOST_ATTRIBUTES):
        name, double, single, bare = match.groups("")
        found.setdefault(name.lower(), unescape(double or single or bare))
    return found


def _text_at(text: str, start: int) -> str:
    """What stands between a tag and the next one."""
    end = text.find("<", start)
    return unescape(text[start : len(text) if end < 0 else end]).strip()
