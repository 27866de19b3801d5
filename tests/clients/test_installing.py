# SPDX-License-Identifier: Apache-2.0
"""Each installing client against a live server, from a public index and from a closed one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.corpus import make_wheel
from tests.infra import clients
from tests.infra.recorder import Recorder
from tests.infra.server import Server

pytestmark = [pytest.mark.clients, pytest.mark.slow]

Done = subprocess.CompletedProcess[str]
NAME = "to-be-installed"


def publish(server: Server, folder: Path, token: str, files: list[tuple[str, bytes]], index: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for filename, data in files:
        (folder / filename).write_bytes(data)
    target = f"{server.url}{index}/legacy/"
    options = ("--publish-url", target, "--token", token, "--trusted-publishing", "never")
    done = clients.run("uv", "publish", *options, *(str(folder / f) for f, _ in files), home=folder)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def served(live: Server, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The server with a project that needs another one, on `main` and on a closed index."""
    person = live.make_user("publisher-to-install")
    token = live.make_token(person)
    folder = tmp_path_factory.mktemp("files")
    needed = make_wheel(f"{NAME}-needed", "2.0")
    files = [
        make_wheel(NAME, "1.0", lines=[f"Requires-Dist: {NAME}-needed>=2"]),
        make_wheel(NAME, "2.0rc1"),
        needed,
    ]
    publish(live, folder, token, files)
    live.must("index", "create", "vault", "--read", "closed")
    live.must("index", "grant", "vault", person.name)
    publish(live, folder / "vault", token, [make_wheel("kept-in-the-vault", "1.0")], "/index/vault")
    return live


def simple(server: Server) -> str:
    return f"{server.url}/simple/"


def project(folder: Path, extra: str = "", dependency: str = "") -> None:
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "consumer"\nversion = "0"\nrequires-python = ">=3.11"\n'
        f"dependencies = [{json.dumps(dependency) if dependency else ''}]\n{extra}"
    )


def pip(server: Server, home: Path) -> Done:
    options = ("--no-cache-dir", "--target", str(home / "out"), "--index-url", simple(server))
    return clients.run("pip", "install", *options, NAME, home=home)


def uv(server: Server, home: Path) -> Done:
    options = ("--target", str(home / "out"), "--index-url", simple(server), "--python", "3")
    return clients.run("uv", "pip", "install", *options, NAME, home=home)


def poetry(server: Server, home: Path) -> Done:
    source = f'[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = "house"\nurl = "{simple(server)}"\n'
    project(home, source + 'priority = "primary"\n')
    return clients.run("poetry", "add", "-n", NAME, home=home, seconds=240)


def pdm(server: Server, home: Path) -> Done:
    source = f'[tool.pdm]\ndistribution = false\n[[tool.pdm.source]]\nname = "pypi"\nurl = "{simple(server)}"\n'
    project(home, source + "verify_ssl = false\n")
    return clients.run("pdm", "add", "-v", "--no-self", NAME, home=home, extra={"PDM_CHECK_UPDATE": "0"}, seconds=240)


def hatch(server: Server, home: Path) -> Done:
    project(home, f'[tool.hatch.envs.default]\nskip-install = true\ndependencies = ["{NAME}"]\npath = ".hatch"\n')
    extra = {"PIP_INDEX_URL": simple(server), "UV_INDEX_URL": simple(server)}
    return clients.run("hatch", "env", "create", home=home, extra=extra, seconds=240)


def flit(server: Server, home: Path) -> Done:
    clients.make_environment(home / ".venv")
    (home / "consumer.py").write_text('"""Needs a project."""\n__version__ = "0"\n')
    build = '[build-system]\nrequires = ["flit_core >=3"]\nbuild-backend = "flit_core.buildapi"\n'
    project(home, build, NAME)
    text = (home / "pyproject.toml").read_text().replace('version = "0"\n', 'version = "0"\ndescription = "x"\n')
    (home / "pyproject.toml").write_text(text)
    extra = {"PIP_INDEX_URL": simple(server), "FLIT_ROOT_INSTALL": "1"}
    options = ("-s", "--deps", "production", "--python", str(home / ".venv/bin/python"))
    return clients.run("flit", "install", *options, home=home, extra=extra, seconds=240)


