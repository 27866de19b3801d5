# SPDX-License-Identifier: Apache-2.0
"""A judge of archives that looks at the metadata alone, in this process: for tests of what comes after judging."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.judgement import Judgement
from packhouse.domain.policy import Profile
from packhouse.errors import Fault


class CredulousJudge:
    """Believes every archive that can be opened; `seen` are the filenames it was asked about."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.faults: tuple[Fault, ...] = ()

    def judge(self, path: Path, filename: str, profile: Profile, sender: str = "") -> Judgement:
        """Read the metadata out of the archive."""
        self.seen.append(filename)
        try:
            raw = _wheel_metadata(path) if filename.endswith(".whl") else _sdist_metadata(path)
        except (zipfile.BadZipFile, tarfile.TarError, LookupError) as error:
            return Judgement(None, b"", faults=(Fault("archive-unreadable", f"{error}; build it again.", "content"),))
        message = Parser().parsestr(raw.decode("utf-8"))
        core = CoreMetadata(
            metadata_version=message["Metadata-Version"],
            name=message["Name"],
            version=message["Version"],
            summary=message["Summary"] or "",
            requires_python=message["Requires-Python"] or "",
            home_page=message["Home-Page"] or "",
            download_url=message["Download-Url"] or "",
            project_urls=tuple(_labelled(line) for line in message.get_all("Project-Url", ())),
            classifiers=tuple(message.get_all("Classifier", ())),
            keywords=tuple((message["Keywords"] or "").split(",")) if message["Keywords"] else (),
            description=str(message.get_payload()),
            description_content_type="text/plain",
        )
        return Judgement(core, raw, description_html=f"<p>{core.description}</p>", faults=self.faults)


def _labelled(line: str) -> tuple[str, str]:
    label, _, url = line.partition(", ")
    return label, url


def _wheel_metadata(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA")))


def _sdist_metadata(path: Path) -> bytes:
    with tarfile.open(path) as archive:
        found = archive.extractfile(next(n for n in archive.getnames() if n.endswith("/PKG-INFO")))
        return b"" if found is None else found.read()


def metadata(name: str, version: str, **headers: str) -> bytes:
    """The bytes of a METADATA or PKG-INFO; `description` becomes the body."""
    body = headers.pop("description", "")
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    lines += [f"{key.replace('_', '-').title()}: {value}" for key, value in headers.items()]
    return ("\n".join(lines) + f"\n\n{body}").encode()


def wheel(name: str, version: str, payload: str = "", **headers: str) -> bytes:
    """A small wheel, the same bytes every time; `payload` makes them differ."""
    stem = f"{name.replace('-', '_')}-{version}"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        members = {f"{stem}.dist-info/METADATA": metadata(name, version, **headers), "payload.py": payload.encode()}
        for member, data in members.items():
            archive.writestr(zipfile.ZipInfo(member), data)
    return out.getvalue()


def sdist(name: str, version: str, payload: str = "", **headers: str) -> bytes:
    """A small sdist, the same bytes every time."""
    stem = f"{name.replace('-', '_')}-{version}"
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for member, data in ((f"{stem}/PKG-INFO", metadata(name, version, **headers)), (f"{stem}/x", payload.encode())):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
