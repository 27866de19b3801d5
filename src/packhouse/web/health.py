# SPDX-License-Identifier: Apache-2.0
"""`/healthz` (the process answers) and `/readyz` (it can do its work)."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse

from packhouse.catalogue.migrating import check
from packhouse.config import Settings
from packhouse.errors import Kind, PackhouseError, refuse

PLAIN = "text/plain; charset=utf-8"

_leaving = threading.Event()


def leave() -> None:
    """Say from now on that this process is not ready, since it ends soon; where there is an edge, that says it."""
    _leaving.set()


def healthz(request: HttpRequest) -> HttpResponse:
    """200 `ok`, always: the process is alive."""
    return _answer(200, "ok\n")


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the databases answer and are of this version and blobs can be written; else 503 naming what is not."""
    if _leaving.is_set():
        return _answer(503, "stop: near\n")
    lines = [f"{name}: {_outcome(attempt)}\n" for name, attempt in _checks()]
    failed = any(not line.endswith(": ok\n") for line in lines)
    return _answer(503 if failed else 200, "".join(lines))


def _answer(status: int, body: str) -> HttpResponse:
    return HttpResponse(body, status=status, content_type=PLAIN, headers={"Cache-Control": "no-store"})


def _checks() -> Iterator[tuple[str, Callable[[], None]]]:
    yield "catalogue", lambda: _answers("default")
    yield "activity", lambda: _answers("activity")
    yield "blobs", lambda: _writable(_settings().blobs_folder)


def _settings() -> Settings:
    ours: Settings = settings.PACKHOUSE
    return ours


def _outcome(attempt: Callable[[], None]) -> str:
    try:
        attempt()
    except (Error, OSError, PackhouseError) as error:
        return f"failed ({type(error).__name__})"
    return "ok"


def _answers(alias: str) -> None:
    if check(_settings(), alias):
        raise refuse(Kind.UNAVAILABLE, "migrations-missing", "Migrations are missing.")


def _writable(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        os.write(file.fileno(), b"x")
