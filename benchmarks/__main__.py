# SPDX-License-Identifier: Apache-2.0
"""Run all cases against ours and nginx in turn, and write the table."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import orjson
from tests.infra.nginx import nginx, process_of
from tests.infra.server import Server, finish, start

from benchmarks import load, stock, twin

SERVER_CORE, LOAD_CORE = {0}, {max(os.sched_getaffinity(0))}
GZIP = {"Accept-Encoding": "gzip"}
HTML, JSON = {"Accept": "text/html"}, {"Accept": twin.JSON}


@dataclass(frozen=True)
class Case:
    """What is asked. `conditional` adds the server's own tag of the page, so that 304 is the answer."""

    name: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 32
    conditional: bool = False


@dataclass(frozen=True)
class Side:
    """One of the two servers."""

    url: str
    process: int


def cases(server: Server) -> list[Case]:
    small, many = f"/simple/{stock.SMALL}/", f"/simple/{stock.MANY}/"
    return [
        Case("small page, HTML", small, HTML | GZIP),
        Case("small page, JSON", small, JSON | GZIP),
        Case("page of many files, JSON, gzip", many, JSON | GZIP),
        Case("304 on the small page", small, JSON | GZIP, conditional=True),
        Case("404", "/simple/nobody-has-this/", JSON | GZIP),
        Case("`.metadata`", file_of(server, stock.SMALL) + ".metadata"),
        Case("5 MB file", file_of(server, stock.LARGE), connections=4),
    ]


def file_of(server: Server, project: str) -> str:
    page = f"/simple/{project}/"
    listed = str(orjson.loads(twin.body(server, page, twin.JSON))["files"][0]["url"])
    return urlsplit(urljoin(page, listed)).path


def ask(case: Case, side: Side, seconds: int) -> load.Measured:
    headers = dict(case.headers)
    if case.conditional:
        headers["If-None-Match"] = tag(side.url + case.path, headers)
    return load.measure(side.url + case.path, side.process, seconds, case.connections, headers)


def tag(url: str, headers: dict[str, str]) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as reply:
        return str(reply.headers["ETag"])


def install(url: str, projects: int, folder: Path) -> float:
    """Seconds of `uv pip install` of the tree, into an empty folder with an empty cache."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "-q", "--no-config"]
        command += ["--index-url", f"{url}/simple/", "--cache-dir", f"{place}/c", "--target", f"{place}/t"]
        command += ["--python", sys.executable, stock.TREE.format(0)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_"))}
        began = time.perf_counter()
        subprocess.run(command, check=True, env=environment)
        seconds = time.perf_counter() - began
        assert len(list(Path(place, "t").glob("*.dist-info"))) == projects
        return seconds


HEAD = """\
| case | ours, requests/s | nginx | ratio | ours, CPU µs | nginx | 99th, ms |
|---|---:|---:|---:|---:|---:|---:|"""
SETTING = """\
Measured {at:%Y-%m-%d %H:%M} UTC on {cores} cores (load average {load:.1f} at the end), median of {rounds} rounds of \
{seconds} s, 32 connections (4 for the 5 MB file); the large project has {files} files."""
REST = """\
Small wheels published over one connection: {uploads:.0f} a second. `uv pip install` of {projects} projects with an \
empty cache: {ours:.2f} s, from nginx {theirs:.2f} s (ratio {ratio:.2f})."""


def row(name: str, ours: list[load.Measured], theirs: list[load.Measured]) -> str:
    rate, other = (statistics.median(m.rate for m in each) for each in (ours, theirs))
    cpu, beside = (statistics.median(m.cpu for m in each) for each in (ours, theirs))
    late, failed = statistics.median(m.worst for m in ours), sum(m.failed for m in ours)
    marked = f"{name} ({failed} failed)" if failed and name != "404" else name
    return f"| {marked} | {rate:,.0f} | {other:,.0f} | {rate / other:.2f} | {cpu:.1f} | {beside:.1f} | {late:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="length of one run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each case")
    parser.add_argument("--files", type=int, default=1000, help="files of the large project")
    parser.add_argument("--tree", type=int, default=60, help="projects to install")
    parser.add_argument("--out", type=Path, help="file to write the table to")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="packhouse-bench-") as place:
        lines = run(given, Path(place))
    text = "\n".join(lines) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


def run(given: argparse.Namespace, place: Path) -> list[str]:
    os.sched_setaffinity(0, SERVER_CORE)  # what is started now stays on this core
    server = start(place / "data", "--workers", "1", fresh=True)
    try:
        os.sched_setaffinity(0, LOAD_CORE)
        token = server.make_token(server.make_user())
        print(f"publishing {given.files + given.tree + 11} files ...", file=sys.stderr)
        filled = stock.fill(server, token, given.files, given.tree)
        twin.copy(server, filled.projects, place / "www")
        os.sched_setaffinity(0, SERVER_CORE)
        with nginx(twin.directives(place / "www"), twin.HTTP) as address:
            os.sched_setaffinity(0, LOAD_CORE)
            return compare(given, server, address, filled, place)
    finally:
        finish(server)


def compare(given: argparse.Namespace, server: Server, address: str, filled: stock.Stock, place: Path) -> list[str]:
    ours, theirs = Side(server.url, server.process.pid), Side(address, process_of(address))
    asked = cases(server)
    results: dict[str, tuple[list[load.Measured], list[load.Measured]]] = {case.name: ([], []) for case in asked}
    for number in range(given.rounds):
        for case in asked:
            print(f"round {number + 1}: {case.name}", file=sys.stderr)
            for side, kept in zip((ours, theirs), results[case.name], strict=True):
                kept.append(ask(case, side, given.seconds))
    times = [[install(side.url, len(filled.tree), place) for _ in range(given.rounds)] for side in (ours, theirs)]
    ready, beside = (statistics.median(each) for each in times)
    files, projects = given.files, len(filled.tree)
    now, cores, busy = datetime.now(UTC), os.cpu_count(), os.getloadavg()[0]
    return [
        SETTING.format(at=now, cores=cores, load=busy, rounds=given.rounds, seconds=given.seconds, files=files),
        "",
        HEAD,
        *(row(name, *both) for name, both in results.items()),
        "",
        REST.format(uploads=filled.uploads, projects=projects, ours=ready, theirs=beside, ratio=ready / beside),
    ]


if __name__ == "__main__":
    main()
