# SPDX-License-Identifier: Apache-2.0
"""Which addresses the edge answers itself, once it knows the answer. All others are the origin's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

MAIN = "main"
"""The index that answers without a prefix."""

_PAGE = re.compile(r"(?:/index/([a-z0-9][a-z0-9._-]{0,63}))?/simple/(?:([a-z0-9]+(?:-[a-z0-9]+)*)/)?\Z")
_PAST_PAGE = re.compile(
    r"(?:/index/([a-z0-9][a-z0-9._-]{0,63}))?/@([^/]{1,64})/simple/(?:([a-z0-9]+(?:-[a-z0-9]+)*)/)?\Z"
)
_PAST_FILE = re.compile(
    r"(?:/index/([a-z0-9][a-z0-9._-]{0,63}))?/@([^/]{1,64})/(?:files|packages)/([0-9a-f]{64})/"
    r"([A-Za-z0-9][A-Za-z0-9._+!-]{0,255})\Z"
)
_FILE = re.compile(
    r"(?:/index/([a-z0-9][a-z0-9._-]{0,63}))?/(?:files|packages)/([0-9a-f]{64})/([A-Za-z0-9][A-Za-z0-9._+!-]{0,255})\Z"
)


@dataclass(frozen=True, slots=True)
class PageTarget:
    """A simple page of an index; `project` is normalized, "" for the root page."""

    index: str
    project: str


@dataclass(frozen=True, slots=True)
class PastTarget:
    """A simple page of a past state of an index: `moment` is as it is spelled."""

    index: str
    project: str
    moment: str


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A file of an index, or its core metadata (then `filename` ends in `.metadata`).

    `moment` is the past state asked for, as it is spelled; "" for now.
    """

    index: str
    sha256: str
    filename: str
    moment: str = ""


@lru_cache(maxsize=4096)
def target_of(path: str) -> PageTarget | PastTarget | FileTarget | None:
    """What a decoded path names; None for the origin's addresses, spellings to be redirected among them."""
    match = _PAGE.match(path)
    if match is not None:
        return PageTarget(match[1] or MAIN, match[2] or "")
    match = _FILE.match(path)
    if match is not None:
        return FileTarget(match[1] or MAIN, match[2], match[3])
    match = _PAST_PAGE.match(path)
    if match is not None:
        return PastTarget(match[1] or MAIN, match[3] or "", match[2])
    match = _PAST_FILE.match(path)
    return None if match is None else FileTarget(match[1] or MAIN, match[3], match[4], match[2])
