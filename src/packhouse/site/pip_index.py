# SPDX-License-Identifier: Apache-2.0
"""The index that pip on this machine is set to: what `--upstream auto` means.

pip itself is asked, in a process of its own: its environment, its configuration files, else the address built into
it. No address of an index is written down here. Extra indexes and folders are left out.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from packhouse.config import Settings
from packhouse.domain.addresses import is_loopback
from packhouse.domain.reach import split_credentials
from packhouse.errors import PackhouseError

SECONDS = 20.0
_ASK = """
from pip._internal.configuration import Configuration
from pip._internal.exceptions import PipError
settings = Configuration(isolated=False)
try:
    settings.load()
except PipError:
    pass
for key in (":env:.index-url", "install.index-url", "global.index-url"):
    try:
        print(settings.get_value(key))
        break
    except PipError:
        pass
else:
    from pip._internal.models.index import PyPI
    print(PyPI.simple_url)
"""
"""What is run where pip can be imported: as pip's commands look for `--index-url`, then its built-in default."""


def interpreters() -> list[str]:
    """The Pythons that may have pip: ours, then that of the path."""
    found = [sys.executable, shutil.which("python3"), shutil.which("python")]
    return list(dict.fromkeys(python for python in found if python))


def look_up(upstream: str) -> Callable[[], str]:
    """Begin to ask pip beside other work, if that is wanted (`auto`); what is returned waits for the answer."""
    if upstream != "auto":
        return str
    thread = ThreadPoolExecutor(1)
    found = thread.submit(pip_index)
    thread.shutdown(wait=False)
    return found.result


def pip_index(pythons: Iterable[str] | None = None) -> str:
    """The address of the index pip would use, with credentials if it has any; "" when there is none of http(s)."""
    for python in interpreters() if pythons is None else pythons:
        try:
            done = subprocess.run(
                [python, "-I", "-c", _ASK], capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if done.returncode == 0:
            return _usable(done.stdout.strip())
    return ""


def is_this_server(settings: Settings, address: str) -> bool:
    """Whether an address is where this server itself answers, by its own names or a port of this machine."""
    if not address:
        return False
    parts = urlsplit(address)
    host, port = (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    if settings.base_url:
        own = urlsplit(settings.base_url)
        own_port = own.port or {"http": 80, "https": 443}.get(own.scheme, 0)
        if (host, port) == ((own.hostname or "").lower(), own_port):
            return True
    return port == settings.port and (is_loopback(host) or host == settings.host.lower() or _is_here(host))


def _is_here(host: str) -> bool:
    """Whether a host name means this machine."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return False
    return any(is_loopback(address) for address in found) or host == socket.gethostname().lower()


def _usable(address: str) -> str:
    try:
        split_credentials(address)
    except PackhouseError:
        return ""
    return address
