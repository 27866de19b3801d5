# SPDX-License-Identifier: Apache-2.0
"""The tables of a project: its releases, the files of a release, one's own projects; on pages and as downloads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

from django.urls import reverse

from packhouse.catalogue import queries
from packhouse.domain.project_json import FileFacts, ReleaseFacts
from packhouse.domain.versions import parse_version
from packhouse.web.tables import Choice, Column, Row, Table


def _moment(row: Row, key: str) -> float:
    found = row[key]
    return found.timestamp() if isinstance(found, datetime) else 0.0


FILES = Table(
    "files",
    (
        Column("filename", lambda row: row["filename"]),
        Column("kind"),
        Column("tags"),
        Column("size", lambda row: row["size"]),
        Column("uploaded", lambda row: _moment(row, "uploaded")),
        Column("uploaded_by"),
        Column("sha256"),
        Column("downloads", lambda row: row["downloads"]),
        Column("is_yanked"),
        Column("yanked"),
        Column("address"),
    ),
    (
        Choice("wheels", "Wheels", lambda row: row["kind"] == "wheel"),
        Choice("sources", "Sources", lambda row: row["kind"] == "sdist"),
        Choice("yanked", "Yanked", lambda row: row["yanked"] is not None),
    ),
)
"""The files of a release; `yanked` is the reason."""

RELEASES = Table(
    "history",
    (
        Column("version", lambda row: parse_version(row["version"])),
        Column("published", lambda row: _moment(row, "published")),
        Column("files", lambda row: row["files"]),
        Column("size", lambda row: row["size"]),
        Column("prerelease"),
        Column("yanked"),
        Column("yanked_reason"),
    ),
    (
        Choice("final", "Final", lambda row: not row["prerelease"] and not row["yanked"]),
        Choice("prereleases", "Pre-releases", lambda row: row["prerelease"]),
        Choice("yanked", "Yanked", lambda row: row["yanked"]),
    ),
)
"""The releases of a project."""

OWN_RELEASES = Table("releases", RELEASES.columns, RELEASES.choices)
"""The same for those who manage it."""

OWN_PROJECTS = Table(
    "projects",
    (
        Column("name", lambda row: row["normalized"]),
        Column("version"),
        Column("published", lambda row: _moment(row, "published")),
        Column("role"),
        Column("status"),
        Column("summary"),
    ),
    (
        Choice("owned", "You own", lambda row: row["role"] == "owner"),
        Choice("maintained", "You maintain", lambda row: row["role"] == "maintainer"),
    ),
)
"""One's own projects."""


def file_row(file: FileFacts, uploaded_by: str = "", base: str = "", *, downloads: int = 0) -> Row:
    """A file as tables show it; `base` is the address of the server, without a slash, for downloads.

    `downloads` are those of the last 30 days.
    """
    url = f"/files/{file.sha256}/{quote(file.filename, safe='')}"
    wheel = file.packagetype == "bdist_wheel"
    return {
        "filename": file.filename,
        "url": url,
        "address": base + url,
        "size": file.size,
        "sha256": file.sha256,
        "uploaded": file.upload_time,
        "kind": "wheel" if wheel else "sdist",
        "tags": "-".join(file.filename.removesuffix(".whl").split("-")[-3:]) if wheel else "",
        "is_yanked": file.yanked is not None,
        "yanked": file.yanked,
        "metadata_url": f"{url}.metadata" if file.metadata_sha256 else "",
        "uploaded_by": uploaded_by,
        "downloads": downloads,
    }


def release_row(entry: ReleaseFacts, shown: ReleaseFacts | None = None) -> Row:
    """A release as tables show it; `shown` is the one whose page this is."""
    return {
        "version": entry.version,
        "published": min((file.upload_time for file in entry.files), default=None),
        "files": len(entry.files),
        "size": sum(file.size or 0 for file in entry.files),
        "yanked": entry.yanked is not None,
        "yanked_reason": entry.yanked or "",
        "prerelease": parse_version(entry.version).is_prerelease,
        "current": shown is not None and entry.version == shown.version,
    }


def release_rows(releases: Iterable[ReleaseFacts], shown: ReleaseFacts | None = None) -> list[Row]:
    """Releases, the newest version first; they come in the order of versions."""
    return [release_row(entry, shown) for entry in releases][::-1]


def own_rows(projects: Iterable[queries.OwnProject]) -> list[Row]:
    """One's projects as tables show them."""
    keys = ("name", "normalized", "version", "published", "role", "status", "summary")
    return [{key: getattr(project, key) for key in keys} for project in projects]


def downloads(name: str, version: str) -> dict[str, str]:
    """The addresses of a project's tables as files, without their endings; "" for the files of no release."""
    files = reverse("files-file", args=[name, version, "csv"]).removesuffix(".csv") if version else ""
    return {"releases": reverse("releases-file", args=[name, "csv"]).removesuffix(".csv"), "files": files}
