# SPDX-License-Identifier: Apache-2.0
"""How a stranger's text is put into a sentence: quoted, in one line of ASCII, and short."""

from __future__ import annotations

import unicodedata

_LONGEST = 60  # characters shown of a value


def shown(value: str) -> str:
    """The value in quotes, with everything but printable ASCII escaped; a long one as its first and last 30."""
    if len(value) > _LONGEST:
        value = f"{value[:30]}...{value[-30:]}"
    return ascii(value)


def without_controls(text: str) -> str:
    """The text without control characters but tabs and line breaks (hostile-18)."""
    if text.isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")
