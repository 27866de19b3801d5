# SPDX-License-Identifier: Apache-2.0
"""Publishing, installing and mirroring clients, in an environment that has nothing of ours.

It is made once from the hash-pinned `requirements/clients.txt` (half a minute) and kept in `.test/` beside the
virtual environment of the tests, under the digest of that file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINNED = ROOT / "requirements/clients.txt"
APART = {"pdm": ROOT / "requirements/clients-pdm.txt"}
"""Clients that do not get on with the others."""


def newer_python() -> str | None:
    """A Python 3.13 on this machine, on the path or where pyenv keeps them; None without one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    kept = [str(path) for path in sorted(pyenv.glob("versions/3.13.*/bin/python3.13"))]
    for python in [*kept, "python3.13"]:
        with contextlib.suppress(OSError):
            if subprocess.run([python, "-c", "import ssl, venv"], capture_output=True, check=False).returncode == 0:
                return python
    return None


def folder(client: str = "", python: str = sys.executable) -> Path:
    """The folder `bin` of a client's environment, made when absent; `python` is the interpreter it is made with."""
    return environment_of(APART.get(client, PINNED), python)


def environment_of(pinned: Path, python: str = sys.executable) -> Path:
    """The folder `bin` of an environment with what a file pins; processes that ask at once wait for one to make it."""
    version = sys.version if python == sys.executable else python
    digest = hashlib.sha256(pinned.read_bytes() + version.encode()).hexdigest()[:12]
    kept = (ROOT / ".venv").resolve().parent / ".test"
    kept.mkdir(exist_ok=True)
    place = kept / f"{pinned.stem}-{digest}"
    with (kept / "clients.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            shutil.rmtree(place, ignore_errors=True)
            made = str(make_environment(place, python))
            pip = [made, "-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check"]
            subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(pinned)], check=True)
            (place / "ready").touch()
    return place / "bin"


def make_environment(place: Path, python: str = sys.executable) -> Path:
    """A fresh virtual environment with pip; returns its Python."""
    subprocess.run([python, "-m", "venv", place], check=True)
    return place / "bin/python"


def run(
    *command: str | Path,
    home: Path,
    cwd: Path | None = None,
    extra: Mapping[str, str] | None = None,
    seconds: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a client (the first word is its name) with `home` as its home folder and no configuration but `extra`.

    Neither the machine's settings for pip and uv nor its proxies reach the client; its caches are below `home`.
    """
    name, *arguments = map(str, command)
    program = shutil.which(name, path=f"{folder(name)}:{os.defpath}") or name
    environment = {
        "HOME": str(home),
        "PATH": f"{folder(name)}:{os.environ.get('PATH', os.defpath)}",
        "LANG": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "POETRY_VIRTUALENVS_IN_PROJECT": "1",
        **(extra or {}),
    }
    return subprocess.run(
        [program, *arguments],
        cwd=cwd or home,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
