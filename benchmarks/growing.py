# SPDX-License-Identifier: Apache-2.0
"""How long everything takes on a server of a given size, one request at a time: the figures of docs/growth.md.

    python -m benchmarks.growing --data FOLDER...              measure folders that `load_catalogue` filled
    python -m benchmarks.growing --data FOLDER --keeping       what a backup copies and `verify` compares, added to it
    python -m benchmarks.growing --write docs/growth.md        write the tables of all results

A server is started on each folder, asked, and stopped; some small wheels are published on it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from urllib.parse import quote, urlsplit

from tests.infra.server import Server, start

from benchmarks.corpus import make_wheel
from benchmarks.growth_document import write_document
from benchmarks.load_catalogue import MANY
from benchmarks.processes import cpu_nanoseconds, memory
from benchmarks.publishing import Form, Publisher, form_of
from packhouse.config import load as read_settings
from packhouse.storage.sqlite import connect_read_only

RESULTS = Path(__file__).with_name("results") / "growth.json"
IDLE = 2.0
"""Seconds after which a connection is made anew."""
MANY_PROJECTS = 2000
"""Projects from which on root pages are made in pieces."""
JSON = {"Accept": "application/vnd.pypi.simple.v1+json", "Accept-Encoding": "gzip"}
HTML = {"Accept": "text/html", "Accept-Encoding": "gzip"}
QUERIES = {
    "exact name": ["requests", "numpy", "flask", "django-filter", "boto3", "pytest-cov"],
    "one slip": ["reqeusts", "nunpy", "falsk", "djagno-filter", "botto3", "pytest-vcov"],
    "two words": ["http client", "machine learning", "command line", "data frame", "image processing"],
    "one letter": ["a", "p", "z", "s"],
    "common word": ["python", "library", "for", "install", "pip install"],
    "nothing found": ["zzqqxxyyvv", "qqqqqqwwwwww kkkkk"],
}
XML = '<?xml version="1.0"?><methodCall><methodName>{}</methodName><params>{}</params></methodCall>'


@dataclass
class Asker:
    """One connection to a server; keeps what each thing took, in milliseconds."""

    server: Server
    figures: dict[str, list[float]] = field(default_factory=dict)
    spent: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._last = time.perf_counter()
        parts = urlsplit(self.server.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=600)

    def ask(self, what: str, path: str, method: str = "GET", body: str | None = None, **headers: str) -> bytes:
        """One request under a heading; raises RuntimeError for anything but a 200."""
        if time.perf_counter() - self._last > IDLE:
            self._connection.close()  # the server ends what is idle
        spent, began = cpu_nanoseconds(self.server.process.pid), time.perf_counter()
        self._connection.request(method, path, body, headers)
        reply = self._connection.getresponse()
        data = reply.read()
        self._last = time.perf_counter()
        self.note(what, self._last - began, cpu_nanoseconds(self.server.process.pid) - spent)
        if reply.status != 200:
            raise RuntimeError(f"{path}: {reply.status} {data[:300]!r}")
        self.sizes[what] = len(data)
        return data

    def note(self, what: str, seconds: float, nanoseconds: int) -> None:
        """Keep a figure: what passed, and what the server's processes spent."""
        self.figures.setdefault(what, []).append(1000 * seconds)
        self.spent.setdefault(what, []).append(nanoseconds / 1e6)


@dataclass
class Place:
    """A filled folder: some names in it, some of the owner of many; the cookie of an administrator."""

    data: Path
    projects: int
    files: int
    names: list[str]
    own: list[str]
    largest: str
    keeper: str = ""


