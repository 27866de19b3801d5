# SPDX-License-Identifier: Apache-2.0
"""RSS 2.0 feeds: newest releases, newest projects, the releases of one project.

Written with the standard library's SAX writer, which escapes by context; equal items give equal bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from io import StringIO
from typing import NamedTuple
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from packhouse.domain.project_json import Addresses
from packhouse.domain.simple import one_line

CONTENT_TYPE = "text/xml; charset=utf-8"


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
    about = _About(f"{site} recent updates", f"Recent updates to {site}", addresses.site + "/", "rss/updates.xml")
    return _feed(about, [(f"{h.display_name} {h.version}", h) for h in happenings], addresses)


def render_projects(happenings: Sequence[Happening], site: str, addresses: Addresses) -> bytes:
    """The newest projects of an index, newest first."""
    title = f"{site} newest projects"
    about = _About(title, f"Newest projects registered at {site}", addresses.site + "/", "rss/packages.xml")
    return _feed(about, [(f"{h.display_name} added to {site}", h) for h in happenings], addresses)


def render_releases(name: str, happenings: Sequence[Happening], site: str, addresses: Addresses) -> bytes:
    """The newest releases of the project with the normalized name `name`, newest first."""
    title = f"{site} recent updates for {name}"
    path = f"rss/project/{name}/releases.xml"
    about = _About(title, f"Recent updates to {site} for {name}", addresses.project(name), path)
    return _feed(about, [(h.version, h) for h in happenings], addresses)


class _About(NamedTuple):
    """What a feed says of itself; `path` is its own address below the index."""

    title: str
    description: str
    link: str
    path: str


def _feed(about: _About, items: list[tuple[str, Happening]], addresses: Addresses) -> bytes:
    """The whole document; `items` are titles and what they are about."""
    out = StringIO()
    xml = XMLGenerator(out, "utf-8", short_empty_elements=True)
    xml.startDocument()
    xml.startElement("rss", AttributesImpl({"version": "2.0", "xmlns:atom": "http://www.w3.org/2005/Atom"}))
    xml.startElement("channel", AttributesImpl({}))
    itself = {"href": f"{addresses.index}/{about.path}", "rel": "self", "type": "application/rss+xml"}
    _texts(xml, title=about.title, link=about.link, description=about.description, language="en")
    xml.startElement("atom:link", AttributesImpl(itself))
    xml.endElement("atom:link")
    if items:
        _texts(xml, lastBuildDate=_date(max(happening.at for _, happening in items)))
    for title, happening in items:
        _item(xml, title, happening, addresses)
    xml.endElement("channel")
    xml.endElement("rss")
    xml.endDocument()
    return out.getvalue().encode() + b"\n"


def _item(xml: XMLGenerator, title: str, happening: Happening, addresses: Addresses) -> None:
    """One item; its address, which never changes, is its identity too."""
    link = addresses.project(happening.project, happening.version or None)
    xml.startElement("item", AttributesImpl({}))
    _texts(xml, title=title, link=link, guid=link, description=happening.summary)
    if _are_addresses(happening.authors):
        _texts(xml, author=happening.authors)
    _texts(xml, pubDate=_date(happening.at))
    xml.endElement("item")


def _texts(xml: XMLGenerator, **texts: str) -> None:
    """Write elements that hold text, each on a line, with no character that XML forbids."""
    for name, text in texts.items():
        xml.characters("\n")
        xml.startElement(name, AttributesImpl({}))
        xml.characters(one_line(text))
        xml.endElement(name)


def _are_addresses(authors: str) -> bool:
    """Whether every part has an @: RSS wants e-mail addresses there and nothing else."""
    return bool(authors) and all("@" in part for part in authors.split(","))


def _date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)
