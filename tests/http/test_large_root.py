# SPDX-License-Identifier: Apache-2.0
"""The root page of a server with so many projects that it is made in pieces, over HTTP, with the edge and without."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.http.client import V1_JSON, Site, fresh, wheel
from tests.infra.desk import Desk
from tests.infra.server import environment, finish, start

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = 2_100
KINDS = ("text/html", V1_JSON)


def load(data: Path, projects: int) -> None:
    """Fill a data folder as benchmarks do."""
    command = ["benchmarks.load_catalogue", "--data", str(data), "--projects", str(projects), "--thin=0", "--largest=3"]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module", params=["embedded", "none"])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server of two processes with 2,100 projects."""
    data = tmp_path_factory.mktemp("large") / "data"
    load(data, PROJECTS)
    server = start(data, "--edge", request.param, "--workers", "2")
    desk = Desk(data)
    yield Site(server, request.param, desk)
    desk.close()
    finish(server)


pytestmark = pytest.mark.slow


def names(body: bytes) -> dict[str, int]:
    return {entry["name"]: entry["_last-serial"] for entry in json.loads(body)["projects"]}


def test_it_is_one_gzip_member_and_says_the_same_as_the_plain_page(large: Site) -> None:
    for accept in KINDS:
        packed = large.ask("/simple/", accept=accept, accept_encoding="gzip, deflate, zstd")
        plain = large.ask("/simple/", accept=accept, accept_encoding="identity")
        reader = zlib.decompressobj(31)
        assert packed["content-encoding"] == "gzip"
        assert reader.decompress(packed.body) == plain.body
        assert reader.eof
        assert reader.unused_data == b""
        assert [int(reply["content-length"]) for reply in (packed, plain)] == [len(packed.body), len(plain.body)]
        assert packed["etag"] != plain["etag"]
        assert packed["x-pypi-last-serial"] == plain["x-pypi-last-serial"]
        assert plain.body.count(b"</a>" if accept == "text/html" else b'"name"') >= PROJECTS


def test_each_upload_is_in_the_very_next_answer_whoever_gives_it(large: Site) -> None:
    before = names(large.ask("/simple/", accept=V1_JSON, accept_encoding="identity").body)
    name, found = fresh("rooted"), before
    for version in ("1.0", "2.0", "3.0"):
        large.publish(wheel(name, version))
        for encoding in ("gzip", "identity", "gzip"):
            answer = large.ask("/simple/", accept=V1_JSON, accept_encoding=encoding)
            body = gzip.decompress(answer.body) if encoding == "gzip" else answer.body
            found = names(body)
            assert found[name] == int(answer["x-pypi-last-serial"]) == json.loads(body)["meta"]["_last-serial"]
            assert set(found) == {*before, name}
        page = large.ask("/simple/", accept="text/html", accept_encoding="gzip")
        assert f'<a href="{name}/">'.encode() in gzip.decompress(page.body)
        assert int(page["x-pypi-last-serial"]) == found[name]


def test_conditional_requests_and_head(large: Site) -> None:
    for accept in KINDS:
        for encoding in ("gzip", "identity"):
            answer = large.ask("/simple/", accept=accept, accept_encoding=encoding)
            head = large.ask("/simple/", method="HEAD", accept=accept, accept_encoding=encoding)
            again = large.ask("/simple/", accept=accept, accept_encoding=encoding, if_none_match=answer["etag"])
            assert (head.status, head.body, head["content-length"]) == (200, b"", answer["content-length"])
            assert head["etag"] == answer["etag"]
            assert (again.status, again.body) == (304, b"")


def test_a_closed_index_is_for_its_readers_alone(large: Site) -> None:
    name = fresh("closed-index")
    large.must("index", "create", name, "--read", "closed")
    assert large.ask(f"/index/{name}/simple/").status == 401
    assert large.ask("/simple/").status == 200
    assert large.ask("/index/no-such-index/simple/").status == 404
