# SPDX-License-Identifier: Apache-2.0
"""Whether the bytes of a blob are those of its name."""

from __future__ import annotations

import hashlib

from packhouse.catalogue.rows import fetch, fetch_one
from packhouse.errors import PackhouseError
from packhouse.storage.blobs import Blobs


def digest_of(blobs: Blobs, sha256: str) -> str:
    """The sha256 that the bytes of a blob have. Raises OSError, or PackhouseError when there is no such blob."""
    running = hashlib.sha256(usedforsecurity=False)
    for chunk in blobs.open(sha256):
        running.update(chunk)
    return running.hexdigest()


def is_whole(blobs: Blobs, sha256: str) -> bool:
    """Whether a blob is there, can be read and has the bytes of its name."""
    try:
        return digest_of(blobs, sha256) == sha256
    except (OSError, PackhouseError):
        return False


def names_of(sha256: str) -> list[str]:
    """The filenames of the files a blob belongs to, purged ones left out."""
    statement = """
        SELECT filename FROM catalogue_file WHERE purged_serial IS NULL AND (sha256 = %s OR metadata_sha256 = %s)
        ORDER BY filename"""
    return [name for (name,) in fetch(statement, sha256, sha256)]


def metadata_digest(filename: str) -> str:
    """The digest of the core metadata of a file; "" when there is none."""
    row = fetch_one("SELECT metadata_sha256 FROM catalogue_file WHERE filename = %s", filename)
    return str(row[0]) if row else ""
