# SPDX-License-Identifier: Apache-2.0
"""The index that pip on this machine is set to, field by field beside what we make of it, and installed through us.

It asks a stranger's server, so it runs only when it is told to (PACKHOUSE_TEST_REAL_UPSTREAM=1); what its address is
stands nowhere here. A handful of small projects, each page once from either side.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import orjson
import pytest
from tests.infra import clients
from tests.infra.server import Server, finish, start

from packhouse.domain.pulled import parts_of
from packhouse.site.pip_index import pip_index

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif("PACKHOUSE_TEST_REAL_UPSTREAM" not in os.environ, reason="asks an index beyond this machine"),
]

PROJECTS = ("six", "attrs", "sampleproject")
JSON = "application/vnd.pypi.simple.v1+json"
ASK = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Accept": sys.argv[2]})
with urllib.request.urlopen(request, timeout=60) as reply:
    sys.stdout.buffer.write(reply.read())
"""


def ask(url: str, accept: str = JSON) -> bytes:
    """What an address answers, asked by a process of its own: this one may not reach beyond the machine."""
    done = subprocess.run([sys.executable, "-c", ASK, url, accept], capture_output=True, timeout=90, check=False)
    if done.returncode:
        pytest.skip("the index that pip is set to can't be reached")
    return done.stdout


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    """The pages of the upstream by project."""
    address = pip_index().rstrip("/")
    return {name: orjson.loads(ask(f"{address}/{name}/")) for name in PROJECTS}


@pytest.fixture(scope="module")
def server(theirs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(tmp_path_factory.mktemp("real") / "data", "--upstream", "auto")
    yield running
    finish(running)


def page_of(server: Server, name: str) -> dict[str, Any]:
    status, _, body = server.get(f"/simple/{name}/", {"Accept": JSON})
    assert status == 200, body
    page: dict[str, Any] = orjson.loads(body)
    return page


def said(file: dict[str, Any]) -> dict[str, Any]:
    """What a page says of a file, as far as both sides must say the same."""
    yanked = file.get("yanked") or False
    return {
        "sha256": file["hashes"]["sha256"],
        "size": file.get("size"),
        "requires-python": file.get("requires-python"),
        "yanked": yanked.strip() or True if isinstance(yanked, str) else yanked,
        "upload-time": datetime.fromisoformat(file["upload-time"]) if file.get("upload-time") else None,
        "provenance": file.get("provenance"),
    }


@pytest.mark.parametrize("name", PROJECTS)
def test_every_file_is_said_to_be_what_the_upstream_says(server: Server, theirs: dict[str, Any], name: str):
    expected = {file["filename"]: said(file) for file in theirs[name]["files"] if parts_of(file["filename"])}
    ours = page_of(server, name)
    assert expected
    assert {file["filename"]: said(file) for file in ours["files"]} == expected
    assert ours["project-status"]["status"] == theirs[name].get("project-status", {}).get("status", "active")


@pytest.mark.parametrize("name", PROJECTS)
def test_a_file_and_its_metadata_are_the_upstreams(server: Server, theirs: dict[str, Any], name: str):
    file = [file for file in page_of(server, name)["files"] if file["filename"].endswith(".whl")][-1]
    status, _, metadata = server.get(f"{file['url'].removeprefix('../..')}.metadata")
    assert status == 200
    data = server.get(file["url"].removeprefix("../.."))[2]
    their = next(other for other in theirs[name]["files"] if other["filename"] == file["filename"])
    assert hashlib.sha256(data).hexdigest() == their["hashes"]["sha256"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        member = next(member for member in archive.namelist() if member.endswith(".dist-info/METADATA"))
        assert archive.read(member) == metadata
    offered = their.get("core-metadata")
    if isinstance(offered, dict):
        assert hashlib.sha256(metadata).hexdigest() == offered["sha256"]
    assert ask(urljoin(f"{pip_index().rstrip('/')}/{name}/", their["url"]), "*/*") == data


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_they_are_installed_through_us(server: Server, client: str, tmp_path: Path):
    python = clients.make_environment(tmp_path / "env")
    index = f"{server.url}/simple/"
    if client == "pip":
        command = [str(python.with_name("pip")), "install", "--no-input", "--no-cache-dir", "--index-url", index]
    else:
        command = ["uv", "pip", "install", "--python", str(python), "--default-index", index]
    done = clients.run(*command, *PROJECTS, home=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in PROJECTS:
        assert list((tmp_path / "env").glob(f"lib/*/site-packages/{name}-*.dist-info"))
