# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.infra.server import Server, run_packhouse

from packhouse.cli.banner import lines

pytestmark = pytest.mark.slow

StartServer = Callable[..., Server]


def test_claim_link_on_the_terminal_and_in_a_private_file(start_server: StartServer):
    server = start_server(fresh=True)
    file = server.data / "first-admin"
    link = file.read_text(encoding="ascii").strip()
    assert link.startswith(f"{server.url}/admin/claim/")
    assert link in server.output()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_exact_lines_for_this_server(start_server: StartServer):
    server = start_server()
    for line in (
        f"uv publish --publish-url {server.url}/legacy/ --token TOKEN",
        f"twine upload --repository-url {server.url}/legacy/ --username __token__ --password TOKEN dist/*",
        f"pip install --index-url {server.url}/simple/ NAME",
        f"uv pip install --default-index {server.url}/simple/ NAME",
        f"index-url = {server.url}/simple/",
        f'url = "{server.url}/simple/"',
        f"repository = {server.url}/legacy/",
    ):
        assert f"  {line}\n" in server.output()


def test_lines_for_plain_http_elsewhere_name_the_host_as_trusted():
    text = lines("http://packages.example:8080")
    assert "pip install --index-url http://packages.example:8080/simple/ --trusted-host packages.example NAME" in text
    assert "--allow-insecure-host packages.example NAME" in text
    assert "trusted" not in lines("https://packages.example")


def test_a_new_claim_link_at_each_start_until_there_is_an_administrator(start_server: StartServer):
    server = start_server()
    first = (server.data / "first-admin").read_text(encoding="ascii")
    server.stop()
    again = start_server()
    assert (again.data / "first-admin").read_text(encoding="ascii") != first
    again.make_user(admin=True)
    again.stop()
    start_server()
    assert not (server.data / "first-admin").exists()


def test_other_addresses_wait_for_an_administrator(tmp_path: Path, start_server: StartServer):
    folder = tmp_path / "data"
    done = run_packhouse("serve", "--upstream", "none", "--host", "0.0.0.0", "--port", "0", "--data", str(folder))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "there is no administrator yet" in done.stderr
    made = ["user", "create", "admin", "--email", "admin@example.org", "--admin", "--password-stdin"]
    assert run_packhouse(*made, "--data", str(folder), stdin="plain brown fox 42\n").returncode == 0
    server = start_server("--host", "0.0.0.0", data=folder)
    assert server.get("/readyz")[0] == 200


def test_an_upstream_is_the_last_layer_of_main(start_server: StartServer):
    server = start_server("--upstream", "https://index.example/simple/")
    assert "https://index.example/simple/" in server.output()
    assert "layer\town\nlayer\tupstream:default\n" in server.must("index", "show", "main")


def test_a_password_of_an_upstream_is_neither_shown_nor_kept(start_server: StartServer):
    server = start_server("--upstream", "https://me:cAnArY@index.example/simple/")
    shown = server.must("upstream", "show", "default")
    assert "https://index.example/simple/" in shown
    assert "cAnArY" not in server.output() + shown


def test_an_upstream_that_is_no_address_is_refused(tmp_path: Path):
    done = run_packhouse("serve", "--port", "0", "--data", str(tmp_path / "data"), "--upstream", "ftp://index.example/")
    assert done.returncode == 2
    assert "--upstream is 'ftp://index.example/', expected auto, none or an http(s) address" in done.stderr
