# SPDX-License-Identifier: Apache-2.0
"""From the start on an existing folder to the first page, and the memory of a server that has nothing to do."""

from __future__ import annotations

import time
from contextlib import suppress

from tests.infra.nginx import free_port

from benchmarks.fetching import fetch
from benchmarks.processes import memory
from benchmarks.scene import OURS, Scene

MOST_SECONDS = 30.0


def start_again(scene: Scene) -> None:
    """Stop and start our server a few times; it runs on another port afterwards."""
    for number in range(scene.sizes.starts):
        scene.stop_ours()
        port = free_port()
        began = time.perf_counter()
        scene.start_ours("--port", str(port), ready=False)
        scene.ours.url = f"http://127.0.0.1:{port}"
        _await_page(scene, began)
        seconds = time.perf_counter() - began
        time.sleep(scene.sizes.idle)
        scene.note("start", OURS, round=number, seconds=round(seconds, 3))
        scene.note("memory", OURS, round=number, bytes=memory(scene.ours.process.pid))


def _await_page(scene: Scene, began: float) -> None:
    """Until a page comes; raises RuntimeError with the log after MOST_SECONDS."""
    page = f"{scene.ours.url}/simple/{scene.names.small[0]}/"
    while time.perf_counter() - began < MOST_SECONDS:
        with suppress(OSError):
            if fetch(page).status == 200:
                return
        time.sleep(0.005)
    raise RuntimeError(f"The server did not start:\n{scene.ours.output()}")
