# SPDX-License-Identifier: Apache-2.0
"""Reading: pages, files and what is not there, under load, case by case, the two servers taking turns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from benchmarks.corpus import Names
from benchmarks.fetching import fetch
from benchmarks.load import load
from benchmarks.processes import cpu_time
from benchmarks.scene import Scene
from benchmarks.static import HTML, JSON


@dataclass(frozen=True)
class Case:
    """What is asked for; with `validate`, the ETag that each server gave is sent back.

    `of` is page, metadata or file; `project` chooses one of the corpus's names.
    """

    name: str
    of: str
    project: Callable[[Names], str]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 32
    validate: bool = False


def _small(names: Names) -> str:
    return names.small[0]


CASES = (
    Case("page-html", "page", _small, headers={"Accept": HTML}),
    Case("page-json", "page", _small, headers={"Accept": JSON}),
    Case("page-big", "page", lambda names: names.big, headers={"Accept": JSON}),
    Case("not-modified", "page", _small, 304, {"Accept": JSON}, validate=True),
    Case("not-found", "page", lambda _names: "there-is-no-such-project", 404, {"Accept": JSON}),
    Case("metadata", "metadata", _small),
    Case("file", "file", lambda names: names.fat, connections=4),
    Case("range", "file", lambda names: names.fat, 206, {"Range": "bytes=100000-165535"}),
)
"""All cases; `Accept-Encoding: gzip` is always sent, as installers do."""


def path_of(scene: Scene, case: Case) -> str:
    """The path of a case, the same on ours and on the nginx that has our pages."""
    project = case.project(scene.names)
    if case.of == "page":
        return f"/simple/{project}/"
    return first_file(scene, project) + (".metadata" if case.of == "metadata" else "")


def first_file(scene: Scene, project: str) -> str:
    """The path of a project's first file."""
    page = f"{scene.ours.url}/simple/{project}/"
    files = json.loads(fetch(page, {"Accept": JSON}).body)["files"]
    return urlsplit(urljoin(page, str(files[0]["url"]))).path


def read(scene: Scene) -> None:
    """Measure every case in every round on all servers, a reading node of ours among them."""
    with scene.reading_node():
        read_in_turn(scene)


def read_in_turn(scene: Scene) -> None:
    """Measure every case in every round on the servers there are."""
    for number in range(scene.sizes.rounds):
        for case in CASES:
            path = path_of(scene, case)
            for server, (address, process) in scene.servers().items():
                measure(scene, case, server, address + path, process, number)


def measure(scene: Scene, case: Case, server: str, url: str, process: int, number: int) -> None:
    """One round of a case on a server, of which `process` is the first process."""
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
