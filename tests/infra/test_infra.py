# SPDX-License-Identifier: Apache-2.0
"""What the tests stand on works here, and leaves nothing behind."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import psycopg
import pytest
from pytest_socket import SocketConnectBlockedError

from tests.infra import browser, clients, nginx, run
from tests.infra.postgresql import Cluster

PAGE = """<!doctype html><html lang="en"><head><title>Tapes</title></head><body><main>
<h1>Tapes</h1><label>Name <input name="n"></label><button>Go</button>{more}</main></body></html>"""


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_a_test_reaches_nothing_but_this_machine():
    with socket.socket() as outside, pytest.raises(SocketConnectBlockedError):
        outside.connect(("192.0.2.1", 80))


@pytest.mark.postgres
def test_a_cluster_makes_databases_that_are_apart(postgresql: Cluster):
    urls = [postgresql.create("one"), postgresql.create("two")]
    with psycopg.connect(urls[0]) as one, psycopg.connect(urls[1]) as two:
        one.execute("CREATE TABLE here (a int)")
        with pytest.raises(psycopg.errors.UndefinedTable):
            two.execute("SELECT * FROM here")


@pytest.mark.browser
def test_nginx_serves_chromium_reads_and_axe_judges(tmp_path: Path):
    tmp_path.joinpath("good.html").write_text(PAGE.format(more=""))
    tmp_path.joinpath("bad.html").write_text(PAGE.format(more='<img src="x.png">'))
    with nginx.nginx(f"root {tmp_path};") as address, browser.chromium() as chromium:
        page = chromium.new_context(bypass_csp=True).new_page()
        page.goto(f"{address}/good.html")
        page.get_by_label("Name").fill("x")
        assert browser.findings(page) == []
        page.goto(f"{address}/bad.html")
        assert [line.split()[0] for line in browser.findings(page)] == ["image-alt"]


@pytest.mark.browser
def test_nginx_is_gone_after_its_block(tmp_path: Path):
    with nginx.nginx(f"root {tmp_path};") as address:
        tmp_path.joinpath("x").write_text("x")
        assert urllib.request.urlopen(f"{address}/x", timeout=30).read() == b"x"
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{address}/x", timeout=30)


def test_the_totals_of_a_run_are_those_of_its_report(tmp_path: Path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="5" failures="1" errors="1" skipped="2"/></testsuites>')
    assert run.count(report) == {"tests": 5, "failures": 1, "errors": 1, "skipped": 2}
    assert run.count(tmp_path / "absent.xml") == {"errors": 1}


@pytest.mark.clients
@pytest.mark.parametrize("client", ["uv", "pip", "twine", "flit", "hatch", "pdm", "poetry", "bandersnatch"])
def test_the_clients_are_there_and_know_nothing_of_this_machine(client: str, tmp_path: Path):
    done = clients.run(client, "--version", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert client in (done.stdout + done.stderr).lower()
    assert (clients.folder(client) / client).is_file()


ONCE = """
import pathlib
import pytest

@pytest.mark.parametrize("number", range({failing}))
def test_first_time(number):
    seen = pathlib.Path(r"{folder}", str(number))
    again = seen.exists()
    seen.touch()
    assert again and number != {broken}

def test_sound():
    pass
"""


@pytest.mark.parametrize(
    ("failing", "broken", "live", "failed", "unstable"),
    [
        pytest.param(2, None, True, 0, 2, id="passes when alone"),
        pytest.param(2, 1, True, 1, 1, id="fails again"),
        pytest.param(4, None, True, 4, 0, id="too many for an accident"),
        pytest.param(1, None, False, 1, 0, id="has one try"),
    ],
)
def test_a_second_try(tmp_path: Path, failing: int, broken: int | None, live: bool, failed: int, unstable: int):
    path = tmp_path / "test_once.py"
    path.write_text(ONCE.format(failing=failing, folder=tmp_path, broken=broken))
    arguments = ("-p", "no:django", "-c", str(tmp_path / "none.ini"), str(path))
    tmp_path.joinpath("none.ini").touch()
    done = run.run("sqlite", tmp_path, *arguments, live=("test_once",) if live else ("tests.http.",))
    assert (done.totals["tests"], done.totals["failures"]) == (failing + 1, failed)
    assert len(done.unstable) == unstable
    assert done.code == (1 if failed else 0)
