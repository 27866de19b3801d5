# SPDX-License-Identifier: Apache-2.0
"""Static files, straight from the installed program: read once into memory, offered under the hash of them all.

There is no collecting step, so a wheel that was just installed has its style sheet. `/static/<hash>/<name>` never
changes and is kept by browsers for a year; because the hash is one for all files, a style sheet may name a picture by
a relative address.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix

from packhouse.errors import Kind, refuse

IMMUTABLE = "public, max-age=31536000, immutable"
_COMPRESSED = {"text/css", "text/javascript", "image/svg+xml", "application/json", "text/plain"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, the same in gzip (None when that is no gain), its media type."""

    body: bytes
    gzipped: bytes | None
    media_type: str


@cache
def assets() -> dict[str, Asset]:
    """All static files of the installed apps, by name (`packhouse/packhouse.css`)."""
    found: dict[str, Asset] = {}
    for finder in finders.get_finders():
        for name, storage in finder.list(ignore_patterns=[".*", "*.map"]):
            found.setdefault(name.replace("\\", "/"), _read(Path(storage.path(name))))
    return found


def _read(file: Path) -> Asset:
    body = file.read_bytes()
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if media_type == "application/javascript":
        media_type = "text/javascript"
    gzipped = gzip.compress(body, 9, mtime=0) if media_type in _COMPRESSED else None
    small = gzipped if gzipped is not None and len(gzipped) < len(body) else None
    return Asset(body, small, media_type)


@cache
def bundle() -> str:
    """The hash of all files, 16 hex digits."""
    digest = hashlib.sha256()
    for name, asset in sorted(assets().items()):
        digest.update(f"{name}\0{len(asset.body)}\0".encode())
        digest.update(asset.body)
    return digest.hexdigest()[:16]


class Storage(StaticFilesStorage):
    """What `{% static %}` asks for addresses."""

    def url(self, name: str | None) -> str:
        """The address of a file, in this bundle."""
        return f"{get_script_prefix()}static/{bundle()}/{quote(name or '')}"


def serve(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """Send a static file; one asked for by another bundle's hash is sent too, but not to be kept."""
    asset = assets().get(name)
    if asset is None:
        raise refuse(Kind.MISSING, "file-missing", "There is no such static file here.")
    zipped = asset.gzipped is not None and "gzip" in request.headers.get("Accept-Encoding", "")
    body = asset.gzipped if zipped and asset.gzipped is not None else asset.body
    charset = "; charset=utf-8" if asset.media_type.startswith("text/") else ""
    response = HttpResponse(body, content_type=asset.media_type + charset)
    response["Cache-Control"] = IMMUTABLE if digest == bundle() else "no-cache"
    response["Vary"] = "Accept-Encoding"
    if zipped:
        response["Content-Encoding"] = "gzip"
    return response
