# SPDX-License-Identifier: Apache-2.0
"""Each publishing client against a live server: a first time, again, with other bytes, with a token that is no good."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.corpus import make_sdist, make_wheel
from tests.infra import clients
from tests.infra.server import Server

pytestmark = [pytest.mark.clients, pytest.mark.slow]

Done = subprocess.CompletedProcess[str]


@dataclass
class Desk:
    """A person's folder with a project in it, and where to publish."""

    folder: Path
    url: str
    token: str

    @property
    def upload(self) -> str:
        return f"{self.url}/legacy/"

    def files(self) -> list[str]:
        return sorted(str(file) for file in (self.folder / "dist").iterdir())

    def run(self, *command: str, **extra: str) -> Done:
        return clients.run(*command, home=self.folder, extra=extra)


def lay_out(folder: Path, name: str, version: str, payload: bytes = b"") -> None:
    """A project with its files built, for tools that want both."""
    module = name.replace("-", "_")
    (folder / "dist").mkdir(parents=True, exist_ok=True)
    for old in (folder / "dist").iterdir():
        old.unlink()
    (folder / f"{module}.py").write_text(f'"""A project for tests."""\n__version__ = "{version}"\nX = {payload!r}\n')
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["flit_core >=3"]\nbuild-backend = "flit_core.buildapi"\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\ndescription = "A project for tests"\n'
        'requires-python = ">=3.8"\nauthors = [{name = "A", email = "a@example.org"}]\n'
    )
    extra = {f"{module}/payload.bin": payload} if payload else None
    for filename, data in (make_wheel(name, version, files=extra), make_sdist(name, version)):
        (folder / "dist" / filename).write_bytes(data)


def uv(desk: Desk) -> Done:
    options = ("--publish-url", desk.upload, "--token", desk.token, "--trusted-publishing", "never")
    return desk.run("uv", "publish", *options, *desk.files())


def uv_with_check_url(desk: Desk) -> Done:
    options = ("--publish-url", desk.upload, "--check-url", f"{desk.url}/simple/", "--token", desk.token)
    return desk.run("uv", "publish", *options, "--trusted-publishing", "never", *desk.files())


def uv_with_a_user_name(desk: Desk) -> Done:
    options = ("--publish-url", desk.upload, "--username", "__token__", "--password", desk.token)
    return desk.run("uv", "publish", *options, "--trusted-publishing", "never", *desk.files())


def twine(desk: Desk) -> Done:
    options = ("--repository-url", desk.upload, "-u", "__token__", "-p", desk.token, "--non-interactive", "--verbose")
    return desk.run("twine", "upload", "--disable-progress-bar", *options, *desk.files())


def twine_without_slash(desk: Desk) -> Done:
    options = ("--repository-url", desk.upload.rstrip("/"), "-u", "__token__", "-p", desk.token, "--non-interactive")
    return desk.run("twine", "upload", "--disable-progress-bar", *options, *desk.files())


def poetry(desk: Desk) -> Done:
    desk.run("poetry", "config", "repositories.house", desk.upload)
    return desk.run("poetry", "publish", "-n", "-r", "house", "-u", "__token__", "-p", desk.token)


def pdm(desk: Desk) -> Done:
    options = ("--repository", desk.upload, "--username", "__token__", "--password", desk.token)
    return desk.run("pdm", "publish", "--no-build", "-v", *options, PDM_CHECK_UPDATE="0")


def hatch(desk: Desk) -> Done:
    options = ("--no-prompt", "--repo", desk.upload, "--user", "__token__", "--auth", desk.token)
    return desk.run("hatch", "publish", *options, *desk.files())


def flit(desk: Desk) -> Done:
    return desk.run("flit", "publish", FLIT_INDEX_URL=desk.upload, FLIT_USERNAME="__token__", FLIT_PASSWORD=desk.token)


CLIENTS: list[Callable[[Desk], Done]] = [
    uv,
    uv_with_check_url,
    uv_with_a_user_name,
    twine,
    twine_without_slash,
    poetry,
    pdm,
    hatch,
    flit,
]


@pytest.fixture(scope="module")
def token(live: Server) -> str:
    return live.make_token(live.make_user("publisher-of-clients"))


@pytest.fixture(params=CLIENTS, ids=lambda client: client.__name__)
def client(request: pytest.FixtureRequest) -> Callable[[Desk], Done]:
    found: Callable[[Desk], Done] = request.param
    return found


@pytest.fixture
def desk(live: Server, token: str, tmp_path: Path) -> Desk:
    return Desk(tmp_path, live.url, token)


def words(done: Done) -> str:
    return done.stdout + done.stderr


def _reasons(client: Callable[[Desk], Done]) -> tuple[str, ...]:
    """What a client says of a filename that is taken; uv may ask the index first, pdm shows the status alone."""
    if client is uv_with_check_url:
        return "already exist", "do not match"
    return ("400 Bad Request",) if client is pdm else ("File already exists",)


def test_a_client_publishes_repeats_and_is_refused(client: Callable[[Desk], Done], desk: Desk, live: Server) -> None:
    name = f"by-{client.__name__.replace('_', '-')}"
    lay_out(desk.folder, name, "1.0")
    done = client(desk)
    assert done.returncode == 0, words(done)
    page = live.get(f"/simple/{name}/")[2].decode()
    module = name.replace("-", "_")
    assert f">{module}-1.0-py3-none-any.whl</a>" in page
    assert f">{module}-1.0.tar.gz</a>" in page

    again = client(desk)
    assert again.returncode == 0, words(again)

    lay_out(desk.folder, name, "1.0", payload=b"other bytes")
    changed = client(desk)
    if client is not hatch:  # it asks the index first, and says that everything is there
        assert changed.returncode != 0, words(changed)
        assert any(reason in words(changed) for reason in _reasons(client)), words(changed)
    assert live.get(f"/simple/{name}/")[2].decode() == page


def test_a_bad_token_is_told_as_such(client: Callable[[Desk], Done], desk: Desk, live: Server) -> None:
    name = f"not-by-{client.__name__.replace('_', '-')}"
    lay_out(desk.folder, name, "1.0")
    desk.token = desk.token[:-1] + ("A" if desk.token[-1] != "A" else "B")
    done = client(desk)
    assert done.returncode != 0
    assert "401" in words(done), words(done)
    if client is not pdm:  # which shows the status alone (docs/upload.md)
        assert "not a valid API token" in " ".join(words(done).split()), words(done)
    assert live.get(f"/simple/{name}/")[0] == 404
