# SPDX-License-Identifier: Apache-2.0
"""Reading: pages, files and what is not there, under load, case by case, the two servers taking turns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from benchmarks.fetching import fetch
from benchmarks.load import load
from benchmarks.processes import cpu_time
from benchmarks.scene import Scene
from benchmarks.static import HTML, JSON


@dataclass(frozen=True)
class Case:
    """What is asked for; with `validate`, the ETag that each server gave is sent back."""

    name: str
    path: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 32
    validate: bool = False


def cases(scene: Scene) -> Iterator[Case]:
    """All cases; `Accept-Encoding: gzip` is always sent, as installers do."""
    small = f"/simple/{scene.names.small[0]}/"
    yield Case("page-html", small, headers={"Accept": HTML})
    yield Case("page-json", small, headers={"Accept": JSON})
    yield Case("page-big", f"/simple/{scene.names.big}/", headers={"Accept": JSON})
    yield Case("not-modified", small, 304, {"Accept": JSON}, validate=True)
    yield Case("not-found", "/simple/there-is-no-such-project/", 404, {"Accept": JSON})
    yield Case("metadata", first_file(scene, scene.names.small[0]) + ".metadata")
    yield Case("file", first_file(scene, scene.names.fat), connections=4)


def first_file(scene: Scene, project: str) -> str:
    """The path of a project's first file."""
    page = f"{scene.ours.url}/simple/{project}/"
    files = json.loads(fetch(page, {"Accept": JSON}).body)["files"]
    return urlsplit(urljoin(page, str(files[0]["url"]))).path


def read(scene: Scene) -> None:
    """Measure every case in every round on both servers."""
    for number in range(scene.sizes.rounds):
        for case in cases(scene):
            for server, (address, process) in scene.servers().items():
                _measure(scene, case, server, address, process, number)


def _measure(scene: Scene, case: Case, server: str, address: str, process: int, number: int) -> None:
    url = address + case.path
    headers = _headers(case, url)
    if number == 0 and scene.sizes.warm:
        load(url, headers, connections=case.connections, seconds=scene.sizes.warm)
    before = cpu_time(process)
    found = load(url, headers, connections=case.connections, seconds=scene.sizes.seconds)
    spent = cpu_time(process) - before
    scene.note(
        case.name,
        server,
        round=number,
        rate=round(found["requests"] / found["seconds"], 1),
        cpu_us=round(spent / max(1, found["requests"]), 2),
        **found,
    )


def _headers(case: Case, url: str) -> dict[str, str]:
    """The headers to send; raises RuntimeError when the server does not answer as the case expects."""
    headers = {**case.headers, "Accept-Encoding": "gzip"}
    if case.validate:
        headers["If-None-Match"] = fetch(url, headers).headers["etag"]
    status = fetch(url, headers).status
    if status != case.status:
        raise RuntimeError(f"{case.name}: {url} answers {status}, expected {case.status}.")
    return headers
