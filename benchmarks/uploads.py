# SPDX-License-Identifier: Apache-2.0
"""Uploads: many small wheels over one connection, and large ones beside the plainest loop that keeps a file."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from benchmarks.corpus import make_wheel, write_wheel
from benchmarks.processes import SERVER_CPU, cpu_time, memory, pinned, watched
from benchmarks.publishing import Publisher, ends_of_form, form_of
from benchmarks.scene import OURS, Scene

LOOP = "loop"
CHUNK = 1024 * 1024


def upload(scene: Scene) -> None:
    """Measure both kinds in every round, the large ones in turn with the loop; then one of a gigabyte."""
    for number in range(scene.sizes.rounds):
        upload_small(scene, number)
        for turn in range(scene.sizes.large_uploads):
            _large(scene, f"{number}.{turn}")
    _huge(scene)


def upload_small(scene: Scene, number: int) -> None:
    """New wheels, ten releases a project."""
    count = scene.sizes.uploads
    stem = "few" if scene.me == OURS else "many"
    forms = [form_of(make_wheel(f"{stem}-{number}-{n // 10}", f"1.{n % 10}")) for n in range(count)]
    before = cpu_time(scene.ours.process.pid)
    seconds = scene.publish(forms)
    spent = cpu_time(scene.ours.process.pid) - before
    scene.note("upload-small", scene.me, round=number, rate=round(count / seconds, 2), cpu_us=round(spent / count))


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


def _huge(scene: Scene) -> None:
    """A wheel that nobody has in memory, and how much the server grows meanwhile."""
    wheel, file, sha256 = write_wheel(scene.folder, "huge-wheel", "1.0", scene.sizes.huge)
    megabytes, target = file.stat().st_size / 1e6, scene.folder / "huge-copy"
    scene.note("upload-huge", LOOP, rate=round(megabytes / _keep(file, target), 2))
    target.unlink()
    time.sleep(scene.sizes.idle)
    before = memory(scene.ours.process.pid)
    with Publisher(f"{scene.ours.url}/legacy/", scene.token) as publisher, watched(scene.ours.process.pid) as most:
        began = time.perf_counter()
        publisher.publish_file(file, *ends_of_form(wheel, sha256))
        seconds = time.perf_counter() - began
    scene.note("upload-huge", OURS, rate=round(megabytes / seconds, 2), grown=max(0, most[0] - before))
    file.unlink()


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