def look(data: Path) -> Place:
    """What is in a folder; the sample is the same each time."""
    catalogue = connect_read_only(data / "catalogue.db")
    first, projects = catalogue.execute("SELECT min(id), max(id) FROM catalogue_project").fetchone()
    files = catalogue.execute("SELECT max(id) FROM catalogue_file").fetchone()[0]
    chance = random.Random(projects)
    picked = [chance.randint(first + 1, projects) for _ in range(400)]
    marks = ", ".join("?" * len(picked))
    names = [row[0] for row in catalogue.execute(f"SELECT name FROM catalogue_project WHERE id IN ({marks})", picked)]
    own = catalogue.execute(
        "SELECT p.name FROM catalogue_role r JOIN catalogue_user u ON u.id = r.user_id JOIN catalogue_project p"
        " ON p.id = r.project_id WHERE u.username = ? AND p.id <> ? ORDER BY p.id LIMIT 60",
        (MANY, first),
    ).fetchall()
    largest = catalogue.execute("SELECT name FROM catalogue_project WHERE id = ?", (first,)).fetchone()[0]
    catalogue.close()
    chance.shuffle(names)
    return Place(data, projects, files, names, [row[0] for row in own], largest)


def session_of(data: Path, username: str) -> str:
    """The cookie of a browser session of somebody, made without signing in."""
    from packhouse.bootstrap import connect

    connect(read_settings(data=data))
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    from packhouse.catalogue.activity.sessions import SessionStore
    from packhouse.catalogue.models import User

    user = User.objects.get(username=username)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def _keeper(data: Path) -> str:
    from packhouse.catalogue.models import Page, User

    Page.objects.all().delete()  # of a run before
    User.objects.filter(username="somebody-1").update(is_admin=True)
    return session_of(data, "somebody-1")


def ready(data: Path) -> tuple[str, str]:
    """Bring a folder to this version; the cookies of the owner of many and of an administrator. Once in a process."""
    from packhouse.bootstrap import prepare

    prepare(read_settings(data=data, upstream="none"))
    return session_of(data, MANY), _keeper(data)


def measure(data: Sequence[Path]) -> list[dict[str, object]]:
    """Everything, of each folder; returns what is written to the results.

    All servers run at once and are asked in turns, a part each, so that what else the machine does meets all of them.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as processes:
        cookies = list(processes.map(ready, data))
    with ExitStack() as servers:
        runs = [_begin(folder, cookie, servers) for folder, cookie in zip(data, cookies, strict=True)]
        for part in (_first_root, *PARTS):
            for run in runs:
                part(run.asker, run.place, run.cookie)
            print(part.__name__, flush=True)
        return [run.told() for run in runs]


@dataclass
class Run:
    """A server that is measured."""

    asker: Asker
    place: Place
    cookie: str
    started: float
    idle: int

    def told(self) -> dict[str, object]:
        """What was found."""
        asker, data = self.asker, self.place.data
        return {
            "projects": self.place.projects,
            "files": self.place.files,
            "start_s": round(self.started, 2),
            "idle_bytes": self.idle,
            "after_bytes": memory(asker.server.process.pid),
            "database_bytes": {name: (data / name).stat().st_size for name in ("catalogue.db", "activity.db")},
            "figures": {what: _short(asker.spent[what], found) for what, found in asker.figures.items()},
            "sizes": asker.sizes,
        }


def _begin(data: Path, cookies: tuple[str, str], servers: ExitStack) -> Run:
    place = look(data)
    cookie, place.keeper = cookies
    began = time.perf_counter()
    server = start(data, "--workers", "1", "--upstream", "none", fresh=True)
    servers.callback(server.stop)
    started = time.perf_counter() - began
    server.get("/simple/" + place.names[0] + "/")
    time.sleep(3)
    return Run(Asker(server), place, cookie, started, memory(server.process.pid))


def _first_root(asker: Asker, place: Place, _cookie: str) -> None:
    """The first root page: a large server's worker makes it after a start, here it is waited for."""
    began, spent = time.perf_counter(), cpu_nanoseconds(asker.server.process.pid)
    current = place.data / "cache" / "roots" / "main" / "current"
    while place.projects > MANY_PROJECTS and not current.exists() and time.perf_counter() - began < 600:
        time.sleep(0.1)
    asker.ask("root page, first", "/simple/", **JSON)
    figures, costs = asker.figures["root page, first"], asker.spent["root page, first"]
    figures[:] = [1000 * (time.perf_counter() - began)]
    costs[:] = [(cpu_nanoseconds(asker.server.process.pid) - spent) / 1e6]


