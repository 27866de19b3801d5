# SPDX-License-Identifier: Apache-2.0
"""Where a continuous backup is kept: a folder or a bucket, with whole files under names, and blobs beside them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from packhouse.errors import Kind, refuse
from packhouse.storage.backup_file import CHUNK, disk_refusals
from packhouse.storage.blobs import Blobs, BucketBlobs, LocalBlobs
from packhouse.storage.buckets import Bucket, bucket_errors, is_bucket
from packhouse.storage.folders import make_folder, sync_folder
from packhouse.storage.incoming import Hook, no_hook


class Depot(Protocol):
    """Whole files under names of ours (`changes/NAME`). Raises PackhouseError (FULL, UNAVAILABLE)."""

    address: str

    def put(self, name: str, file: Path) -> None:
        """Keep a copy of a file, durably: whole under its name, or not at all."""

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file. Raises MISSING when it is not there."""

    def names(self, folder: str) -> list[str]:
        """The files of a folder, in order, with it in their names."""

    def delete(self, name: str) -> None:
        """Remove a file; harmless when it is not there."""

    def blobs(self, near: Path) -> Blobs:
        """The blobs kept here; `near` is a folder of this machine for those on their way."""


def depot_at(address: str, hook: Hook = no_hook) -> Depot:
    """The depot of an address: `file:///FOLDER`, `s3://BUCKET/PREFIX` and so on, or the path of a folder."""
    if is_bucket(address):
        return BucketDepot(address)
    return FolderDepot(Path(address.removeprefix("file://")), hook)


class FolderDepot:
    """In a folder (0700)."""

    def __init__(self, root: Path, hook: Hook = no_hook) -> None:
        self._root, self._hook = root.absolute(), hook
        self.address = f"file://{self._root}"

    def put(self, name: str, file: Path) -> None:
        """See `Depot.put`: the bytes are durable before they have the name."""
        target = self._root / name
        with disk_refusals(target):
            if not self._root.is_dir():
                make_folder(self._root, 0o700)
            if target.parent != self._root:
                make_folder(target.parent, 0o700)
            partial = target.with_name(f".{target.name}.{os.getpid()}")
            try:
                with file.open("rb") as source, partial.open("xb") as out:
                    shutil.copyfileobj(source, out, CHUNK)
                    out.flush()
                    self._hook("b1")
                    os.fsync(out.fileno())
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            sync_folder(target.parent)

    def read(self, name: str) -> Iterator[bytes]:
        """See `Depot.read`."""
        file = self._root / name
        if not file.is_file():
            raise _missing(name, self.address)
        with disk_refusals(file), file.open("rb") as source:
            while chunk := source.read(CHUNK):
                yield chunk

    def names(self, folder: str) -> list[str]:
        """See `Depot.names`: one that begins with a dot is not whole, and goes when nobody writes it any more."""
        with suppress(FileNotFoundError, NotADirectoryError):
            there = sorted(entry.name for entry in (self._root / folder).iterdir())
            return [f"{folder}/{name}" for name in there if not name.startswith(".")]
        return []

    def delete(self, name: str) -> None:
        """See `Depot.delete`."""
        with disk_refusals(self._root / name):
            (self._root / name).unlink(missing_ok=True)

    def blobs(self, near: Path) -> Blobs:
        """See `Depot.blobs`."""
        return LocalBlobs(self._root / "blobs")


class BucketDepot:
    """In a bucket, or below a prefix in one."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._bucket = Bucket(self.address)

    def put(self, name: str, file: Path) -> None:
        """See `Depot.put`."""
        import obstore

        with bucket_errors("keeping a backup"):
            obstore.put(self._bucket.store, name, file)

    def read(self, name: str) -> Iterator[bytes]:
        """See `Depot.read`."""
        import obstore

        try:
            with bucket_errors("reading a backup"):
                found = obstore.get(self._bucket.store, name).stream(min_chunk_size=CHUNK)
        except FileNotFoundError:
            raise _missing(name, self.address) from None
        stream = iter(found)
        while True:
            with bucket_errors("reading a backup"):
                chunk = next(stream, None)
            if chunk is None:
                return
            yield bytes(chunk)

    def names(self, folder: str) -> list[str]:
        """See `Depot.names`."""
        import obstore

        with bucket_errors("listing a backup"):
            portions = obstore.list(self._bucket.store, f"{folder}/", chunk_size=1000)
            return sorted(entry["path"] for portion in portions for entry in portion)

    def delete(self, name: str) -> None:
        """See `Depot.delete`."""
        import obstore

        with bucket_errors("removing an old backup"), suppress(FileNotFoundError):
            obstore.delete(self._bucket.store, name)

    def blobs(self, near: Path) -> Blobs:
        """See `Depot.blobs`."""
        return BucketBlobs(Bucket(f"{self.address}/blobs"), near)


def _missing(name: str, address: str) -> Exception:
    return refuse(Kind.MISSING, "depot-missing", f"{address} has no {name}; name the place of a continuous backup.")