CLIENTS: list[Callable[[Server, Path], Done]] = [pip, uv, poetry, pdm, hatch, flit]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_a_client_installs_with_what_is_needed(
    client: Callable[[Server, Path], Done], served: Server, tmp_path: Path
) -> None:
    done = client(served, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    module = NAME.replace("-", "_")
    found = {path.parent.name for path in tmp_path.rglob("*.dist-info/METADATA")}
    assert f"{module}-1.0.dist-info" in found
    assert f"{module}_needed-2.0.dist-info" in found


def test_installs_are_counted_by_client_and_python(live: Server, served: Server, tmp_path: Path) -> None:
    token, name = live.make_token("publisher-to-install"), "counted-by-client"
    publish(live, tmp_path / "f", token, [make_wheel(name, "1.0")])
    for client in ("pip", "uv"):
        done = install_from(simple(served), tmp_path, client, name, client)
        assert done.returncode == 0, done.stderr
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    until = time.monotonic() + 60
    while "<strong>2</strong> in the last 30 days" not in (page := live.get(f"/project/{name}/")[2].decode()):
        assert time.monotonic() < until
        time.sleep(0.2)
    for told in ("pip", "uv", python):
        assert f'<th scope="row">{told}</th>' in page


def credentials(server: Server, token: str, index: str) -> str:
    return server.url.replace("http://", f"http://__token__:{token}@") + f"/index/{index}/simple/"


@pytest.mark.parametrize("client", ["pip", "uv"])
@pytest.mark.parametrize("how", ["url", "netrc"])
def test_check_8_a_closed_index_is_installed_from_with_a_token_until_it_is_deleted(
    client: str, how: str, served: Server, tmp_path: Path
) -> None:
    token = served.make_token("publisher-to-install", "--scope", "read")
    address = f"{served.url}/index/vault/simple/"
    if how == "url":
        address = credentials(served, token, "vault")
    else:
        host = served.url.removeprefix("http://").partition(":")[0]
        (tmp_path / ".netrc").write_text(f"machine {host} login __token__ password {token}\n")
        (tmp_path / ".netrc").chmod(0o600)

    def install(target: str) -> Done:
        options = ("--target", str(tmp_path / target), "--index-url", address)
        command = ("pip", "install", "--no-input", "--no-cache-dir") if client == "pip" else ("uv", "pip", "install")
        cache = {} if client == "pip" else {"UV_NO_CACHE": "1"}
        return clients.run(*command, *options, "kept-in-the-vault", home=tmp_path, extra=cache)

    done = install("first")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "first" / "kept_in_the_vault-1.0.dist-info").is_dir()
    served.must("token", "revoke", token)
    refused = install("second")
    assert refused.returncode != 0
    assert not (tmp_path / "second").exists() or not list((tmp_path / "second").glob("kept_in*"))


PRIVATE = "kept-in-the-vault"


def install_from(
    address: str, home: Path, client: str, wanted: str = PRIVATE, target: str = "out", **extra: str
) -> Done:
    """Install from one index, with the client's cache switched off."""
    command = ("pip", "install", "--no-input", "--no-cache-dir") if client == "pip" else ("uv", "pip", "install")
    options = ("--target", str(home / target), "--index-url", address)
    return clients.run(*command, *options, wanted, home=home, extra={"UV_NO_CACHE": "1", **extra})


@pytest.fixture
def reader(served: Server) -> str:
    """A token that may read the closed index."""
    return served.make_token("publisher-to-install", "--scope", "read")


def test_check_8_uv_takes_credentials_from_the_environment(served: Server, reader: str, tmp_path: Path) -> None:
    address = f"{served.url}/index/vault/simple/"
    (tmp_path / "uv.toml").write_text(f'[[index]]\nname = "vault"\nurl = "{address}"\ndefault = true\n')
    command = ("uv", "pip", "install", "--config-file", str(tmp_path / "uv.toml"), "--target", str(tmp_path / "out"))
    quiet = {"UV_NO_CACHE": "1", "UV_NO_CONFIG": "0"}
    assert clients.run(*command, PRIVATE, home=tmp_path, extra=quiet).returncode != 0
    known = {"UV_INDEX_VAULT_USERNAME": "__token__", "UV_INDEX_VAULT_PASSWORD": reader}
    done = clients.run(*command, PRIVATE, home=tmp_path, extra=quiet | known)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "kept_in_the_vault-1.0.dist-info").is_dir()


