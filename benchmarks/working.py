# SPDX-License-Identifier: Apache-2.0
"""A server that has all sorts of things to do: what is published is read at once, and memory under load."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.corpus import make_wheel
from benchmarks.freshness import Findings, pairs
from benchmarks.installing import install
from benchmarks.load import load
from benchmarks.processes import watched
from benchmarks.publishing import Publisher, form_of
from benchmarks.reading import read_in_turn
from benchmarks.scene import Scene
from benchmarks.static import JSON
from benchmarks.uploads import upload_small

CLIENTS = 4
CONNECTIONS = 64


def publish_and_read(scene: Scene) -> None:
    """Publish and read over new connections, by several clients at once."""
    findings, began = Findings(), time.perf_counter()
    pairs(scene.ours.url, scene.token, scene.sizes.pairs, CLIENTS, findings, stem=f"fresh-{len(scene.me)}")
    seconds = time.perf_counter() - began
    scene.note(
        "fresh",
        scene.me,
        stale=len(findings.stale),
        pairs=findings.compared,
        rate=round(findings.compared / seconds, 2),
    )


def memory_under_load(scene: Scene) -> None:
    """The most memory while many read the large page and one publishes."""
    url = f"{scene.ours.url}/simple/{scene.names.big}/"
    headers = {"Accept": JSON, "Accept-Encoding": "gzip"}
    with ThreadPoolExecutor(1) as pool, watched(scene.ours.process.pid) as most:
        reading = pool.submit(load, url, headers, connections=CONNECTIONS, seconds=scene.sizes.seconds)
        with Publisher(f"{scene.ours.url}/legacy/", scene.token) as publisher:
            number = 0
            while not reading.done():
                publisher.publish(form_of(make_wheel(f"meanwhile-{len(scene.me)}-{number // 10}", f"1.{number % 10}")))
                number += 1
        reading.result()
    scene.note("memory-load", scene.me, bytes=most[0])


def with_two_workers(scene: Scene) -> None:
    """Reading, installing and small uploads once more, with two workers on all processors."""
    with scene.two_workers():
        read_in_turn(scene)
        install(scene)
        for number in range(scene.sizes.rounds):
            upload_small(scene, number)
        publish_and_read(scene)
        memory_under_load(scene)
