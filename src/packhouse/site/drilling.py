# SPDX-License-Identifier: Apache-2.0
"""A restore drill: a backup is put back into a scratch place, looked at, asked for pages and files, and thrown away.

It runs in a process of its own, whose settings are its own: whatever the settings of the house name is left alone.
"""

from __future__ import annotations

import io
import json
import logging
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256 as hash_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.site.recovery import is_depot, recover
from packhouse.site.restoration import Restored, restore

if TYPE_CHECKING:
    from packhouse.services.resources import Resources
    from packhouse.services.watching import Watch

NOTE = "last-drill"
_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(slots=True)
class Drill:
    """What a drill showed; `restored`, `answered` and `verified` are in seconds from its beginning.

    `lag` is how old, in seconds, the last moment was of which the backup surely has everything, when the drill began.
    """

    began: datetime
    serial: int = 0
    lag: float = 0.0
    restored: float = 0.0
    answered: float = 0.0
    verified: float = 0.0
    projects: int = 0
    files: int = 0
    size: int = 0
    problems: list[str] = field(default_factory=list)


@contextmanager
def scratch(within: Path | None) -> Iterator[Path]:
    """A folder that goes afterwards, and settings that name nothing outside of it."""
    with tempfile.TemporaryDirectory(prefix="packhouse-drill-", dir=within) as folder:
        place = Path(folder)
        (place / "database").mkdir(mode=0o700)
        for name in [name for name in os.environ if name.startswith("PACKHOUSE_")]:
            del os.environ[name]
        os.environ |= {
            "PACKHOUSE_DATABASE": f"sqlite://{place}/database/catalogue.db",
            "PACKHOUSE_STORAGE": f"file://{place}/blobs",
            "PACKHOUSE_UPSTREAM": "none",
            "PACKHOUSE_BACKUP": "",
        }
        yield place


def run(place: str, within: Path | None, projects: int, watch: Watch, *, quick: bool = False) -> Drill:
    """Restore the newest state of a backup, and try it. What is wrong with it is in `problems`.

    Raises INVALID for the file of a house on PostgreSQL, of which nothing can be said here.
    """
    drill, begun = Drill(datetime.now(UTC)), time.monotonic()
    drill.lag = max(0.0, _lag(place, drill.began))
    with scratch(within) as folder:
        try:
            done = _put_back(place, folder / "data", watch)
            drill.serial, drill.restored = done.manifest.serial, time.monotonic() - begun
            drill.problems += [f"{problem.code}: {problem.sentence}" for problem in done.problems]
            _try(drill, folder / "data", projects, begun, watch, quick=quick)
        except PackhouseError as error:
            if error.code == "restore-other-database":
                message = (
                    f"{place} was made from PostgreSQL, and a drill has none; restore it into an empty database"
                    " by hand, or keep a continuous backup, which can be tried."
                )
                raise refuse(Kind.INVALID, "restore-other-database", message) from None
            drill.problems.append(f"{error.code}: {error.faults[0].message}")
    return drill


def _put_back(place: str, data: Path, watch: Watch) -> Restored:
    return recover(place, data, watch) if is_depot(place) else restore(Path(place), data, watch)


def _lag(place: str, now: datetime) -> float:
    """Seconds since the backup surely had everything; 0 for a file, whose age is its own."""
    from packhouse.storage.backup_reading import open_backup
    from packhouse.storage.depots import depot_at

    try:
        if not is_depot(place):
            with Path(place).open("rb") as source:
                return (now - datetime.fromisoformat(open_backup(source)[0].made_at)).total_seconds()
        told = json.loads(b"".join(depot_at(place).read("seen.json")))
        return (now - datetime.fromisoformat(told["at"])).total_seconds()
    except (PackhouseError, OSError, ValueError, KeyError):
        return 0.0


def _try(drill: Drill, data: Path, projects: int, begun: float, watch: Watch, *, quick: bool) -> None:
    """Ask the house for pages and files as an installer does, then look at all of it."""
    from packhouse import bootstrap, config
    from packhouse.services.verifying import Survey, verify
    from packhouse.site.wsgi import application
    from packhouse.web.resources import hold

    quiet_requests = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet_requests, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = config.load(data=data)
    stock = bootstrap.resources(settings)
    hold(stock)
    _ask_for_projects(drill, application(), _chosen(projects), stock)
    drill.answered = time.monotonic() - begun
    survey = Survey(stock, quick, watch)
    drill.problems += [f"{problem.code}: {problem.sentence}" for problem in verify(survey)]
    drill.size, drill.verified = survey.tally.size, time.monotonic() - begun
    bootstrap.close_databases()


def _chosen(count: int) -> list[tuple[str, str]]:
    """Some projects that have files, by chance, each in an index it is placed in."""
    from packhouse.catalogue.rows import fetch

    found = fetch(
        "SELECT DISTINCT i.name, p.name FROM catalogue_placement l JOIN catalogue_file f ON f.id = l.file_id"
        " JOIN catalogue_release r ON r.id = f.release_id JOIN catalogue_project p ON p.id = r.project_id"
        " JOIN catalogue_index i ON i.id = l.index_id"
        " WHERE l.to_serial IS NULL AND f.purged_serial IS NULL AND i.read = 'public' ORDER BY 1, 2"
    )
    return random.sample(found, min(count, len(found)))


def _ask_for_projects(drill: Drill, app: Any, chosen: list[tuple[str, str]], stock: Resources) -> None:
    for index, project in chosen:
        status, body = _ask(app, f"/index/{index}/simple/{project}/")
        try:
            listed = json.loads(body)["files"] if status == 200 else []
        except (ValueError, KeyError):
            listed = []
        if not listed:
            drill.problems.append(f"drill-page: the page of {project} in {index} is answered {status}, without files.")
            continue
        drill.projects += 1
        _ask_for_file(drill, app, index, listed[0], stock)


def _ask_for_file(drill: Drill, app: Any, index: str, file: dict[str, Any], stock: Resources) -> None:
    path = re.sub(r"^(\.\./)+", f"/index/{index}/", file["url"].partition("#")[0])
    status, body = _ask(app, path)
    expected = file["hashes"]["sha256"]
    if status == 200 and not body:  # handed to the edge, which sends the bytes of this blob
        body = stock.blobs.read(expected)
    if status != 200 or hash_of(body).hexdigest() != expected:
        drill.problems.append(f"drill-file: {file['filename']} is answered {status}, with other bytes than it had.")
        return
    drill.files += 1


def _ask(app: Any, path: str) -> tuple[int, bytes]:
    """A request to the house in this process: status and body."""
    told: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "SCRIPT_NAME": "", "HTTP_ACCEPT": _JSON,
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "HTTP_HOST": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip
    answer = app(environ, lambda status, _headers, _error=None: told.append(status))
    try:
        body = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return int(told[-1].split()[0]), body
