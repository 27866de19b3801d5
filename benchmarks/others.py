# SPDX-License-Identifier: Apache-2.0
"""The other indexes, one after the other: what they answer, how fast, at what cost, and small uploads."""

from __future__ import annotations

import json
import re
import shutil
import time
from functools import partial
from html import unescape
from typing import Any
from urllib.parse import urldefrag, urljoin

from benchmarks.corpus import Names, Wheel, corpus, make_wheel
from benchmarks.fetching import Fetched, fetch
from benchmarks.installing import install_once
from benchmarks.load import load
from benchmarks.peers import PEERS, Running, run_peer
from benchmarks.processes import LOAD_CPU, cpu_time, memory, pinned
from benchmarks.publishing import plain_form_of
from benchmarks.reading import CASES, Case
from benchmarks.scene import Scene
from benchmarks.static import JSON

ANCHOR = re.compile(r'<a[^>]*\shref="([^"]+)"')
NONE = "none"
"""Noted as `answers` where a server has no such answer."""


def others(scene: Scene) -> None:
    """Measure each peer that was asked for."""
    wheels = sorted(corpus(scene.names, scene.sizes), key=partial(_when_wanted, scene.names))
    folder = scene.folder / "peers"
    folder.mkdir()
    for peer in PEERS:
        if scene.peers and peer.name not in scene.peers:
            continue
        with run_peer(peer, folder, wheels, f"{scene.nginx}/simple") as running:
            scene.note("memory", peer.name, bytes=memory(running.process))
            for number in range(scene.sizes.rounds):
                for case in CASES:
                    _measure(scene, running, case, number)
            _install(scene, running)
            _upload(scene, running)
    shutil.rmtree(folder, ignore_errors=True)


def _when_wanted(names: Names, wheel: Wheel) -> int:
    """The order of filling: first what most cases ask for, last the small projects none does."""
    if wheel.project in {names.small[0], names.fat, *names.tree}:
        return 0
    return 1 if wheel.project == names.big else 2


def _measure(scene: Scene, running: Running, case: Case, number: int) -> None:
    url = _address(scene, running, case)
    headers = {**case.headers, "Accept-Encoding": "gzip"}
    found = fetch(url, headers) if url else Fetched(0, {}, b"")
    if case.validate and "etag" in found.headers:
        headers["If-None-Match"] = found.headers["etag"]
        found = fetch(url, headers)
    if found.status != case.status or case.project(scene.names) in running.lacking:
        scene.note(case.name, running.name, round=number, answers=NONE, status=found.status)
        return
    before = cpu_time(running.process)
    measured = load(url, headers, connections=case.connections, seconds=scene.sizes.seconds)
    spent = cpu_time(running.process) - before
    scene.note(
        case.name,
        running.name,
        round=number,
        rate=round(measured["requests"] / measured["seconds"], 1),
        cpu_us=round(spent / max(1, measured["requests"]), 2),
        **measured,
    )


def _address(scene: Scene, running: Running, case: Case) -> str:
    """Where a case is found on a server, as an installer would find it; "" when it is not there."""
    page = f"{running.root}/{case.project(scene.names)}/"
    if case.of == "page":
        return page
    link = _first_link(page)
    return f"{link}.metadata" if case.of == "metadata" and link else link


def _first_link(page: str) -> str:
    """The first file of a project, from its page in JSON, or else in HTML."""
    answer = fetch(page, {"Accept": JSON})
    if "json" in answer.headers.get("content-type", ""):
        files: list[dict[str, Any]] = json.loads(answer.body)["files"]
        link = str(files[0]["url"]) if files else ""
    else:
        found = ANCHOR.search(fetch(page, {"Accept": "text/html"}).body.decode())
        link = unescape(found[1]) if found else ""
    return urldefrag(urljoin(page, link)).url if link else ""


def _install(scene: Scene, running: Running) -> None:
    for number in range(scene.sizes.installs):
        try:
            seconds = install_once(f"{running.root}/", scene.names.tree[0], scene.sizes.tree)
        except RuntimeError as error:
            scene.note("install", running.name, round=number, answers=NONE, error=str(error)[:200])
            return
        scene.note("install", running.name, round=number, seconds=round(seconds, 4))


def _upload(scene: Scene, running: Running) -> None:
    """Small wheels of new projects over one connection."""
    if running.publisher is None:
        return
    count = scene.sizes.uploads
    forms = [plain_form_of(make_wheel(f"upload-{number // 10}", f"1.{number % 10}")) for number in range(count)]
    before = cpu_time(running.process)
    with pinned(LOAD_CPU), running.publisher() as publisher:
        began = time.perf_counter()
        for form in forms:
            publisher.publish(form)
        seconds = time.perf_counter() - began
    spent = cpu_time(running.process) - before
    scene.note("upload-small", running.name, rate=round(count / seconds, 2), cpu_us=round(spent / count))


def servers_in(records: list[dict[str, Any]]) -> list[str]:
    """The peers of which something was found, in their order here."""
    there = {record["server"] for record in records}
    return [peer.name for peer in PEERS if peer.name in there]
