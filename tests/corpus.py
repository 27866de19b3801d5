# SPDX-License-Identifier: Apache-2.0
"""Distributions for tests: sound ones, and ones that are wrong in exactly the way a test asks for.

The same arguments always give the same bytes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping

Files = Mapping[str, bytes]


def make_metadata(
    name: str,
    version: str,
    *,
    metadata_version: str = "2.4",
    lines: Iterable[str] = (),
    summary: str = "A project for tests",
    description: str = "",
) -> bytes:
    """METADATA or PKG-INFO; `lines` are further header lines such as `Requires-Dist: a`."""
    head = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    if summary:
        head.append(f"Summary: {summary}")
    text = "\n".join([*head, *lines]) + "\n"
    return (text + ("\n" + description if description else "")).encode()


def make_wheel(
    name: str,
    version: str,
    *,
    tags: str = "py3-none-any",
    build: str = "",
    files: Files | None = None,
    metadata: bytes | None = None,
    lines: Iterable[str] = (),
    summary: str = "A project for tests",
    description: str = "",
    metadata_version: str = "2.4",
    wheel: bytes | None = None,
    record: bytes | None = None,
    without: Iterable[str] = (),
    filename: str | None = None,
) -> tuple[str, bytes]:
    """A wheel and its filename; sound unless told otherwise.

    `files` are added by path, and stand in the place of those made here; `without` names members of `.dist-info` to
    leave out; `wheel` and `record` are the bytes of those members.
    """
    module = normalized(name)
    info = f"{module}-{version}.dist-info"
    if metadata is None:
        metadata = make_metadata(
            name,
            version,
            metadata_version=metadata_version,
            lines=lines,
            summary=summary,
            description=description,
        )
    members: dict[str, bytes] = {f"{module}/__init__.py": b"VERSION = " + repr(version).encode() + b"\n"}
    members |= {f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel or make_wheel_file(tags, build)}
    members |= files or {}
    for left_out in without:
        members.pop(f"{info}/{left_out}", None)
    if "RECORD" not in without:
        members[f"{info}/RECORD"] = make_record(members, f"{info}/RECORD") if record is None else record
    middle = f"-{build}" if build else ""
    return filename or f"{module}-{version}{middle}-{tags}.whl", make_zip(members)


def make_sdist(
    name: str,
    version: str,
    *,
    files: Files | None = None,
    pkg_info: bytes | None = None,
    lines: Iterable[str] = (),
    summary: str = "A project for tests",
    description: str = "",
    metadata_version: str = "2.4",
    without: Iterable[str] = (),
    top: str | None = None,
    filename: str | None = None,
    members: Iterable[tuple[tarfile.TarInfo, bytes]] = (),
) -> tuple[str, bytes]:
    """An sdist and its filename; sound unless told otherwise.

    `files` are added below the top directory `top`, `members` anywhere; `without` names files to leave out.
    """
    stem = f"{normalized(name)}-{version}"
    top = stem if top is None else top
    if pkg_info is None:
        pkg_info = make_metadata(
            name,
            version,
            metadata_version=metadata_version,
            lines=lines,
            summary=summary,
            description=description,
        )
    inside = {
        "PKG-INFO": pkg_info,
        "pyproject.toml": b"[build-system]\nrequires = []\n",
        f"src/{normalized(name)}.py": b"VERSION = " + repr(version).encode() + b"\n",
    } | dict(files or {})
    for left_out in without:
        inside.pop(left_out, None)
    entries = [(tar_member(f"{top}/{path}"), data) for path, data in inside.items()]
    return filename or f"{stem}.tar.gz", make_gzip(make_tar([*entries, *members]))


def normalized(name: str) -> str:
    """The name as filenames spell it."""
    return "_".join(part for part in name.lower().replace(".", "-").replace("_", "-").split("-") if part)


def make_wheel_file(tags: str = "py3-none-any", build: str = "", version: str = "1.0") -> bytes:
    """The member WHEEL, with a line for each tag that the compressed set stands for."""
    pythons, abis, platforms = (part.split(".") for part in tags.split("-"))
    lines = [f"Wheel-Version: {version}", "Generator: corpus", "Root-Is-Purelib: true"]
    lines += [f"Tag: {p}-{a}-{s}" for p in pythons for a in abis for s in platforms]
    return ("\n".join(lines + ([f"Build: {build}"] if build else [])) + "\n").encode()


def make_record(members: Files, itself: str) -> bytes:
    """A RECORD of these members."""
    rows = [f"{path},{record_hash(data)},{len(data)}" for path, data in members.items()]
    return ("\n".join([*rows, f"{itself},,"]) + "\n").encode()


def record_hash(data: bytes, algorithm: str = "sha256") -> str:
    """A digest as RECORD spells it."""
    digest = hashlib.new(algorithm, data).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def make_zip(members: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive as build tools write it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for path, data in members.items():
            info = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data, method)
    return out.getvalue()


def tar_member(path: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """A member of a tar archive; its size is set when it is written."""
    member = tarfile.TarInfo(path)
    member.type = kind
    member.linkname = link
    member.mode = 0o644
    return member


def make_tar(members: Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def make_gzip(data: bytes) -> bytes:
    """One gzip member, without a name or a time."""
    return gzip.compress(data, 6, mtime=0)
