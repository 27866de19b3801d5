# SPDX-License-Identifier: Apache-2.0
"""What we accept, pip, uv, installer's reader and unzip unpack to the same bytes (hostile 67 to 101, decision 7)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.corpus_hostile import ACCEPT
from tests.fuzz.oracles import check_wheel

pytestmark = pytest.mark.clients

OFTEN_WRITTEN = {".lock", "INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"}
"""What installers write themselves."""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel file for each case."""
    folder = tmp_path_factory.mktemp("wheels")
    made = {}
    for case, make in ACCEPT.items():
        data = make("foo")
        assert check_wheel(data)
        made[case] = folder / case / "foo-1.0-py3-none-any.whl"
        made[case].parent.mkdir()
        made[case].write_bytes(data)
    return made


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def unpacked(folder: Path) -> dict[str, bytes]:
    """The files in a folder, without what installers add or make."""
    files = [file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    return {str(f.relative_to(folder)): f.read_bytes() for f in files if f.name not in OFTEN_WRITTEN}


@pytest.mark.parametrize("case", ACCEPT)
def test_hostile_67_to_101_installers_agree(wheels: dict[str, Path], case: str, tmp_path: Path):
    by_pip, by_uv = tmp_path / "pip", tmp_path / "uv"
    wheel = str(wheels[case])
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-compile", "--isolated", "--quiet"]
    run(*pip, "--disable-pip-version-check", "--target", str(by_pip), wheel)
    uv = [
        str(Path(sys.executable).with_name("uv")),
        "pip",
        "install",
        "--offline",
        "--no-index",
        "--no-deps",
        "--quiet",
    ]
    run(*uv, "--cache-dir", str(tmp_path / "cache"), "--target", str(by_uv), wheel)
    assert unpacked(by_pip) == unpacked(by_uv)
    assert "foo/__init__.py" in unpacked(by_pip)
    unzip = shutil.which("unzip")
    if unzip:
        run(unzip, "-qq", wheel, "-d", str(tmp_path / "unzip"))
        assert unpacked(tmp_path / "unzip") == unpacked(by_pip)
