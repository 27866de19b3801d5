# SPDX-License-Identifier: Apache-2.0
"""Reading the simple page of a project as somebody else's index sends it, HTML or JSON, hostile or merely old.

An entry that can't be read is dropped and counted; a page that is no simple page is refused. Rules about which
files to believe (names, projects, hosts) are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import orjson

from packhouse.domain.listing import Status
from packhouse.domain.markup import Tag, read_tags
from packhouse.domain.negotiation import Representation
from packhouse.errors import Kind, PackhouseError, refuse

MAX_PAGE = 64 * 1024 * 1024
"""Bytes of a decoded page above which it is refused."""
MOST_FILES = 100_000
"""Files of a page above which it is refused: more than twice the largest there is."""
_MOST_VALUES = 40 * MOST_FILES  # commas of JSON, and a quarter as many brackets or tags: each becomes an object
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as a page names it. `url` is absolute, without fragment.

    `hashes` maps lower-case algorithm names to lower-case hex; `size` is in bytes; `upload_time` is aware, UTC;
    `core_metadata` is None (not offered) or its hashes, which may be empty (offered, digest unknown); `yanked` is
    None or the reason, which may be "". What the page does not say is None.
    """

    filename: str
    url: str
    hashes: Mapping[str, str]
    size: int | None = None
    upload_time: datetime | None = None
    requires_python: str | None = None
    core_metadata: Mapping[str, str] | None = None
    yanked: str | None = None
    provenance: str | None = None


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A project page as read. `name` is as written, "" when not given; `dropped` counts unreadable entries."""

    name: str
    files: tuple[ReadFile, ...]
    versions: tuple[str, ...] = ()
    status: Status = Status.ACTIVE
    status_reason: str = ""
    api_version: str = "1.0"
    dropped: int = 0


def read_project_page(body: bytes, content_type: str, url: str) -> ReadPage:
    """Read a decoded page that came from `url` (after redirects) with this `Content-Type`.

    Raises PackhouseError (UNAVAILABLE, `upstream-page-invalid`) for what is no simple page of a version we know.
    """
    if len(body) > MAX_PAGE:
        raise _invalid(url, f"has {len(body)} bytes, more than {MAX_PAGE}")
    if max(body.count(b","), 4 * (body.count(b"{") + body.count(b"[")), 4 * body.count(b"<")) > _MOST_VALUES:
        raise _invalid(url, f"is made of too many parts for {MOST_FILES} files")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == Representation.V1_JSON.value:
        page = _read_json(body, url)
    elif media_type in {Representation.HTML.value, Representation.V1_HTML.value}:
        page = _read_html(body, url)
    else:
        raise _invalid(url, f"has the type {media_type!r}, expected one of the simple API")
    if len(page.files) + page.dropped > MOST_FILES:
        raise _invalid(url, f"names more than {MOST_FILES} files")
    return page


def _invalid(url: str, what: str) -> PackhouseError:
    return refuse(Kind.UNAVAILABLE, "upstream-page-invalid", f"The page {url} {what}; ask who runs that index.")


def _check_version(version: object, url: str) -> str:
    """The API version as text; a major version above 1 must not be guessed at (PEP 629)."""
    text = version if isinstance(version, str) else "1.0"
    major = text.partition(".")[0]
    if not major.isascii() or not major.isdigit() or int(major[:4]) > 1:
        raise _invalid(url, f"has the API version {text!r}, expected 1.x")
    return text


def _status(value: object) -> Status:
    """The status; one we don't know counts as active (PEP 792)."""
    try:
        return Status(str(value))
    except ValueError:
        return Status.ACTIVE


def _page(name: str, read: list[ReadFile | None], status: Status, **others: Any) -> ReadPage:
    """Put a page together; one in quarantine offers nothing, whatever it lists."""
    files = () if status is Status.QUARANTINED else tuple(file for file in read if file is not None)
    return ReadPage(name, files, status=status, dropped=read.count(None), **others)


# JSON


def _read_json(body: bytes, url: str) -> ReadPage:
    try:
        page = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _invalid(url, f"is not JSON ({error})") from error
    meta = page.get("meta") if isinstance(page, dict) else None
    if not isinstance(meta, dict) or not isinstance(page.get("files"), list):
        raise _invalid(url, "is not a simple page: `meta` or `files` is missing")
    marker = page.get("project-status")
    marker = marker if isinstance(marker, dict) else {}
    versions = page.get("versions")
    return _page(
        _text(page.get("name")) or "",
        [_json_file(entry, url) for entry in page["files"]],
        _status(marker.get("status")),
        status_reason=_text(marker.get("reason")) or "",
        api_version=_check_version(meta.get("api-version"), url),
        versions=tuple(v for v in versions if isinstance(v, str)) if isinstance(versions, list) else (),
    )