def test_check_8_uv_takes_credentials_from_its_own_store(served: Server, reader: str, tmp_path: Path) -> None:
    """`uv auth login` keeps a token for a host; uv takes https alone there unless the host is this machine."""
    address = f"{served.url}/index/vault/simple/"
    login = clients.run("uv", "auth", "login", address, "--token", reader, home=tmp_path)
    assert login.returncode == 0, login.stderr
    options = ("--no-cache", "--target", str(tmp_path / "out"), "--index-url", address)
    done = clients.run("uv", "pip", "install", *options, PRIVATE, home=tmp_path)
    assert done.returncode == 0, done.stderr


def test_check_8_pip_asks_the_keyring_after_a_401(served: Server, reader: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    keyring = tmp_path / "bin" / "keyring"
    kept = json.dumps({"username": "__token__", "password": reader})
    keyring.write_text(f"#!/bin/sh\necho '{kept}'\n")
    keyring.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{clients.folder()}:/usr/bin:/bin"
    address = f"{served.url}/index/vault/simple/".replace("http://", "http://__token__@")
    options = ("--keyring-provider", "subprocess", "--no-cache-dir", "--target", str(tmp_path / "out"))
    done = clients.run("pip", "install", *options, "--index-url", address, PRIVATE, home=tmp_path, extra={"PATH": path})
    assert done.returncode == 0, done.stderr


def test_check_9_a_name_the_closed_index_does_not_have_is_taken_from_the_next(
    served: Server, reader: str, tmp_path: Path
) -> None:
    first = credentials(served, reader, "vault")
    for client, how in (("uv", ("--index", first, "--default-index")), ("pip", ("--extra-index-url", first, "-i"))):
        command = ("pip", "install", "--no-cache-dir") if client == "pip" else ("uv", "pip", "install", "--no-cache")
        target = tmp_path / client
        done = clients.run(*command, "--target", str(target), *how, simple(served), NAME, PRIVATE, home=tmp_path)
        assert done.returncode == 0, done.stderr
        assert list(target.glob("to_be_installed-1.0.dist-info"))
        assert list(target.glob("kept_in_the_vault-1.0.dist-info"))


def test_table_11_uv_stops_at_an_index_that_refuses_it(served: Server, tmp_path: Path) -> None:
    """Not 404: that would let the name be taken from the next index."""
    closed = f"{served.url}/index/vault/simple/"
    options = ("--no-cache", "--target", str(tmp_path / "out"), "--index", closed, "--default-index", simple(served))
    done = clients.run("uv", "pip", "install", *options, NAME, home=tmp_path)
    assert done.returncode != 0
    assert "401" in done.stderr


def test_check_20_C2_C4_a_second_run_of_uv_is_answered_304(served: Server, tmp_path: Path) -> None:
    with Recorder(served.url) as recorder:
        for _ in range(2):
            recorder.seen.clear()
            options = ("--index-url", f"{recorder.url}/simple/", "--dry-run", "--target", str(tmp_path / "out"))
            done = clients.run("uv", "pip", "install", *options, NAME, home=tmp_path)
            assert done.returncode == 0, done.stderr
    pages = [request for request in recorder.seen if request.path.startswith("/simple/")]
    assert {request.path for request in pages} == {f"/simple/{NAME}/", f"/simple/{NAME}-needed/"}
    assert {(request.status, bool(request.known)) for request in pages} == {(304, True)}


def test_C5_pip_keeps_pages_of_trusted_hosts_and_asks_with_what_it_has(served: Server, tmp_path: Path) -> None:
    with Recorder(served.url) as recorder:
        for _ in range(2):
            recorder.seen.clear()
            options = (
                "--trusted-host",
                "127.0.0.1",
                "--index-url",
                f"{recorder.url}/simple/",
                "--no-deps",
                "--dry-run",
            )
            done = clients.run("pip", "install", *options, "--target", str(tmp_path / "out"), NAME, home=tmp_path)
            assert done.returncode == 0, done.stderr
    pages = [request for request in recorder.seen if request.path == f"/simple/{NAME}/"]
    assert {(request.status, bool(request.known)) for request in pages} == {(304, True)}


def test_check_14_a_yanked_release_is_passed_over_unless_pinned(live: Server, served: Server, tmp_path: Path) -> None:
    token = live.make_token("publisher-to-install")
    name = "yanked-for-installers"
    publish(live, tmp_path / "f", token, [make_wheel(name, "1.0"), make_wheel(name, "1.1")])
    live.must("yank", f"{name}==1.1", "--reason", "broken")
    for client in (("pip", "install", "--no-cache-dir"), ("uv", "pip", "install")):
        for wanted, version in ((name, "1.0"), (f"{name}==1.1", "1.1")):
            target = tmp_path / client[0] / version
            options = ("--target", str(target), "--index-url", simple(live))
            done = clients.run(*client, *options, wanted, home=tmp_path)
            assert done.returncode == 0, done.stderr
            assert list(target.glob(f"{name.replace('-', '_')}-{version}.dist-info"))


def test_check_12_cooldowns_of_uv_and_pip_work(served: Server, tmp_path: Path) -> None:
    for moment, expected in (("2020-01-01T00:00:00Z", 1), ("2099-01-01T00:00:00Z", 0)):
        options = ("--target", str(tmp_path / moment[:4]), "--index-url", simple(served), "--no-deps")
        by_uv = clients.run("uv", "pip", "install", "--exclude-newer", moment, *options, NAME, home=tmp_path)
        assert bool(by_uv.returncode) == bool(expected), by_uv.stderr
        options = ("--target", str(tmp_path / f"pip{moment[:4]}"), "--index-url", simple(served), "--no-deps")
        by_pip = clients.run("pip", "install", "--uploaded-prior-to", moment, *options, NAME, home=tmp_path)
        assert bool(by_pip.returncode) == bool(expected), by_pip.stderr


def test_check_17_pip_reads_metadata_by_ranges_when_told_to(served: Server, tmp_path: Path) -> None:
    options = ("--no-cache-dir", "--use-feature=fast-deps", "--target", str(tmp_path / "out"))
    done = clients.run("pip", "install", *options, "--index-url", simple(served), NAME, home=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", ["simple", "xmlrpc"])
def test_check_39_bandersnatch_mirrors_from_us(method: str, served: Server, tmp_path: Path) -> None:
    """Version 6.8, the newest for Python 3.11."""
    mirror(clients.folder(), method, served, tmp_path)


def test_check_39_decision_8_bandersnatch_8_2_mirrors_from_us(served: Server, tmp_path: Path) -> None:
    python = clients.newer_python()
    if python is None:
        pytest.skip("bandersnatch 8.2 wants Python 3.13, and there is none on this machine")
    mirror(clients.folder("bandersnatch", python), "simple", served, tmp_path)


def mirror(programs: Path, method: str, served: Server, tmp_path: Path) -> None:
    (tmp_path / "bandersnatch.conf").write_text(
        f"[mirror]\ndirectory = {tmp_path / 'mirror'}\nmaster = {served.url}\njson = true\ntimeout = 10\nworkers = 2\n"
        f"allow-non-https = true\napi-method = {method}\n"
        "hash-index = false\nstop-on-error = true\nverifiers = 2\n"
        "[plugins]\nenabled =\n    allowlist_project\n[allowlist]\npackages =\n"
        f"    {NAME}\n    {NAME}-needed\n"
    )
    done = clients.run(programs / "bandersnatch", "-c", "bandersnatch.conf", "mirror", home=tmp_path, seconds=240)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Stale" not in said
    mirrored = {path.name for path in (tmp_path / "mirror").rglob("*.whl")}
    assert f"{NAME.replace('-', '_')}-1.0-py3-none-any.whl" in mirrored
    page = (tmp_path / "mirror/web/simple" / NAME / "index.html").read_text()
    assert f"{NAME.replace('-', '_')}-1.0-py3-none-any.whl" in page
