# SPDX-License-Identifier: Apache-2.0
"""The legacy JSON API: `/pypi/<name>/json` and `/pypi/<name>/<version>/json`, as the public index shapes them.

Addresses are absolute, since its readers (bandersnatch, Renovate, Dependabot, pip-audit) take them as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import orjson
from packaging.version import InvalidVersion, Version

from packhouse.domain.downloads import Downloads

NOT_FOUND = b'{"message": "Not Found"}'
"""The body of every 404 of this API."""

Core = Mapping[str, Any]
"""Core metadata without the description, keys in snake_case, as `catalogue` stores it with a file."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file as the legacy API tells of it.

    Digests are lower-case hex, `blake2b_256` and `md5` "" where nobody says them; `size` is in bytes, or None where
    nobody says it; `upload_time` is aware and in UTC; `metadata_sha256` is None when `.metadata` is not served;
    `yanked` is None or the reason, which may be "". `warnings` are what the index took the file in spite of: `code`,
    `message`, `field`.
    """

    filename: str
    packagetype: str
    python_version: str
    sha256: str
    blake2b_256: str
    md5: str
    size: int | None
    upload_time: datetime
    requires_python: str | None = None
    metadata_sha256: str | None = None
    yanked: str | None = None
    core: Core = field(default_factory=dict)
    warnings: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """A release with the files an index shows of it, sorted by filename; `description` is the raw README."""

    version: str
    files: tuple[FileFacts, ...]
    description: str = ""
    description_content_type: str = ""

    @property
    def yanked(self) -> str | None:
        """None, or the first reason when every one of its files is yanked."""
        reasons = [file.yanked for file in self.files]
        return None if None in reasons or not reasons else next(filter(None, reasons), "")

    @property
    def core(self) -> Core:
        """What is said about the release: by its first wheel, whose metadata is complete, else its first file."""
        wheels = [file for file in self.files if file.packagetype == "bdist_wheel"]
        first = min(wheels or self.files, key=lambda file: (file.upload_time, file.filename), default=None)
        return first.core if first else {}


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """A project as an index shows it. `serial` is that of its last entry.

    `roles` are (role, name) pairs, owners first, with the organization it belongs to among them.

    `downloads` is None where nobody counts.
    """

    name: str
    display_name: str
    serial: int
    releases: tuple[ReleaseFacts, ...]
    roles: tuple[tuple[str, str], ...] = ()
    organization: str | None = None
    vulnerabilities: tuple[Mapping[str, Any], ...] = ()
    downloads: Downloads | None = None


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where things are, without a slash at the end: `site` the server's pages, `index` the index asked."""

    site: str
    index: str

    def project(self, name: str, version: str | None = None) -> str:
        """The page of a project, or of one of its releases; those of other indexes than `main` have the simple one."""
        if self.index != self.site:
            return f"{self.index}/simple/{quote(name, safe='')}/"
        page = f"{self.site}/project/{quote(name, safe='')}/"
        return page if version is None else f"{page}{quote(version, safe='')}/"

    def file(self, file: FileFacts) -> str:
        """The file itself, below `/packages/`: bandersnatch takes files from nowhere else."""
        return f"{self.index}/packages/{file.sha256}/{quote(file.filename, safe='')}"


def render_project(project: ProjectFacts, addresses: Addresses) -> bytes | None:
    """The body of `/pypi/<name>/json`, about the latest release and with all of them; None is a 404."""
    latest = latest_release(project.releases)
    if latest is None:
        return None
    releases = {release.version: _files(release, addresses) for release in project.releases}
    return _dump(_document(project, latest, addresses) | {"releases": releases})


def render_release(project: ProjectFacts, version: str, addresses: Addresses) -> bytes | None:
    """The body of `/pypi/<name>/<version>/json`, the version compared by PEP 440; None is a 404."""
    release = find_release(project.releases, version)
    return None if release is None else _dump(_document(project, release, addresses))