def _json_file(entry: object, base: str) -> ReadFile | None:
    if not isinstance(entry, dict):
        return None
    filename, url = _text(entry.get("filename")), _absolute(base, entry.get("url"))
    if not filename or url is None:
        return None
    size = entry.get("size")
    offered = entry.get("core-metadata", entry.get("dist-info-metadata", entry.get("data-dist-info-metadata")))
    yanked = entry.get("yanked")
    return ReadFile(
        filename=filename,
        url=url,
        hashes=_hashes(entry.get("hashes")),
        size=size if type(size) is int and size >= 0 else None,
        upload_time=_moment(entry.get("upload-time")),
        requires_python=_text(entry.get("requires-python")) or None,
        core_metadata=_hashes(offered) if offered else None,
        yanked=yanked if isinstance(yanked, str) else "" if yanked else None,
        provenance=_https(base, entry.get("provenance")),
    )


# HTML


def _read_html(body: bytes, url: str) -> ReadPage:
    tags = list(read_tags(body.decode("utf-8", "replace")))
    metas = _metas(tags)
    title = next((tag.text for tag in tags if tag.name == "title"), "")
    base = _base(tags, url)
    files = [_html_file(tag, base) for tag in tags if tag.name == "a" and "href" in tag.attributes]
    if "pypi:repository-version" not in metas and not title.lower().startswith("links for") and not any(files):
        raise _invalid(url, "is not a simple page: it names no version and has no files")
    return _page(
        title.partition("inks for ")[2].strip(),
        files,
        _status(metas.get("pypi:project-status")),
        status_reason=metas.get("pypi:project-status-reason", ""),
        api_version=_check_version(metas.get("pypi:repository-version"), url),
    )


def _metas(tags: list[Tag]) -> dict[str, str]:
    """The `<meta name content>` pairs; of a repeated name the first counts."""
    metas = [tag.attributes for tag in reversed(tags) if tag.name == "meta"]
    return {meta.get("name", "").lower(): meta.get("content", "") for meta in metas}


def _base(tags: list[Tag], url: str) -> str:
    """The address that links are relative to: the first `<base href>`, else the page's own."""
    given = (tag.attributes["href"] for tag in tags if tag.name == "base" and "href" in tag.attributes)
    return _absolute(url, next(given, url)) or url


def _html_file(tag: Tag, base: str) -> ReadFile | None:
    attributes = tag.attributes
    url = _absolute(base, attributes["href"])
    filename = unquote(urlsplit(url).path.rpartition("/")[2]) if url else ""
    if url is None or not filename.lower().endswith((".whl", ".gz", ".zip", ".bz2", ".xz", ".tgz", ".egg", ".exe")):
        return None
    size = attributes.get("data-size", "")
    offered = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
    return ReadFile(
        filename=filename,
        url=url,
        hashes=_fragment(attributes["href"].partition("#")[2]),
        size=int(size) if size.isascii() and size.isdigit() and len(size) <= 18 else None,
        upload_time=_moment(attributes.get("data-upload-time")),
        requires_python=attributes.get("data-requires-python") or None,
        core_metadata=_fragment(offered) if offered and offered.lower() != "false" else None,
        yanked=attributes.get("data-yanked"),
        provenance=_https(base, attributes.get("data-provenance")),
    )


# Values


def _fragment(text: str) -> dict[str, str]:
    """The hashes in `sha256=...` (several joined by `&`, as in a link's fragment)."""
    return _hashes(dict(part.partition("=")[::2] for part in text.split("&")))


def _hashes(value: object) -> dict[str, str]:
    """The hashes that look like hashes, in lower case."""
    pairs = value.items() if isinstance(value, dict) else ()
    lowered = {name.lower(): digest.lower() for name, digest in pairs if isinstance(digest, str)}
    return {name: digest for name, digest in lowered.items() if digest and _HEX.issuperset(digest)}


def _absolute(base: str, reference: object) -> str | None:
    """The http(s) address of a link, without fragment; None when it is none."""
    if not isinstance(reference, str):
        return None
    try:
        joined = urlsplit(urljoin(base, reference.strip()))
        absolute = joined._replace(fragment="").geturl() if joined.hostname else ""
    except ValueError:
        return None
    return absolute if joined.scheme in {"http", "https"} and absolute else None


def _https(base: str, value: object) -> str | None:
    """An address that must be https (provenance, PEP 740)."""
    url = _absolute(base, value)
    return url if url and url.startswith("https://") else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _moment(value: object) -> datetime | None:
    """A time of PEP 700; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
