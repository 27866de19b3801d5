# SPDX-License-Identifier: Apache-2.0
"""Compressing what is sent, the same bytes for the same bytes."""

from __future__ import annotations

import gzip

import brotli
import zstandard

GZIP_LEVEL = 6
ZSTD_LEVEL = 3
BROTLI_QUALITY = 4


def compress(body: bytes, encoding: str) -> bytes:
    """The body in a content coding out of `negotiation.ENCODINGS`, or as it is for `identity`."""
    match encoding:
        case "gzip":
            return gzip.compress(body, GZIP_LEVEL, mtime=0)
        case "zstd":
            return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body)
        case "br":
            return bytes(brotli.compress(body, quality=BROTLI_QUALITY))
        case _:
            return body
