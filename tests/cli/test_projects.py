# SPDX-License-Identifier: Apache-2.0
"""Commands on projects, each seen in the very next answer of a running server."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

import pytest
from tests.corpus import make_wheel
from tests.infra.server import Server

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Published:
    """A project with one wheel each of 1.0 and 2.0."""

    server: Server
    name: str

    def filename(self, version: str) -> str:
        return f"{self.name}-{version}-py3-none-any.whl"

    def page(self) -> tuple[int, dict[str, Any]]:
        accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
        status, _, body = self.server.get(f"/simple/{self.name}/", accept)
        return status, json.loads(body) if status == 200 else {}

    def files(self) -> dict[str, Any]:
        return {file["filename"]: file.get("yanked", False) for file in self.page()[1]["files"]}


@pytest.fixture
def project(live: Server) -> Published:
    made = Published(live, f"p{secrets.token_hex(4)}")
    token = live.make_token(live.make_user())
    for version in ("1.0", "2.0"):
        status, answer = live.publish(token, *make_wheel(made.name, version))
        assert status == 200, answer
    assert made.files() == {made.filename("1.0"): False, made.filename("2.0"): False}
    return made


def test_yank_and_unyank(project: Published):
    out = project.server.must("yank", f"{project.name}==1.0", "--reason", "a leak")
    assert out == f"Yanked {project.filename('1.0')}."
    assert project.files() == {project.filename("1.0"): "a leak", project.filename("2.0"): False}
    assert "Nothing to do" in project.server.must("yank", f"{project.name}==1.0", "--reason", "a leak")
    project.server.must("unyank", f"{project.name}==1.0", "--file", project.filename("1.0"))
    assert project.files()[project.filename("1.0")] is False


def test_delete_a_release_then_the_project(project: Published):
    server = project.server
    refused = server.command("delete", f"{project.name}==1.0")
    assert (refused.returncode, "add --yes" in refused.stderr) == (2, True)
    server.must("delete", f"{project.name}==1.0", "--yes")
    assert list(project.files()) == [project.filename("2.0")]
    server.must("delete", project.name, "--yes")
    assert project.page()[1].get("files", []) == []


def test_delete_one_file(project: Published):
    named = ["--file", project.filename("2.0"), "--yes"]
    assert project.server.command("delete", project.name, *named).returncode == 2
    project.server.must("delete", f"{project.name}==2.0", *named)
    assert list(project.files()) == [project.filename("1.0")]


def test_status_with_a_reason(project: Published):
    project.server.must("status", project.name, "deprecated", "--reason", "use another")
    assert project.page()[1]["project-status"] == {"status": "deprecated", "reason": "use another"}
    project.server.must("status", project.name, "active")
    assert project.page()[1].get("project-status", {"status": "active"}) == {"status": "active"}


@pytest.mark.parametrize("arguments", [["yank", "x"], ["yank", "x=="], ["delete", "==1", "--yes"], ["yank", "no==1"]])
def test_targets_that_are_none(live: Server, arguments: list[str]):
    done = live.command(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_revoked_token_fails_on_the_next_request(live: Server):
    token = live.make_token(live.make_user())
    name = f"p{secrets.token_hex(4)}"
    assert live.publish(token, *make_wheel(name, "1"))[0] == 200
    live.must("token", "revoke", token)
    status, _ = live.publish(token, *make_wheel(name, "2"))
    assert status in {401, 403}


def test_a_closed_index_until_the_moment_of_the_grant(live: Server):
    person = live.make_user()
    token = live.make_token(person)
    name = f"closed-{secrets.token_hex(3)}"
    live.must("index", "create", name, "--read", "closed")
    headers = {"Authorization": f"Bearer {token}"}
    path = f"/index/{name}/simple/"
    assert live.get(path)[0] == 401
    assert live.get(path, headers)[0] == 403
    live.must("index", "grant", name, person.name)
    assert live.get(path, headers)[0] == 200
    live.must("index", "grant", name, person.name, "--end")
    assert live.get(path, headers)[0] == 403
