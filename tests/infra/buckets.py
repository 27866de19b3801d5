# SPDX-License-Identifier: Apache-2.0
"""A real S3 server of our own: SeaweedFS in a temporary folder, on loopback; it ends with whoever started it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

KEY, SECRET = "packhouse-tests", "only-for-tests-on-this-machine"
BUCKET = "packhouse-tests"
REACH = 10_000
"""SeaweedFS listens for its own talk at each port and this many above it."""
READY_SECONDS = 60


@dataclass
class BucketServer:
    """A running server; its bucket is there."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process must have in its environment to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    @staticmethod
    def fresh() -> str:
        """A place in the bucket that nobody has used: many buckets are many volumes."""
        return f"s3://{BUCKET}/{secrets.token_hex(6)}/pre"

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.process.kill()
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def bucket_server() -> Iterator[BucketServer]:
    """Start a server, and wait until it answers."""
    server = _start()
    try:
        yield server
    finally:
        server.stop()


def _start() -> BucketServer:
    folder = Path(tempfile.mkdtemp(prefix="packhouse-s3-"))
    rights = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    folder.joinpath("s3.json").write_text(json.dumps({"identities": [rights]}))
    for _ in range(5):  # another may take a port between our look and its start
        server = _attempt(folder)
        if _answers(server):
            return server
        server.process.kill()
        server.process.wait(60)
    raise RuntimeError(f"SeaweedFS does not start: {folder.joinpath('log').read_text(errors='replace')[-2000:]}")


def _attempt(folder: Path) -> BucketServer:
    master, volume, filer, s3 = _ports(4)
    command = [
        "setpriv", "--pdeathsig", "KILL",
        str(Path(sys.executable).with_name("weed")), "server",
        f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
        "-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=100",
        "-s3", f"-s3.port={s3}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket",
        f"-s3.config={folder / 's3.json'}",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with folder.joinpath("log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
    return BucketServer(folder, s3, process)


def _answers(server: BucketServer) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            urllib.request.urlopen(server.endpoint, timeout=5).close()
        except urllib.error.HTTPError as error:
            if error.code == 403 and _takes_objects(server):
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False


def _takes_objects(server: BucketServer) -> bool:
    """Whether it takes an object: the part that answers is up before the part that stores."""
    from obstore import put
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    names = {name.lower(): value for name, value in server.environment.items()}
    store = S3Store(BUCKET, config=names, client_options={"allow_http": True}, retry_config={"max_retries": 0})  # type: ignore[arg-type]
    with suppress(BaseError, OSError):
        put(store, "ready", b"")
        return True
    return False


def _ports(number: int) -> list[int]:
    """Ports that are free, and those `REACH` above them."""
    found: list[int] = []
    while len(found) < number:
        port = 20_000 + secrets.randbelow(12_000)
        if port not in found and _is_free(port) and _is_free(port + REACH):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
