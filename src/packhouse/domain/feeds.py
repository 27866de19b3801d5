# SPDX-License-Identifier: Apache-2.0
"""RSS 2.0 feeds: newest releases, newest projects, the releases of one project.

Written with the standard library's XML writer, which escapes by context; equal items give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from xml.etree import ElementTree as ET

from packhouse.domain.project_json import Addresses
from packhouse.domain.simple import one_line

CONTENT_TYPE = "text/xml; charset=utf-8"
_ATOM = "http://www.w3.org/2005/Atom"
ET.register_namespace("atom", _ATOM)


@dataclass(frozen=True, slots=True)
class Happening:
    """A release that was made, or (`version` "") a project. `at` is aware, UTC; `authors` are e-mail addresses."""

    project: str
    display_name: str
    version: str
    summary: str
    at: datetime
    authors: str = ""


def render_updates(happenings: Sequence[Happening], site: str, addresses: Addresses) -> bytes:
    """The newest releases of an index, newest first. `site` is the name of this index."""
    items = [_item(h, f"{h.display_name} {h.version}", addresses) for h in happenings]
    about = (f"{site} recent updates", f"Recent updates to {site}", "rss/updates.xml")
    return _feed(about, addresses.site + "/", items, happenings, addresses)


def render_projects(happenings: Sequence[Happening], site: str, addresses: Addresses) -> bytes:
    """The newest projects of an index, newest first."""
    items = [_item(h, f"{h.display_name} added to {site}", addresses) for h in happenings]
    about = (f"{site} newest projects", f"Newest projects registered at {site}", "rss/packages.xml")
    return _feed(about, addresses.site + "/", items, happenings, addresses)


def render_releases(name: str, happenings: Sequence[Happening], site: str, addresses: Addresses) -> bytes:
    """The newest releases of the project with the normalized name `name`, newest first."""
    items = [_item(h, h.version, addresses) for h in happenings]
    title = f"{site} recent updates for {name}"
    about = (title, f"Recent updates to {site} for {name}", f"rss/project/{name}/releases.xml")
    return _feed(about, addresses.project(name), items, happenings, addresses)


def _feed(
    about: tuple[str, str, str],
    link: str,
    items: Iterable[ET.Element],
    happenings: Sequence[Happening],
    addresses: Addresses,
) -> bytes:
    """The whole document; `about` is title, description and the feed's own path below the index."""
    title, description, path = about
    rss = ET.Element("rss", {"version": "2.0"})
    channel = ET.SubElement(rss, "channel")
    _texts(channel, title=title, link=link, description=description, language="en")
    ET.SubElement(
        channel,
        f"{{{_ATOM}}}link",
        {"href": f"{addresses.index}/{path}", "rel": "self", "type": "application/rss+xml"},
    )
    if happenings:
        _texts(channel, lastBuildDate=_date(max(h.at for h in happenings)))
    channel.extend(items)
    ET.indent(rss)
    return bytes(ET.tostring(rss, encoding="utf-8", xml_declaration=True)) + b"\n"


def _item(happening: Happening, title: str, addresses: Addresses) -> ET.Element:
    """One item; its address, which never changes, is its identity too."""
    link = addresses.project(happening.project, happening.version or None)
    item = ET.Element("item")
    _texts(item, title=title, link=link, guid=link, description=happening.summary)
    if _are_addresses(happening.authors):
        _texts(item, author=happening.authors)
    _texts(item, pubDate=_date(happening.at))
    return item


def _texts(parent: ET.Element, **texts: str) -> None:
    """Append elements that hold text, with no character that XML forbids."""
    for name, text in texts.items():
        ET.SubElement(parent, name).text = one_line(text)


def _are_addresses(authors: str) -> bool:
    """Whether every part has an @: RSS wants e-mail addresses there and nothing else."""
    return bool(authors) and all("@" in part for part in authors.split(","))


def _date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)
