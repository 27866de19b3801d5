# SPDX-License-Identifier: Apache-2.0
"""Large pages and search, on a data folder filled with rows: one that was given, or one made now.

The root index of 886,000 projects is measured on a folder that was given: to fill one takes most of an hour.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from tests.infra.server import Server, environment

from benchmarks.fetching import fetch
from benchmarks.growing import Place, look
from benchmarks.reading import Case, measure
from benchmarks.scene import NGINX, OURS, Scene, start_pinned
from benchmarks.static import JSON, write_page

HUGE = Case("page-huge", "page", lambda _names: "", headers={"Accept": JSON}, connections=8)
ROOT = Case("root", "page", lambda _names: "", headers={"Accept": JSON}, connections=4)
SEARCH = Case("search", "search", lambda _names: "", connections=1)
SLIP = replace(SEARCH, name="search-slip")


def measure_large(scene: Scene) -> None:
    """Start a server of ours on the folder, and measure."""
    data = scene.plenty or fill(scene)
    place, server = look(data), start_pinned(data)
    try:
        _measure(scene, place, server)
    finally:
        server.stop()
        server.left_behind()


def fill(scene: Scene) -> Path:
    """A folder with the largest project there is, and as many others as `sizes` says."""
    data = scene.folder / "plenty"
    command = [sys.executable, "-m", "benchmarks.load_catalogue", "--data", str(data)]
    command += ["--projects", str(scene.sizes.plenty), "--largest", str(scene.sizes.largest)]
    subprocess.run(command, env=environment(), check=True, capture_output=True, timeout=1800)
    return data


def _measure(scene: Scene, place: Place, server: Server) -> None:
    page = f"/simple/{place.largest}/"
    kept = scene.folder / "www" / page.strip("/")
    write_page(server.url + page, JSON, kept / "index.json")
    fetch(f"{server.url}/search/?q=warm")
    name = place.names[0]
    searches = ((SEARCH, name), (SLIP, name[1] + name[0] + name[2:]))
    for number in range(scene.sizes.rounds):
        measure(scene, HUGE, NGINX, scene.nginx + page, scene.nginx_process, number)
        measure(scene, HUGE, OURS, server.url + page, server.process.pid, number)
        for case, query in searches:
            measure(scene, case, OURS, f"{server.url}/search/?q={quote(query)}", server.process.pid, number)
        if place.projects >= scene.sizes.root:
            measure(scene, ROOT, OURS, f"{server.url}/simple/", server.process.pid, number)
    if place.projects < scene.sizes.root:
        scene.note(ROOT.name, OURS, skipped=f"{place.projects:,} projects; `--plenty` names a folder of more")
