# SPDX-License-Identifier: Apache-2.0
"""The servers of the contract tests: with the edge, the origin alone, behind nginx, Varnish, a node, a
company's (PostgreSQL and a bucket); two workers each.

Races are run on one more, whose one worker answers everything.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from tests.http.client import Site, sdist, wheel
from tests.infra import databases
from tests.infra.buckets import BucketServer
from tests.infra.desk import Desk
from tests.infra.server import finish, start, start_node
from tests.infra.varnish import Front, behind_varnish

FILE_LIMIT = 3_000_000
PROJECT_LIMIT = 5_000_000
LIMITS = {"PACKHOUSE_MAX_FILE_SIZE": str(FILE_LIMIT), "PACKHOUSE_MAX_PROJECT_SIZE": str(PROJECT_LIMIT)}
MODES = {
    "edge": "embedded",
    "origin": "none",
    "nginx": "nginx",
    "varnish": "embedded",
    "node": "embedded",
    "company": "embedded",
}
READING = {
    *("caching", "closed_index", "files", "html", "json", "metadata", "names", "negotiation", "status"),
}
"""What is asked of a server behind Varnish, which keeps pages and files and passes on all else."""

STORING = {*READING, *("downloads", "pull_through", "upload_files", "upload_hostile")}
"""What is asked of a server on PostgreSQL whose files are in a bucket."""

PASSED_ON = {
    "node": ("files", "form", "hostile", "metadata", "reasons"),
    "origin": ("files", "metadata", "reasons"),
    "nginx": ("metadata", "reasons"),
}
"""Tests of uploads whose answers don't depend on what passes the request on: asked of all in `make test-full`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs a running server; what is marked `once` is asked of the one with the edge alone."""
    items[:] = [item for item in items if not _is_asked_elsewhere(item)]
    for item in items:
        mode = item.name.partition("[")[2].partition("-")[0].removesuffix("]")
        if item.path.stem.removeprefix("test_upload_") in PASSED_ON.get(mode, ()):
            item.add_marker(pytest.mark.full)
        if "site" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


def _is_asked_elsewhere(item: pytest.Item) -> bool:
    if "[varnish" in item.name and item.path.stem.removeprefix("test_") not in READING:
        return True
    if "[company" in item.name and item.path.stem.removeprefix("test_") not in STORING:
        return True
    return item.get_closest_marker("once") is not None and "[edge" not in item.name


@pytest.fixture(scope="session", params=MODES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server in one of its forms; make your own names on it."""
    mode = request.param
    data = tmp_path_factory.mktemp(mode) / "data"
    workers = "1" if mode == "single" else "2"
    options = ("--edge", MODES.get(mode, "embedded"), "--workers", workers)
    extra = LIMITS | (_of_a_company(request) if mode == "company" else {})
    with behind_varnish() if mode == "varnish" else nullcontext(Front()) as front:
        server = start(data, *options, *front.options, extra=extra | front.extra)
        front.stand_before(server)
        node = start_node(server, "--workers", workers) if mode == "node" else None
        desk = Desk(data, extra)
        yield Site(node or server, "edge" if mode == "single" else mode, desk)
        desk.close()
        for started in (node, server):
            if started is not None:
                finish(started)


def _of_a_company(request: pytest.FixtureRequest) -> dict[str, str]:
    """Facts in PostgreSQL, files in a bucket."""
    s3: BucketServer = request.getfixturevalue("s3")
    database = databases.cluster().create(f"company_{secrets.token_hex(4)}")
    return s3.environment | {"PACKHOUSE_STORAGE": s3.fresh(), "PACKHOUSE_DATABASE": database}


SHELF = "Shelf.Sample_Project"
"""A project that reading tests share: two wheels and two sdists, under a name that is not normalized."""


@pytest.fixture(scope="session")
def shelf(site: Site) -> Site:
    """The site with the project `SHELF` on it; nobody changes it."""
    if not site.shelf:
        lines = ["Requires-Python: >=3.8,<4", 'Requires-Dist: other; extra == "x"', "Provides-Extra: x"]
        files = [
            wheel(SHELF, "1.0", lines=lines),
            sdist(SHELF, "1.0", lines=lines[:1]),
            wheel(SHELF, "1.0+cpu", lines=["Requires-Python: >=3.8,<4"]),
            sdist(SHELF, "2.0", metadata_version="2.1"),
        ]
        for file in files:
            site.publish(file, name=SHELF)
        site.shelf.update({filename: (filename, data) for filename, data in files})
    return site
