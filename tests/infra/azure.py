# SPDX-License-Identifier: Apache-2.0
"""A server of our own that speaks Azure's blob storage: Azurite, which Microsoft tests with, on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.infra.nginx import free_port

PROGRAM = Path(__file__).resolve().parents[2] / ".test/azurite/node_modules/azurite/dist/src/blob/main.js"
ACCOUNT, KEY = (
    "packhouse",
    base64.b64encode(b"only for tests on this machine, one and all of them; 64 bytes...").decode(),
)
CONTAINER = "packhouse-tests"
VERSION = "2023-11-03"
READY_SECONDS = 60


def is_installed() -> bool:
    """Whether it can be started (`tools/install-azurite`)."""
    return PROGRAM.exists() and shutil.which("node") is not None


@dataclass(frozen=True)
class Azure:
    """A running server; its container is there."""

    port: int

    @property
    def environment(self) -> dict[str, str]:
        """What a process must have in its environment to reach it."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{self.port}/{ACCOUNT}",
        }

    @staticmethod
    def fresh() -> str:
        """A place in the container that nobody has used."""
        return f"az://{CONTAINER}/{secrets.token_hex(6)}/pre"


@contextmanager
def azure_server() -> Iterator[Azure]:
    """Start a server, make the container; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="packhouse-azure-") as folder:
        server = Azure(free_port())
        command = [
            "setpriv", "--pdeathsig", "KILL", "node", str(PROGRAM),
            "--blobHost", "127.0.0.1", "--blobPort", str(server.port), "--location", folder,
            "--silent", "--disableTelemetry", "--skipApiVersionCheck",
        ]  # fmt: skip
        environment = os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        try:
            _make_container(server, process, Path(folder, "log"))
            yield server
        finally:
            process.kill()
            process.wait(60)


def _make_container(server: Azure, process: subprocess.Popen[bytes], log: Path) -> None:
    """The one request that the library has no word for, signed by hand."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        path = f"/{ACCOUNT}/{CONTAINER}"
        said = f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{VERSION}\n/{ACCOUNT}{path}\nrestype:container"
        signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), said.encode(), hashlib.sha256)).decode()
        headers = {"x-ms-date": date, "x-ms-version": VERSION, "Authorization": f"SharedKey {ACCOUNT}:{signature}"}
        headers["Content-Length"] = "0"
        url = f"http://127.0.0.1:{server.port}{path}?restype=container"
        try:
            urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="PUT"), timeout=10).close()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"Azurite makes no container: {error.code} {error.read()[:500]!r}") from error
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"Azurite does not start: {log.read_text(errors='replace')[-2000:]}")
