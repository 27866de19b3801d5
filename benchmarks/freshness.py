# SPDX-License-Identifier: Apache-2.0
"""Is what was acknowledged in the very next answer, whichever process gives it?

    python -m benchmarks.freshness --pairs 10000 --workers 2
    python -m benchmarks.freshness --pairs 1000 --varnish       through a Varnish that is purged

First pairs: a file is published and the page of its project asked for over a new connection, by several clients at
once. Then a storm: all clients publish to one project while others read its page; every answer must hold each file
that had been acknowledged before it was asked for. Exit status 1 when anything was stale.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.infra.server import finish, start
from tests.infra.varnish import Front, behind_varnish

from benchmarks.corpus import make_wheel
from benchmarks.publishing import Publisher, form_of

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class Findings:
    """What was seen: answers compared, and those that lacked something, in words."""

    compared: int = 0
    stale: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def compare(self, page: set[str], acknowledged: set[str], where: str) -> None:
        """Note an answer."""
        with self.lock:
            self.compared += 1
            missing = acknowledged - page
            if missing:
                self.stale.append(f"{where}: {len(missing)} missing, {min(missing)} among them")


def files_of(base: str, project: str) -> set[str]:
    """The filenames on a project's page, over a new connection; empty while there is no page."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("GET", f"/simple/{project}/", headers={"Accept": JSON})
        reply = connection.getresponse()
        body = reply.read()
        return {file["filename"] for file in json.loads(body)["files"]} if reply.status == 200 else set()
    finally:
        connection.close()


def pairs(base: str, token: str, count: int, clients: int, findings: Findings, stem: str = "fresh") -> None:
    """Publish and read, `count` times in all; ten files to a project, whose names begin with `stem`."""

    def one(client: int) -> None:
        there: set[str] = set()
        for number in range(count // clients):
            project = f"{stem}-{client}-{number // 10}"
            if number % 10 == 0:
                there = set()
            form = form_of(make_wheel(project, f"1.{number % 10}"))
            with Publisher(f"{base}/legacy/", token) as publisher:
                publisher.publish(form)
            there.add(form.filename)
            findings.compare(files_of(base, project), there, f"pair {number} of client {client}")

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, range(clients)))


def storm(base: str, token: str, uploads: int, clients: int, findings: Findings) -> None:
    """All publish to one project while half as many read its page over and over."""
    acknowledged: set[str] = set()
    lock, over = threading.Lock(), threading.Event()

    def publish(client: int) -> None:
        with Publisher(f"{base}/legacy/", token) as publisher:
            for number in range(uploads // clients):
                form = form_of(make_wheel("stormy", f"{client}.{number}"))
                publisher.publish(form)
                with lock:
                    acknowledged.add(form.filename)

    def read(reader: int) -> None:
        while not over.is_set():
            with lock:
                known = set(acknowledged)
            findings.compare(files_of(base, "stormy"), known, f"reader {reader} after {len(known)} files")

    with ThreadPoolExecutor(clients + clients // 2) as pool:
        readers = [pool.submit(read, number) for number in range(clients // 2)]
        writers = [pool.submit(publish, number) for number in range(clients)]
        for one in writers:
            one.result()
        over.set()
        for one in readers:
            one.result()
    findings.compare(files_of(base, "stormy"), acknowledged, "after the storm")


def main(arguments: list[str]) -> int:
    """Start a server, publish and read; 1 when something was stale."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.freshness", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--storm", type=int, default=400, help="uploads to one project [%(default)s]")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--varnish", action="store_true", help="publish and read through Varnish")
    chosen = parser.parse_args(arguments)
    findings, began = Findings(), time.perf_counter()
    in_front = behind_varnish() if chosen.varnish else nullcontext(Front())
    with tempfile.TemporaryDirectory() as folder, in_front as front:
        options = ("--workers", str(chosen.workers), *front.options)
        server = start(Path(folder, "data"), *options, extra=front.extra)
        try:
            front.stand_before(server)
            token = server.make_token(server.make_user())
            pairs(server.url, token, chosen.pairs, chosen.clients, findings)
            print(f"{findings.compared} pairs, {len(findings.stale)} stale, {time.perf_counter() - began:.0f} s")
            storm(server.url, token, chosen.storm, chosen.clients, findings)
        finally:
            finish(server)
    print(f"{findings.compared} answers in all, {len(findings.stale)} stale")
    for words in findings.stale[:20]:
        print(words)
    return 1 if findings.stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
