# SPDX-License-Identifier: Apache-2.0
"""An nginx of our own, in a temporary folder, on a free port of the loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FRAME = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log warn;
{user}
events {{ worker_connections 4096; }}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""


def program() -> str | None:
    """Where nginx is (Debian's is not on a plain user's path); None without one."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_running: dict[str, int] = {}


def process_of(address: str) -> int:
    """The process id of the nginx at an address that `nginx` gave."""
    return _running[address]


@contextmanager
def nginx(server: str, http: str = "") -> Iterator[str]:
    """Serve with the directives given for `server` and `http`; yields the base address, without a slash.

    Raises RuntimeError with nginx's own log when it doesn't come up within 10 seconds.
    """
    found = program()
    if found is None:
        raise RuntimeError("nginx is not installed; `make test` installs it.")
    folder = Path(tempfile.mkdtemp(prefix="packhouse-nginx-"))
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(FRAME.format(folder=folder, user=user, http=http, server=server, port=port))
    process = subprocess.Popen(
        [found, "-p", folder, "-c", config, "-e", folder / "error.log"], stderr=subprocess.DEVNULL
    )
    try:
        _await(process, port, folder / "error.log")
        address = f"http://127.0.0.1:{port}"
        _running[address] = process.pid
        yield address
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(100):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"nginx did not start:\n{log.read_text() if log.exists() else ''}")
