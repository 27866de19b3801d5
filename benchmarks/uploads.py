# SPDX-License-Identifier: Apache-2.0
"""Uploads: many small wheels over one connection, and large ones beside the plainest loop that keeps a file."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from benchmarks.corpus import make_wheel
from benchmarks.processes import SERVER_CPU, cpu_time, pinned
from benchmarks.publishing import form_of
from benchmarks.scene import OURS, Scene

LOOP = "loop"
CHUNK = 1024 * 1024


def upload(scene: Scene) -> None:
    """Measure both kinds in every round, the large ones in turn with the loop."""
    for number in range(scene.sizes.rounds):
        _small(scene, number)
        for turn in range(scene.sizes.large_uploads):
            _large(scene, f"{number}.{turn}")


def _small(scene: Scene, number: int) -> None:
    """New wheels, ten releases a project."""
    count = scene.sizes.uploads
    forms = [form_of(make_wheel(f"small-{number}-{n // 10}", f"1.{n % 10}")) for n in range(count)]
    before = cpu_time(scene.ours.process.pid)
    seconds = scene.publish(forms)
    spent = cpu_time(scene.ours.process.pid) - before
    scene.note("upload-small", OURS, round=number, rate=round(count / seconds, 2), cpu_us=round(spent / count))


def _large(scene: Scene, turn: str) -> None:
    wheel = make_wheel("large-wheel", turn, extra=scene.sizes.large)
    megabytes = len(wheel.data) / 1e6
    source, target = scene.folder / "large", scene.folder / "large-copy"
    source.write_bytes(wheel.data)
    scene.note("upload-large", LOOP, round=turn, rate=round(megabytes / _keep(source, target), 2))
    seconds = scene.publish([form_of(wheel)])
    scene.note("upload-large", OURS, round=turn, rate=round(megabytes / seconds, 2))
    source.unlink()
    target.unlink()


def _keep(source: Path, target: Path) -> float:
    """Read, hash three ways, write and fsync a file; returns the seconds it took."""
    md5, sha256, blake2 = hashlib.md5(), hashlib.sha256(), hashlib.blake2b(digest_size=32)
    with pinned(SERVER_CPU):
        began = time.perf_counter()
        with source.open("rb", buffering=0) as read, target.open("wb", buffering=0) as write:
            while chunk := read.read(CHUNK):
                md5.update(chunk)
                sha256.update(chunk)
                blake2.update(chunk)
                write.write(chunk)
            os.fsync(write.fileno())
        return time.perf_counter() - began