class Ranked(Protocol):
    """A release, as far as it is compared with others."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def yanked(self) -> str | None:
        """None, or the reason."""


R = TypeVar("R", bound=Ranked)


def latest_release(releases: Iterable[R]) -> R | None:
    """The one to speak of: not yanked before yanked, final before pre-release, then the highest version."""
    return max(releases, key=_rank, default=None)


def find_release(releases: Iterable[ReleaseFacts], version: str) -> ReleaseFacts | None:
    """The release that `version` names in any spelling of PEP 440, or exactly when it is no version."""
    wanted = _version(version)
    for release in releases:
        if release.version == version or (wanted is not None and _version(release.version) == wanted):
            return release
    return None


def _rank(release: Ranked) -> tuple[bool, bool, Version]:
    version = _version(release.version)
    if version is None:
        return (release.yanked is None, False, Version("0.dev0"))
    return (release.yanked is None, not version.is_prerelease, version)


def _version(text: str) -> Version | None:
    """The version, or None for a spelling from before PEP 440 (an upstream may have one)."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _document(project: ProjectFacts, release: ReleaseFacts, addresses: Addresses) -> dict[str, Any]:
    """What both addresses answer."""
    return {
        "info": _info(project, release, addresses),
        "last_serial": project.serial,
        "ownership": {
            "organization": project.organization,
            "roles": [{"role": role, "user": user} for role, user in project.roles if user != project.organization],
        },
        "urls": _files(release, addresses),
        "vulnerabilities": list(project.vulnerabilities),
    }


_TEXTS = (
    "author", "author_email", "download_url", "home_page", "license", "license_expression", "maintainer",
    "maintainer_email", "requires_python", "summary",
)  # fmt: skip
_LISTS = ("dynamic", "license_files", "provides_extra", "requires_dist")


def _info(project: ProjectFacts, release: ReleaseFacts, addresses: Addresses) -> dict[str, Any]:
    """The key `info`: the release's core metadata under the names the public index gives it."""
    core = release.core
    page = addresses.project(project.name)
    return {
        **{name: core.get(name) or None for name in _TEXTS},
        **{name: list(core.get(name) or ()) or None for name in _LISTS},
        "bugtrack_url": None,
        "classifiers": list(core.get("classifiers") or ()),
        "description": release.description,
        "description_content_type": release.description_content_type or None,
        "docs_url": None,
        "downloads": _downloads(project.downloads),
        "keywords": _joined(core.get("keywords")),
        "name": project.display_name,
        "package_url": page,
        "platform": _joined(core.get("platforms")),
        "project_url": page,
        "project_urls": _project_urls(core) or None,
        "release_url": addresses.project(project.name, release.version),
        "version": release.version,
        "yanked": release.yanked is not None,
        "yanked_reason": release.yanked or None,
    }


def _downloads(counted: Downloads | None) -> dict[str, int]:
    """The numbers of today and before in UTC; -1 where they are not known."""
    if counted is None:
        return {"last_day": -1, "last_month": -1, "last_week": -1}
    return {"last_day": counted.last_day, "last_month": counted.last_month, "last_week": counted.last_week}


def _joined(values: object) -> str | None:
    """Several values as the one text the public index has for them."""
    if isinstance(values, str):
        return values or None
    return ",".join(str(value) for value in values) or None if isinstance(values, (list, tuple)) else None


def _project_urls(core: Core) -> dict[str, str]:
    """Labels and addresses: those of the two old fields first, then `Project-URL` in its order, which may replace."""
    old = {"Homepage": core.get("home_page"), "Download": core.get("download_url")}
    urls = {label: url for label, url in old.items() if url}
    return urls | dict(core.get("project_urls") or ())


def _files(release: ReleaseFacts, addresses: Addresses) -> list[dict[str, Any]]:
    return [_file(file, addresses) for file in release.files]


def _digests(file: FileFacts) -> dict[str, str]:
    """The digests that are known."""
    told = {"blake2b_256": file.blake2b_256, "md5": file.md5, "sha256": file.sha256}
    return {name: digest for name, digest in told.items() if digest}


def _file(file: FileFacts, addresses: Addresses) -> dict[str, Any]:
    """One entry of `urls` and `releases`."""
    return {
        "comment_text": "",
        "core-metadata": {"sha256": file.metadata_sha256} if file.metadata_sha256 else False,
        "digests": _digests(file),
        "downloads": -1,
        "filename": file.filename,
        "has_sig": False,
        "md5_digest": file.md5 or None,
        "packagetype": file.packagetype,
        "python_version": file.python_version,
        "requires_python": file.requires_python or None,
        "size": file.size,
        "upload_time": file.upload_time.strftime("%Y-%m-%dT%H:%M:%S"),
        "upload_time_iso_8601": file.upload_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "url": addresses.file(file),
        "yanked": file.yanked is not None,
        "yanked_reason": file.yanked or None,
    }


def _dump(document: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # half a surrogate pair in somebody's README
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8", "replace") + b"\n"
