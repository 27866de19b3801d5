# SPDX-License-Identifier: Apache-2.0
"""A backup of everything, beside a running server: the databases as of one moment, then the blobs their rows name.

Blobs are written once and stay as long as a row names them, so they may be copied after the moment of the rows. What
was purged meanwhile is left out; what is missing or damaged is left out and said.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256 as hash_of
from pathlib import Path
from typing import Any

from packhouse import __version__
from packhouse.catalogue import dumping
from packhouse.catalogue.rows import fetch_one
from packhouse.errors import PackhouseError
from packhouse.services import notes
from packhouse.services.resources import Resources
from packhouse.services.watching import Watch
from packhouse.storage import backup_file, sqlite

_NAMED = """
SELECT sha256, MAX(size) AS size FROM (
  SELECT sha256, size FROM {files} WHERE purged_serial IS NULL
  UNION ALL SELECT metadata_sha256, -1 FROM {files} WHERE purged_serial IS NULL AND metadata_sha256 <> '') AS named
GROUP BY sha256 ORDER BY sha256"""


@dataclass(slots=True)
class Made:
    """What a backup holds: sizes in bytes, digests of blobs that could not be copied whole."""

    serial: int = 0
    blobs: int = 0
    size: int = 0
    missing: list[str] = field(default_factory=list)


def back_up(resources: Resources, path: Path, *, replace: bool = False, watch: Watch | None = None) -> Made:
    """Write a backup to `path`. Raises CONFLICT when it is there, FULL or UNAVAILABLE as the disk says."""
    watch = watch or Watch()
    made = Made()
    with (
        backup_file.new_file(path, replace=replace) as out,
        tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=f".{path.name}.rows-") as temporary,
    ):
        writer, folder = backup_file.Writer(out), Path(temporary)
        watch.begin("databases", 1)
        manifest, wanted = _take_rows(resources, folder)
        made.serial = manifest["serial"]
        watch.advance(1)
        writer.add_bytes(backup_file.MANIFEST, json.dumps(manifest).encode())
        for name in manifest["members"]:
            source = resources.settings.data if name in _SETTINGS else folder
            writer.add_file(name, source / name)
        watch.begin("stored files", manifest["size"])
        for digest, size in wanted:
            _add_blob(writer, resources, digest, size, made)
            resources.hook("b1")
            watch.advance(max(size, 0))
        writer.add_bytes(backup_file.END, json.dumps(asdict(made)).encode())
        writer.end()
    notes.keep(resources.settings.data, "last-backup", {
        "at": resources.clock().isoformat(), "serial": made.serial, "file": str(path.absolute()), "blobs": made.blobs,
        "size": path.stat().st_size, "missing": len(made.missing),
    })  # fmt: skip
    return made


_SETTINGS = ("secret-key", "packhouse.toml")


def _take_rows(resources: Resources, folder: Path) -> tuple[dict[str, Any], Iterator[tuple[str, int]]]:
    """Dump the databases into a folder; the manifest, and the blobs that the dumped rows name, in order."""
    settings = resources.settings
    (folder / "rows").mkdir()
    tables: dumping.Columns = {}
    if settings.on_postgresql:
        tables = dumping.dump_postgresql(folder / "rows")
        files = _rows_of_dump(folder, tables)
    else:
        dumping.dump_sqlite(folder)
        files = sqlite.connect_read_only(folder / "catalogue.db")
    (serial, at) = files.execute("SELECT value, at FROM catalogue_counter WHERE name = 'serial'").fetchone()
    named = _NAMED.format(files="catalogue_file")
    statement = f"SELECT count(*), COALESCE(SUM(MAX(size, 0)), 0) FROM ({named})"  # noqa: S608 - our own words
    count, size = files.execute(statement).fetchone()
    members = [name for name in _SETTINGS if (settings.data / name).is_file()]
    members += [name for name in ("catalogue.db", "activity.db") if (folder / name).is_file()]
    members += [f"rows/{table}" for table in sorted(tables)]
    manifest = {
        "format": backup_file.FORMAT, "version": __version__, "made_at": resources.clock().isoformat(),
        "serial": serial, "serial_at": None if at is None else str(at),
        "database": "postgresql" if tables else "sqlite",
        "migrations": dumping.migrations(), "tables": tables, "blobs": count, "size": size,
        "members": {name: _digest(folder if name not in _SETTINGS else settings.data, name) for name in members},
    }  # fmt: skip
    return manifest, iter(files.execute(named))


def _digest(folder: Path, name: str) -> str:
    running = hash_of(usedforsecurity=False)
    with (folder / name).open("rb") as source:
        shutil.copyfileobj(source, _Sink(running))
    return running.hexdigest()


class _Sink:
    """Something to write to that hashes."""

    def __init__(self, running: Any) -> None:
        self.write = running.update


def _rows_of_dump(folder: Path, tables: dumping.Columns) -> Any:
    """What the dump of PostgreSQL says of blobs and the serial, in a SQLite file: it may be long, and is sorted."""
    kept = sqlite.library.connect(folder / "named.db")
    kept.execute("CREATE TABLE catalogue_file (sha256, metadata_sha256, size INTEGER, purged_serial)")
    kept.execute("CREATE TABLE catalogue_counter (name, value INTEGER, at)")
    for table in ("catalogue_file", "catalogue_counter"):
        wanted = [row[1] for row in kept.execute(f"PRAGMA table_info({table})")]
        columns = tables[f"catalogue.{table}"]
        places = [columns.index(name) for name in wanted]
        with (folder / "rows" / f"catalogue.{table}").open(encoding="utf-8", newline="\n") as lines:
            cells = (line.rstrip("\n").split("\t") for line in lines)
            rows = ([None if row[place] == "\\N" else row[place] for place in places] for row in cells)
            marks = ", ".join("?" for _ in wanted)
            kept.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - our own words
    kept.commit()
    return kept


def _add_blob(writer: backup_file.Writer, resources: Resources, digest: str, size: int, made: Made) -> None:
    """Copy a blob; one that is missing, cut short or other than its name goes on the list."""
    there = resources.blobs.stat(digest)
    if there is None or size not in {-1, there}:
        if _still_named(digest):
            made.missing.append(digest)
        return
    running = hash_of(usedforsecurity=False)
    writer.add(f"blobs/{digest}", there, _hashed(resources, digest, running))
    made.blobs += 1
    made.size += there
    if running.hexdigest() != digest:
        made.missing.append(digest)


def _hashed(resources: Resources, digest: str, running: Any) -> Iterator[bytes]:
    try:
        for chunk in resources.blobs.open(digest):
            running.update(chunk)
            yield chunk
    except (OSError, PackhouseError):
        return  # the digest tells


def _still_named(digest: str) -> bool:
    statement = "SELECT 1 FROM catalogue_file WHERE purged_serial IS NULL AND (sha256 = %s OR metadata_sha256 = %s)"
    return fetch_one(statement, digest, digest) is not None
