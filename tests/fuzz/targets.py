# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed, by name, and the small files each begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import corpus
from tests.corpus_hostile import ACCEPT, REJECT
from tests.fuzz import makers, oracles

CORPUS = Path(__file__).parent / "corpus"
LARGEST_SEED = 4096  # bytes


@dataclass(frozen=True)
class Target:
    """Something that takes any bytes: `check` raises when an oracle is wrong, and says whether they are accepted."""

    check: Callable[[bytes], bool]
    seeds: Callable[[], dict[str, bytes]]
    dictionary: tuple[bytes, ...] = ()


def _choices() -> dict[str, bytes]:
    """Decisions: none, a few, and every one of a kind."""
    return {
        "sound": b"",
        "some": bytes(range(0, 250, 7)),
        "odd": bytes([3, 9, 240, 230, 250] * 8),
        "last": b"\xff" * 40,
    }


def _wheels() -> dict[str, bytes]:
    made = {f"accept-{name}": make("foo") for name, make in ACCEPT.items()}
    return made | {f"reject-{name.partition('-')[0]}": make("foo") for name, make in REJECT.items()}


def _tars() -> dict[str, bytes]:
    plain = corpus.make_tar([(corpus.tar_member("foo-1.0/PKG-INFO"), corpus.make_metadata("foo", "1.0"))])
    long = (corpus.tar_member("foo-1.0/" + "n" * 150), b"x")
    files = [(corpus.tar_member("foo-1.0/PKG-INFO"), corpus.make_metadata("foo", "1.0")), long]
    return {"plain": plain[:2560], "pax": corpus.make_tar(files)[:4096], "gnu": corpus.make_tar(files, 1)[:4096]}


def _sdists() -> dict[str, bytes]:
    return {"sound": corpus.make_sdist("foo", "1.0")[1], "named": _named(corpus.make_sdist("foo", "1.0")[1])}


def _named(data: bytes) -> bytes:
    """The same gzip data with a name and a comment in its header."""
    return data[:3] + b"\x18" + data[4:10] + b"foo-1.0.tar\0comment\0" + data[10:]


_LINES = """Requires-Dist: a[b,c]>=1,<2; (python_version < "3.12" or extra == "x") and os_name == "nt"
Requires-Dist: b @ https://example.org/b-1.0-py3-none-any.whl ; extra == 'y'
Requires-Python: >=3.8,!=3.9.*
Provides-Extra: x
License-Expression: MIT OR (Apache-2.0 WITH LLVM-exception AND BSD-3-Clause)
License-File: LICENSES/MIT.txt
Classifier: Programming Language :: Python
Project-URL: Home, https://example.org
Author-Email: "A. B." <a@example.org>, c@example.org
Dynamic: Description
Import-Name: foo.bar ; private
Description-Content-Type: text/markdown; charset=UTF-8; variant=GFM
Keywords: a,b c"""


def _metadata() -> dict[str, bytes]:
    full = corpus.make_metadata("foo", "1.0", metadata_version="2.6", lines=_LINES.split("\n"), description="# Foo\n")
    old = corpus.make_metadata(
        "foo", "1.0", metadata_version="1.1", lines=["License: x", "Description: a", "        b"]
    )
    return {"least": corpus.make_metadata("foo", "1.0"), "full": full, "old": old}


def _forms() -> dict[str, bytes]:
    return {name: makers.form_from(choices) for name, choices in _choices().items()}


SIGNATURES = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07")
HEADERS = (b"\nRequires-Dist: ", b"\nLicense-Expression: ", b"\nRequires-Python: ", b"; extra == ", b" and ", b" @ ")
PARTS = (b"--frontier", b"--frontier--", b'form-data; name="content"; filename=')

TARGETS = {
    "zip": Target(oracles.check_wheel, _wheels, SIGNATURES),
    "zip-made": Target(lambda data: oracles.check_wheel(makers.zip_from(data)), _choices),
    "tar": Target(oracles.check_tar, _tars, (b"ustar\x0000", b"ustar  ", b"path=", b"size=", b"././@LongLink")),
    "tar-made": Target(lambda data: oracles.check_tar(makers.tar_from(data)), _choices),
    "gzip": Target(oracles.check_sdist, _sdists, (b"\x1f\x8b\x08",)),
    "metadata": Target(oracles.check_metadata, _metadata, HEADERS),
    "form": Target(oracles.check_form, _forms, PARTS),
    "form-made": Target(lambda data: oracles.check_form(makers.form_from(data)), _choices),
}


def saved(name: str) -> Iterator[Path]:
    """The files kept for a target."""
    yield from sorted((CORPUS / name).glob("*"))


def write_seeds() -> None:
    """Write the files each target begins with; what was found by fuzzing stays."""
    for name, target in TARGETS.items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, data in target.seeds().items():
            if len(data) <= LARGEST_SEED:
                (folder / seed).write_bytes(data)


if __name__ == "__main__":
    write_seeds()
