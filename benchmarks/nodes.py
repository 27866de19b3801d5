# SPDX-License-Identifier: Apache-2.0
"""What a request costs each part of a company's set-up, and how 1, 2 and 3 servers do: docs/growth-nodes.md.

    python -m benchmarks.nodes [--seconds 4] [--rounds 3] [--scratch FOLDER] [--document docs/growth-nodes.md]
    python -m benchmarks.nodes --write RESULTS.jsonl           write the document of earlier results

All parts share the processors of one machine with the load: what holds elsewhere is the processor time of each part,
and the number of statements and of requests to the bucket. Takes about six minutes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.infra.server import Server

from benchmarks.company import PROJECTS, Setup, name_of, set_up
from benchmarks.corpus import make_wheel
from benchmarks.fetching import fetch
from benchmarks.load import load
from benchmarks.nodes_document import write_document
from benchmarks.publishing import Publisher, form_of
from benchmarks.static import HTML, JSON

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "growth-nodes.md"
IDLE_SECONDS = 3.0
CONNECTIONS = 12
"""Of the load on each server."""
PUBLISHERS = 4
"""Clients that publish at once, in all."""

Record = dict[str, Any]


class Run:
    """One measurement: notes what each part spends on each request of a case."""

    def __init__(self, setup: Setup, results: Path, seconds: float) -> None:
        self.setup = setup
        self.seconds = seconds
        self._results = results
        self._results.unlink(missing_ok=True)
        self._idle = dict.fromkeys(("statements", "bucket_requests"), 0.0)
        self._idle_spent: dict[str, float] = {}

    def note(self, case: str, **found: Any) -> None:
        """Write a finding, and say it."""
        line = json.dumps({"case": case, **found})
        with self._results.open("a", encoding="utf-8") as out:
            out.write(line + "\n")
        print(line, flush=True)

    def idle(self) -> None:
        """What goes on without any request, to be taken off."""
        self._idle, self._idle_spent = dict.fromkeys(self._idle, 0.0), {}
        time.sleep(IDLE_SECONDS)  # what was begun comes to its end
        found = self.cost("idle", _rest)
        self._idle = {name: found[name] / found["passed"] for name in self._idle}
        self._idle_spent = {name: micro / found["passed"] for name, micro in found["spent"].items()}

    def cost(self, case: str, act: Callable[[], int]) -> Record:
        """Do something that makes so many requests; note what each cost."""
        setup = self.setup
        spent, statements, asked = setup.spent(), setup.statements(), sum(setup.counted.requests.values())
        began = time.perf_counter()
        count = act()
        passed = time.perf_counter() - began
        after = setup.spent()
        counts = {
            "statements": setup.statements() - statements - 1,  # one is our own
            "bucket_requests": sum(setup.counted.requests.values()) - asked,
        }
        found: Record = {
            "requests": count,
            "passed": round(passed, 3),
            "spent": {
                name: round(max(0.0, after[name] - spent[name] - passed * self._idle_spent.get(name, 0.0)) / count, 2)
                for name in after
            },
            **{name: round(max(0.0, counts[name] - passed * self._idle[name]) / count, 2) for name in counts},
        }
        self.note(case, nodes=len(setup.nodes), **found)
        return found


def _rest() -> int:
    time.sleep(IDLE_SECONDS)
    return 1


def ask_all(node: Server, requests: Sequence[tuple[str, dict[str, str]]], *statuses: int) -> int:
    """Ask one after another over one connection; how many. Raises RuntimeError for another status than expected."""
    parts = urlsplit(node.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    for path, headers in requests:
        connection.request("GET", path, headers={"Accept-Encoding": "gzip", **headers})
        reply = connection.getresponse()
        reply.read()
        if reply.status not in (statuses or (200,)):
            raise RuntimeError(f"{path}: {reply.status}")
    connection.close()
    return len(requests)


def file_path(node: Server, project: str) -> str:
    """The path of the one file of a project."""
    page = fetch(f"{node.url}/simple/{project}/", {"Accept": HTML}).body.decode()
    found = re.search(r'href="[./]*(/files/[^"#]+)', page) or re.search(r'href="(?:\.\./)+(files/[^"#]+)', page)
    if found is None:
        raise RuntimeError(f"{project} has no file: {page[:300]}")
    return "/" + found[1].lstrip("/")


def wrk(run: Run, nodes: Sequence[Server], path: str, headers: dict[str, str]) -> Callable[[], int]:
    """A load on some servers at once; the count is of all of them."""

    def act() -> int:
        with ThreadPoolExecutor(len(nodes)) as pool:
            found = list(
                pool.map(
                    lambda node: load(
                        f"{node.url}{path}",
                        {"Accept-Encoding": "gzip", **headers},
                        connections=CONNECTIONS,
                        seconds=run.seconds,
                    ),
                    nodes,
                )
            )
        return sum(int(one["requests"]) for one in found)

    return act


def costs(run: Run, count: int) -> None:
    """What a request of each kind costs, on one server that has the bucket behind the counting proxy."""
    setup = run.setup
    node = setup.nodes[0]
    page, large = f"/simple/{name_of(0)}/", file_path(node, "large")
    tag = fetch(node.url + page, {"Accept": JSON, "Accept-Encoding": "gzip"}).headers["etag"]
    for name in ("page", "304", "file"):
        ask_all(node, [(page, {"Accept": JSON}), (large, {})])  # warm
        headers = {} if name == "file" else {"Accept": JSON} | ({"If-None-Match": tag} if name == "304" else {})
        run.cost(f"{name}, warm", wrk(run, [node], large if name == "file" else page, headers))
    names = [name_of(number % PROJECTS) for number in range(count)]
    run.cost("JSON document", lambda: ask_all(node, [(f"/pypi/{name}/json", {}) for name in names]))
    run.cost("search", lambda: ask_all(node, [(f"/search/?q={name}", {"Accept": HTML}) for name in names]))
    run.cost("project page", lambda: ask_all(node, [(f"/project/{name}/", {"Accept": HTML}) for name in names]))
    forms = [form_of(make_wheel(f"sent-{number}", "1.0")) for number in range(count)]

    def upload() -> int:
        setup.publish(forms)
        return len(forms)

    run.cost("upload, small", upload)


def cold(run: Run, count: int) -> None:
    """The same on a server that has just started: nothing in memory, no copies of files."""
    setup = run.setup
    first = setup.nodes
    node = setup.start("--role", "origin", counting=True)
    setup.nodes = [node]
    names = [name_of(number) for number in range(min(count, PROJECTS))]
    paths = [file_path(first[0], name) for name in names]
    ask_all(node, [("/simple/large/", {"Accept": HTML})])
    run.idle()
    run.cost("page, cold", lambda: ask_all(node, [(f"/simple/{name}/", {"Accept": HTML}) for name in names]))
    run.cost("file, no copy here", lambda: ask_all(node, [(path, {}) for path in paths]))
    _end_node(node)
    redirecting = setup.start("--role", "origin", counting=True, PACKHOUSE_STORAGE_REDIRECT="300")
    setup.nodes = [redirecting]
    large = file_path(redirecting, "large")
    run.idle()
    run.cost("file, redirected to the bucket", lambda: ask_all(redirecting, [(large, {})] * count, 302))
    _end_node(redirecting)
    setup.nodes = first


def _end_node(node: Server) -> None:
    node.stop()


def together(run: Run, rounds: int) -> None:
    """1, 2 and 3 servers, each with a load of its own; they reach the bucket directly."""
    setup = run.setup
    _end_node(setup.nodes.pop())
    large = ""
    for number in (1, 2, 3):
        setup.nodes.append(setup.start("--role", "origin"))
        large = large or file_path(setup.nodes[0], "large")
        page = f"/simple/{name_of(0)}/"
        for node in setup.nodes:
            ask_all(node, [(page, {"Accept": JSON}), (large, {})])
        run.idle()
        for turn in range(rounds):
            run.cost("page together", wrk(run, setup.nodes, page, {"Accept": JSON}))
            run.cost("file together", wrk(run, setup.nodes, large, {}))
            run.cost("upload together", lambda turn=turn, number=number: _publish_all(run, f"{number}-{turn}"))  # type: ignore[misc]


def _publish_all(run: Run, tag: str) -> int:
    """Some clients publish for a while, spread over all servers."""
    until = time.perf_counter() + run.seconds

    def publish(client: int) -> int:
        node = run.setup.nodes[client % len(run.setup.nodes)]
        done = 0
        with Publisher(f"{node.url}/legacy/", run.setup.token) as publisher:
            while time.perf_counter() < until:
                publisher.publish(form_of(make_wheel(f"together-{tag}-{client}-{done}", "1.0")))
                done += 1
        return done

    with ThreadPoolExecutor(PUBLISHERS) as pool:
        return sum(pool.map(publish, range(PUBLISHERS)))


def measure(results: Path, seconds: float, rounds: int, count: int) -> None:
    """Everything."""
    with tempfile.TemporaryDirectory(prefix="packhouse-growth-") as folder, set_up(Path(folder)) as setup:
        run = Run(setup, results, seconds)
        run.idle()
        costs(run, count)
        for _ in range(rounds - 1):
            _repeat(run)
        cold(run, count)
        together(run, rounds)


def _repeat(run: Run) -> None:
    """The cases that can be asked again as they were."""
    node = run.setup.nodes[0]
    page, large = f"/simple/{name_of(0)}/", file_path(node, "large")
    run.cost("page, warm", wrk(run, [node], page, {"Accept": JSON}))
    run.cost("file, warm", wrk(run, [node], large, {}))


def main(arguments: list[str]) -> int:
    """Measure and write; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nodes", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load for a case [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="how often what is under load is repeated [%(default)s]")
    parser.add_argument("--count", type=int, default=PROJECTS, help="requests of what is asked one by one")
    parser.add_argument("--scratch", type=Path, help="where results.jsonl goes [a temporary folder]")
    parser.add_argument("--document", type=Path, default=DOCUMENT)
    parser.add_argument("--write", type=Path, metavar="RESULTS", help="measure nothing; write of these results")
    chosen = parser.parse_args(arguments)
    results = chosen.write
    if results is None:
        folder = chosen.scratch or Path(tempfile.mkdtemp(prefix="packhouse-bench-"))
        folder.mkdir(parents=True, exist_ok=True)
        results = folder / "nodes.jsonl"
        measure(results, chosen.seconds, chosen.rounds, chosen.count)
    write_document(chosen.document, [json.loads(line) for line in results.read_text().splitlines()])
    print(f"Wrote {chosen.document} from {results}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
