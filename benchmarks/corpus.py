# SPDX-License-Identifier: Apache-2.0
"""What the servers are filled with: small but valid wheels, the same bytes on every run."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import random
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sizes import Sizes

BLOCK = 1024 * 1024
WHEN = (2026, 1, 1, 0, 0, 0)
WORDS = ("index", "wheel", "build", "install", "version", "module", "token", "mirror", "cache", "upload", "reader")
ENDS = ("able", "box", "craft", "deck", "flow", "gate", "hub", "kit", "lab", "mill", "net", "path", "ring")
PLATFORMS = (
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "macosx_11_0_arm64",
    "win_amd64",
)
TAGS = tuple(f"cp3{minor}-cp3{minor}-{platform}" for minor in range(9, 14) for platform in PLATFORMS)


@dataclass(frozen=True)
class Wheel:
    """A wheel to upload."""

    project: str
    version: str
    filename: str
    data: bytes


@dataclass(frozen=True)
class Names:
    """The names of the corpus's projects, by what they are for. The tree's first depends on all others."""

    small: tuple[str, ...]
    big: str
    fat: str
    tree: tuple[str, ...]


def choose_names(sizes: Sizes, table: Path | None = None) -> Names:
    """Names from the first column of a tab-separated table with a heading, else made-up ones.

    Raises ValueError for a table with too few rows.
    """
    wanted = sizes.projects + 2 + sizes.tree
    found = _made_up(wanted) if table is None else _from_table(table)
    if len(found) < wanted:
        raise ValueError(f"{table} has {len(found)} names, {wanted} are needed.")
    small = tuple(found[: sizes.projects])
    big, fat, *rest = found[sizes.projects : wanted]
    return Names(small, big, fat, tuple(rest))


def _made_up(count: int) -> list[str]:
    """Names like `mirrorflow-3`, none of which anybody has."""
    pairs = [f"{word}{end}" for end in ENDS for word in WORDS]
    return [f"{pairs[i % len(pairs)]}-{i}" for i in range(count)]


def _from_table(table: Path) -> list[str]:
    with table.open(encoding="utf-8", newline="") as rows:
        names = [row[0] for row in csv.reader(rows, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    return names[1:]


def corpus(names: Names, sizes: Sizes) -> Iterator[Wheel]:
    """All wheels, in the order they are uploaded."""
    for name in names.small:
        for release in range(sizes.releases):
            yield make_wheel(
                name, f"{release // 4 + 1}.{release % 4}.0", ("packaging>=20", "tomli; python_version<'3'")
            )
    for number in range(sizes.big):
        yield make_wheel(names.big, f"1.{number // len(TAGS)}.0", tag=TAGS[number % len(TAGS)])
    yield make_wheel(names.fat, "1.0", extra=sizes.fat)
    yield from _tree(names.tree, sizes)


def _tree(names: Sequence[str], sizes: Sizes) -> Iterator[Wheel]:
    """Projects of three releases each; number i needs 2i+1, 2i+2 and, most of them, a later one."""
    chance = random.Random("tree")
    for number, name in enumerate(names):
        needs = {n for n in (2 * number + 1, 2 * number + 2) if n < len(names)}
        if number + 1 < len(names):
            needs.add(chance.randrange(number + 1, len(names)))
        for release in range(3):
            requires = [f"{names[n]}>=1.{chance.randrange(3)}" for n in sorted(needs)]
            size = chance.randrange(sizes.tree_file // 5, sizes.tree_file)
            yield make_wheel(name, f"1.{release}", requires, extra=size)


def make_wheel(
    name: str, version: str, requires: Sequence[str] = (), *, tag: str = "py3-none-any", extra: int = 0
) -> Wheel:
    """A valid wheel of about 3 kB, with `extra` bytes of incompressible data in it."""
    chance = random.Random(f"{name} {version} {tag}")
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    files = {
        f"{stem}/__init__.py": f'VERSION = "{version}"\nDATA = "{chance.randbytes(1000).hex()}"\n'.encode(),
        f"{info}/METADATA": _metadata(name, version, requires, chance),
        f"{info}/WHEEL": _wheel_file(tag),
    }
    if extra:
        files[f"{stem}/data.bin"] = chance.randbytes(extra)
    files[f"{info}/RECORD"] = _record(files, info)
    return Wheel(name, version, f"{stem}-{version}-{tag}.whl", _zipped(files))


def write_wheel(folder: Path, name: str, version: str, size: int) -> tuple[Wheel, Path, str]:
    """A valid wheel that need not be in memory, with `size` bytes that don't compress; its file and sha256."""
    wheel, chance = make_wheel(name, version), random.Random(name)
    file, block, written, digest = folder / wheel.filename, chance.randbytes(BLOCK), 0, hashlib.sha256()
    with zipfile.ZipFile(io.BytesIO(wheel.data)) as small, zipfile.ZipFile(file, "w") as archive:
        inside = f"{name.replace('-', '_')}/data.bin"
        with archive.open(zipfile.ZipInfo(inside, WHEN), "w") as target:
            while written < size:
                piece = written.to_bytes(8, "big") + block[: size - written]
                digest.update(piece)
                target.write(piece)
                written += len(piece)
        told = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
        for member in small.infolist():
            data = small.read(member)
            if member.filename.endswith("/RECORD"):
                data += f"{inside},sha256={told},{written}\n".encode()
            archive.writestr(member, data)
    with file.open("rb") as source:
        return wheel, file, hashlib.file_digest(source, "sha256").hexdigest()


def _metadata(name: str, version: str, requires: Sequence[str], chance: random.Random) -> bytes:
    heading = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        f"Summary: {name} is there to be measured",
        "Author-email: A Person <person@example.org>",
        "License-Expression: MIT",
        "Requires-Python: >=3.8",
        "Classifier: Programming Language :: Python :: 3",
        *(f"Requires-Dist: {one}" for one in requires),
        "Description-Content-Type: text/markdown",
    ]
    lines = [" ".join(chance.choice(WORDS) for _ in range(12)) for _ in range(20)]
    return "\n".join([*heading, "", f"# {name}", "", *lines, ""]).encode()


def _wheel_file(tag: str) -> bytes:
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    tags = [f"Tag: {p}-{a}-{m}" for p in pythons for a in abis for m in platforms]
    purely = "true" if platforms == ["any"] else "false"
    return "\n".join(["Wheel-Version: 1.0", "Generator: benchmarks", f"Root-Is-Purelib: {purely}", *tags, ""]).encode()


def _record(files: dict[str, bytes], info: str) -> bytes:
    lines = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}")
    return "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()


def _zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            about = zipfile.ZipInfo(name, WHEN)
            about.external_attr = 0o644 << 16
            how = zipfile.ZIP_STORED if name.endswith(".bin") else zipfile.ZIP_DEFLATED
            archive.writestr(about, data, compress_type=how)
    return out.getvalue()