def _short(spent: list[float], passed: list[float]) -> dict[str, float]:
    return {
        "cpu_ms": round(statistics.median(spent), 2),
        "cpu_p99_ms": round(_worst(spent), 2),
        "median_ms": round(statistics.median(passed), 2),
        "p99_ms": round(_worst(passed), 2),
        "count": len(passed),
    }


def _worst(found: list[float]) -> float:
    return sorted(found)[min(len(found) - 1, int(len(found) * 0.99))]


def _pages(asker: Asker, place: Place, _cookie: str) -> None:
    for name in place.names[1:101]:
        asker.ask("page of a project, cold", f"/simple/{name}/", **JSON)
    for _ in range(5):
        for name in place.names[1:101]:
            asker.ask("page of a project, warm", f"/simple/{name}/", **JSON)
    asker.ask("page of 43,145 files, cold", f"/simple/{place.largest}/", **JSON)
    for _ in range(20):
        asker.ask("page of 43,145 files, warm", f"/simple/{place.largest}/", **JSON)


def _documents(asker: Asker, place: Place, _cookie: str) -> None:
    for name in place.names[1:101]:
        asker.ask("JSON document", f"/pypi/{name}/json")
    for _ in range(10):
        for path in ("updates", "packages"):
            asker.ask(f"feed {path}", f"/rss/{path}.xml")
    for name in place.names[1:31]:
        asker.ask("feed of a project", f"/rss/project/{name}/releases.xml")


def _people(asker: Asker, place: Place, cookie: str) -> None:
    for _ in range(10):
        asker.ask("home page", "/")
    for name in place.names[1:51]:
        asker.ask("project page", f"/project/{name}/")
    for _ in range(5):
        # The second page: on the first the project of 43,145 files stands or not, as the names are.
        asker.ask("user page of 1,000 projects", f"/user/{MANY}/?page=2")
        asker.ask("own projects, 1,000", "/manage/projects/?page=2", Cookie=cookie)
    for name in place.own[:10]:
        asker.ask("managing a project", f"/manage/project/{name}/", Cookie=cookie)


def _administration(asker: Asker, place: Place, _cookie: str) -> None:
    for _ in range(10):
        asker.ask("administration, state", "/admin/", Cookie=place.keeper)
        asker.ask("administration, indexes", "/admin/indexes/", Cookie=place.keeper)
        asker.ask("administration, an index", "/admin/index/main/", Cookie=place.keeper)


def _searches(asker: Asker, _place: Place, _cookie: str) -> None:
    for what, queries in QUERIES.items():
        for _ in range(10):
            for query in queries:
                asker.ask(f"search: {what}", f"/search/?q={quote(query)}")


def _uploads(asker: Asker, place: Place, _cookie: str) -> None:
    token = asker.server.must("token", "create", MANY, "--name", f"growing {secrets.token_hex(4)}")
    tag = secrets.token_hex(3)
    new = [form_of(make_wheel(f"grown-{tag}-{number}", "1.0")) for number in range(40)]
    more = [form_of(make_wheel(name, f"9.{int(tag, 16)}")) for name in place.own[:40]]
    with Publisher(f"{asker.server.url}/legacy/", token) as publisher:
        for what, forms in (("upload, new project", new), ("upload, project that was there", more)):
            for form in forms:
                _publish(asker, publisher, what, form)
    with Publisher(f"{asker.server.url}/legacy/", token) as publisher:
        for number in range(5):
            large = form_of(make_wheel(place.largest, f"9.{int(tag, 16)}.{number}"))
            _publish(asker, publisher, "upload, project of 43,145 files", large)
    asker.ask("page of 43,145 files, after an upload", f"/simple/{place.largest}/", **JSON)
    for number, name in enumerate(place.own[:15]):
        with Publisher(f"{asker.server.url}/legacy/", token) as publisher:  # a new one: the server ends what is idle
            publisher.publish(form_of(make_wheel(name, f"10.{int(tag, 16)}.{number}")))
        asker.ask("root page after an upload, current", "/simple/", **JSON, **{"Cache-Control": "no-cache"})


