# SPDX-License-Identifier: Apache-2.0
"""`uv pip install` of a tree of projects with an empty cache, from both servers in turn."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.processes import LOAD_CPU, pinned
from benchmarks.scene import Scene


def install(scene: Scene) -> None:
    """Measure seconds for each server and round; raises RuntimeError when an installation is not complete."""
    for number in range(scene.sizes.installs):
        for server, (address, _) in scene.servers().items():
            seconds = install_once(f"{address}/simple/", scene.names.tree[0], scene.sizes.tree)
            scene.note("install", server, round=number, seconds=round(seconds, 4))
    for number in range(scene.sizes.together):
        for server, (address, _) in scene.servers().items():
            seconds = _install_together(scene, f"{address}/simple/")
            scene.note("install-ten", server, round=number, seconds=round(seconds, 4))


def _install_together(scene: Scene, index: str) -> float:
    """Seconds until the last of several that began at once is done."""
    began, count = time.perf_counter(), scene.sizes.at_once
    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(install_once, index, scene.names.tree[0], scene.sizes.tree) for _ in range(count)]
        for one in running:
            one.result()
    return time.perf_counter() - began


def install_once(index: str, project: str, expected: int) -> float:
    """Seconds of one installation; raises RuntimeError when it is not complete."""
    program = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        raise RuntimeError("uv is not installed; `make bench` installs it.")
    with tempfile.TemporaryDirectory() as target:
        command = [program, "pip", "install", "--quiet", "--no-cache", "--python", sys.executable]
        command += ["--target", target, "--default-index", index, project]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_"))}
        with pinned(LOAD_CPU):
            began = time.perf_counter()
            done = subprocess.run(
                command, env={**kept, "UV_NO_CONFIG": "1"}, capture_output=True, text=True, timeout=120, check=False
            )
            seconds = time.perf_counter() - began
        installed = len(list(Path(target).glob("*.dist-info")))
    if done.returncode or installed != expected:
        raise RuntimeError(f"uv installed {installed} of {expected}: {done.stderr}")
    return seconds
