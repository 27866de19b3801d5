# SPDX-License-Identifier: Apache-2.0
"""Uploading as publishing clients do, over one connection that stays open."""

from __future__ import annotations

import base64
import hashlib
import http.client
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from benchmarks.corpus import Wheel

BOUNDARY = "----packhouse-benchmark-4d0a6c"
SECONDS = 300
PIECE = 256 * 1024
"""Bytes of a file sent at once."""


@dataclass(frozen=True)
class Form:
    """An upload's body, made before the clock runs."""

    filename: str
    body: bytes


def form_of(wheel: Wheel) -> Form:
    """The form a client sends for a wheel."""
    described = {
        "summary": f"{wheel.project} is there to be measured",
        "requires_python": ">=3.8",
        "description": "x" * 1500,
        "description_content_type": "text/markdown",
        "md5_digest": hashlib.md5(wheel.data).hexdigest(),
        "blake2_256_digest": hashlib.blake2b(wheel.data, digest_size=32).hexdigest(),
    }
    return _form(wheel, _fewest(wheel, hashlib.sha256(wheel.data).hexdigest()) | described)


def plain_form_of(wheel: Wheel) -> Form:
    """A form with the fewest fields, for servers that compare each with the file."""
    return _form(wheel, _fewest(wheel, hashlib.sha256(wheel.data).hexdigest()))


def ends_of_form(wheel: Wheel, sha256: str) -> tuple[bytes, bytes]:
    """What comes before and after the bytes of a file that are not in memory."""
    return _ends(wheel, _fewest(wheel, sha256))


def _fewest(wheel: Wheel, sha256: str) -> dict[str, str]:
    return {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.4",
        "name": wheel.project,
        "version": wheel.version,
        "filetype": "bdist_wheel",
        "pyversion": wheel.filename.split("-")[-3],
        "sha256_digest": sha256,
    }


def _form(wheel: Wheel, fields: dict[str, str]) -> Form:
    head, tail = _ends(wheel, fields)
    return Form(wheel.filename, head + wheel.data + tail)


def _ends(wheel: Wheel, fields: dict[str, str]) -> tuple[bytes, bytes]:
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    )
    head += (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{wheel.filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{BOUNDARY}--\r\n".encode()


class Publisher:
    """One connection to an upload address."""

    def __init__(self, address: str, password: str, user: str = "__token__") -> None:
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
        self._path = parts.path
        self._headers = {
            "Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "User-Agent": "packhouse-benchmark",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def publish(self, form: Form) -> None:
        """Send one; raises RuntimeError with the server's words when it is refused."""
        self._connection.request("POST", self._path, form.body, self._headers)
        self._demand_taken(form.filename)

    def publish_file(self, file: Path, head: bytes, tail: bytes) -> None:
        """Send a file piece by piece, between the ends of its form."""
        length = {"Content-Length": str(len(head) + file.stat().st_size + len(tail))}
        with file.open("rb") as source:
            pieces = chain([head], iter(partial(source.read, PIECE), b""), [tail])
            self._connection.request("POST", self._path, pieces, self._headers | length)
        self._demand_taken(file.name)

    def _demand_taken(self, filename: str) -> None:
        reply = self._connection.getresponse()
        said = reply.read()
        if reply.status not in {200, 201}:
            raise RuntimeError(f"{filename}: {reply.status} {said[:500].decode(errors='replace')}")