def _publish(asker: Asker, publisher: Publisher, what: str, form: Form) -> None:
    spent, began = cpu_nanoseconds(asker.server.process.pid), time.perf_counter()
    publisher.publish(form)
    asker.note(what, time.perf_counter() - began, cpu_nanoseconds(asker.server.process.pid) - spent)


def _roots(asker: Asker, _place: Place, _cookie: str) -> None:
    for _ in range(30):
        asker.ask("root page, JSON in gzip", "/simple/", **JSON)
        asker.ask("root page, HTML in gzip", "/simple/", **HTML)
    for _ in range(3):
        asker.ask("root page, JSON as it is", "/simple/", **(JSON | {"Accept-Encoding": "identity"}))


def _mirrors(asker: Asker, _place: Place, _cookie: str) -> None:
    def call(method: str, number: int | None = None) -> bytes:
        value = "" if number is None else f"<param><value><int>{number}</int></value></param>"
        return asker.ask(method, "/pypi", "POST", XML.format(method, value), **{"Content-Type": "text/xml"})

    newest = 0
    for _ in range(10):
        newest = int(call("changelog_last_serial").partition(b"<int>")[2].partition(b"<")[0])
    for _ in range(5):
        call("changelog_since_serial", newest - 1000)
    for _ in range(2):
        call("list_packages_with_serial")


PARTS = (_pages, _documents, _people, _administration, _searches, _uploads, _roots, _mirrors)


def keeping(place: Place) -> dict[str, object]:
    """What grows with the files: a copy of the databases, as a backup makes it, and the comparing of all rows.

    The stored files, which a loaded catalogue lacks, are left out. Seconds of processor time and in all.
    """
    from packhouse.bootstrap import connect_to_read, resources

    settings = read_settings(data=place.data, upstream="none")
    connect_to_read(settings)
    from packhouse.catalogue.dumping import dump_sqlite
    from packhouse.services.verifying import Survey, verify

    def copy() -> int:
        with tempfile.TemporaryDirectory(dir=place.data.parent) as folder:
            dump_sqlite(Path(folder))
        return 0

    def compare() -> int:
        found = (problem.code for problem in verify(Survey(resources(settings), quick=True)))
        return sum(1 for _ in takewhile(lambda code: not code.startswith("blob-"), found))

    figures = {}
    for what, act in (("copy of the databases for a backup", copy), ("verify: databases, rows and pages", compare)):
        spent, began = time.process_time(), time.perf_counter()
        problems = act()
        figures[what] = {
            "cpu_s": round(time.process_time() - spent, 2),
            "passed_s": round(time.perf_counter() - began, 2),
            "problems": problems,
        }
        print(what, figures[what], flush=True)
    return {"projects": place.projects, "files": place.files, "keeping": figures}


def keep(found: dict[str, object], results: Path) -> None:
    """Add to the results, in place of the same of the same size."""
    results.parent.mkdir(exist_ok=True)
    known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
    same = [one for one in known if round(one["projects"], -3) == round(int(str(found["projects"])), -3)]
    others = [one for one in known if one not in same]
    together = sorted([*others, (same[0] if same else {}) | found], key=lambda one: int(one["projects"]))
    results.write_text(json.dumps(together, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Measure, or write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growing", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="filled data folders, of no running server")
    parser.add_argument("--keeping", action="store_true", help="measure the copy for a backup, and verify")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where figures are kept [%(default)s]")
    parser.add_argument("--write", type=Path, metavar="DOCUMENT", help="write the tables into this document")
    chosen = parser.parse_args(arguments)
    found = [keeping(look(data)) for data in chosen.data] if chosen.keeping else []
    if chosen.data and not chosen.keeping:
        found = measure(chosen.data)
    for one in found:
        keep(one, chosen.results)
    if chosen.write:
        write_document(chosen.write, json.loads(chosen.results.read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
