# SPDX-License-Identifier: Apache-2.0
"""pip and uv against indexes of layers, with a cooldown, and against past states."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.clients.test_installing import install_from, publish
from tests.corpus import make_wheel
from tests.infra.server import Server

pytestmark = [pytest.mark.clients, pytest.mark.slow]


@pytest.fixture(scope="module")
def staged(live: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Server, int]:
    """Two versions of a project in `lab`, the first deleted since; the index `shop` is made of it. And a serial."""
    token = live.make_token(live.make_user("time-traveller"))
    folder = tmp_path_factory.mktemp("files")
    live.must("index", "create", "lab")
    live.must("index", "create", "shop", "--layer", "own", "--layer", "index:lab")
    publish(live, folder / "1", token, [make_wheel("time-machine", "1.0")], "/index/lab")
    serial = int(live.get("/index/lab/simple/time-machine/")[1]["x-pypi-last-serial"])
    publish(live, folder / "2", token, [make_wheel("time-machine", "2.0")], "/index/lab")
    live.must("delete", "time-machine==1.0", "--yes")
    return live, serial


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_an_installer_stays_in_the_state_it_was_given(client: str, staged: tuple[Server, int], tmp_path: Path) -> None:
    server, serial = staged
    for address, version in ((f"/index/shop/@serial-{serial}/simple/", "1.0"), ("/index/shop/simple/", "2.0")):
        home = tmp_path / version
        home.mkdir()
        done = install_from(f"{server.url}{address}", home, client, "time-machine", "x")
        assert done.returncode == 0, done.stderr
        assert list(home.rglob(f"time_machine-{version}.dist-info/METADATA")), done.stdout + done.stderr


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_an_installer_does_not_get_what_a_rule_hides(client: str, staged: tuple[Server, int], tmp_path: Path) -> None:
    server, _ = staged
    name = f"ruled-{client}"
    server.must("index", "create", name, "--layer", "index:lab")
    server.must("index", "rule", name, "minimum_age", "7d")
    done = install_from(f"{server.url}/index/{name}/simple/", tmp_path, client, "time-machine", "x")
    assert done.returncode != 0
    server.must("index", "rule", name, "minimum_age_exempt", "time-machine==2.0")
    done = install_from(f"{server.url}/index/{name}/simple/", tmp_path, client, "time-machine", "y")
    assert done.returncode == 0, done.stderr
