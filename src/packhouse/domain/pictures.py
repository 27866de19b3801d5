# SPDX-License-Identifier: Apache-2.0
"""Which bytes are a picture that may be shown: a raster image, told by its first bytes and never by what it is called.

SVG is none: it is a document that can hold script and ask other servers.
"""

from __future__ import annotations

from typing import NamedTuple

LARGEST = 5 * 1024 * 1024  # bytes of a picture
ENOUGH = 32  # bytes that tell the kind

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_AVIF = frozenset({b"avif", b"avis"})


class Picture(NamedTuple):
    """A picture: its media type, told by its bytes, and its bytes."""

    media_type: str
    body: bytes


def media_type_of(beginning: bytes) -> str | None:
    """The media type of the picture that begins so; None when it is none."""
    for mark, media_type in _BEGINNINGS:
        if beginning.startswith(mark):
            return media_type
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "image/webp"
    if beginning[4:8] == b"ftyp" and beginning[8:12] in _AVIF:
        return "image/avif"
    return None
