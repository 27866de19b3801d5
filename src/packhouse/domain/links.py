# SPDX-License-Identifier: Apache-2.0
"""The links a project gives of itself, as pages may show them (hostile-152, 153).

A link is one of http or https, without credentials, to a host that can be spelled in ASCII; it is shown with that
spelling, so that a letter of another alphabet can't pose as one of ours. Everything else is text. Nothing here is
vouched for: whether a link is verified is decided elsewhere, and today nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import idna

from packhouse.domain.metadata_policy import is_web_url
from packhouse.domain.wording import without_controls

LONGEST_LABEL = 32  # characters
_LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Link:
    """A label and where it leads; `url` is "" for what is shown as `text` alone, else `host` is the host in ASCII."""

    label: str
    url: str = ""
    host: str = ""
    text: str = ""


def project_links(core: Mapping[str, Any]) -> list[Link]:
    """The links in core metadata, each label once."""
    given = [("Homepage", core.get("home_page")), ("Download", core.get("download_url"))]
    given += [(str(label), str(url)) for label, url in core.get("project_urls") or ()]
    shown: dict[str, Link] = {}
    for label, url in given:
        if url:
            short = _short(without_controls(label), LONGEST_LABEL)
            shown.setdefault(short, _link(short, url.strip()))
    return list(shown.values())


def _link(label: str, url: str) -> Link:
    host = ascii_host(url) if is_web_url(url) else ""
    return Link(label, url, host) if host else Link(label, text=_short(without_controls(url), _LONGEST_TEXT))


def ascii_host(url: str) -> str:
    """The host of a URL as it is asked for, international names in Punycode; "" when there is no such host."""
    try:
        host = urlsplit(url).hostname or ""
        return host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except (ValueError, idna.IDNAError):
        return ""


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"
