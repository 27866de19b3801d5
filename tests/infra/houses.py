# SPDX-License-Identifier: Apache-2.0
"""All that a house holds, to be compared with another: every row of every table, and pages as they are sent."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from tests.infra.server import Server, environment

_DUMP = """
import sys, orjson
from packhouse import bootstrap, config
settings = config.load()
bootstrap.connect_to_read(settings)
from packhouse.catalogue.tables import ALIASES, tables_of
from packhouse.services.row_stores import row_stores
from packhouse.storage.rows import all_rows, canonical
told = {}
with row_stores(settings) as stores:
    for alias in ALIASES:
        for table in tables_of(alias):
            rows = [canonical(table, row) for rows in all_rows(stores[alias], table) for row in rows]
            told[table.name] = [[v.hex() if isinstance(v, bytes) else str(v) for v in row] for row in rows]
            told[table.name].append([str(stores[alias].highest(table))])
sys.stdout.buffer.write(orjson.dumps(told))
"""
Dump = dict[str, list[list[str]]]
ACCEPT = {
    "json": "application/vnd.pypi.simple.v1+json",
    "html": "text/html",
}


def dump(data: Path, extra: Mapping[str, str]) -> Dump:
    """Every row of a house by table, and at the end of each the highest number it has given."""
    told = environment({**extra, "PACKHOUSE_DATA": str(data)})
    done = subprocess.run([sys.executable, "-c", _DUMP], env=told, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    rows: Dump = orjson.loads(done.stdout)
    return rows


def differing(one: Dump, other: Dump, *, but: Iterable[str] = ()) -> list[str]:
    """The tables that differ; `but` those of which it may be so."""
    return [name for name in sorted(one.keys() | other.keys()) if name not in set(but) and one[name] != other[name]]


def pages(server: Server, paths: Iterable[str]) -> dict[str, tuple[int, str, bytes]]:
    """Status, entity tag and bytes of each page, in each form."""
    found = {}
    for path in paths:
        for form, accept in ACCEPT.items():
            status, headers, body = server.get(path, {"Accept": accept})
            found[f"{path} {form}"] = (status, headers.get("etag", ""), body)
    return found


def files(server: Server, page: str) -> dict[str, bytes]:
    """The bytes of each file that a page names, by filename."""
    status, _, body = server.get(page, {"Accept": ACCEPT["json"]})
    assert status == 200, page
    found = {}
    for file in orjson.loads(body)["files"]:
        path = re.sub(r"^(\.\./)+", "/", file["url"].partition("#")[0])
        found[file["filename"]] = server.get(path)[2]
    return found
