# SPDX-License-Identifier: Apache-2.0
"""A reading node: `serve --role edge`, workers with an edge alone, beside the origin on the same data folder.

It reads pages and files itself and passes on to the origin what it has not got. It takes no lock, changes no table
but the counts of downloads, and knows Django for those alone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import structlog

from packhouse.config import Settings
from packhouse.edge.remote import RemoteOrigin
from packhouse.errors import Kind, refuse
from packhouse.site.listening import demand_descriptors, listen
from packhouse.site.worker import Place

_log = structlog.stdlib.get_logger("packhouse.node")

PORTS = {"http": 80, "https": 443}


def start_node(settings: Settings, origin: str | None, work: Callable[[Settings, RemoteOrigin, Place], None]) -> int:
    """Run a reading node until it is told to stop; returns the exit status. `work` is what a worker does.

    Everything that can be refused is refused here, before the first worker starts.
    """
    from packhouse import bootstrap
    from packhouse.cli import banner
    from packhouse.site import logs, shared_numbers
    from packhouse.site.folder import prepare_folder
    from packhouse.site.supervisor import Supervisor, hold_signals

    hold_signals()
    os.umask(0o077)
    url = origin_address(origin)
    logs.set_up(settings.log_format)
    demand_descriptors()
    if settings.on_postgresql and settings.secret_key_file is not None:  # on a machine of its own: nothing is shared
        prepare_folder(settings.data)
        bootstrap.secret_key(settings)
    shared_numbers.join(settings.data)
    bootstrap.connect(settings)
    from packhouse.web.reading import edge_secret  # needs a configured Django

    remote = RemoteOrigin(url, edge_secret())
    listener = listen(settings.host, settings.port)
    settings = replace(settings, port=listener.getsockname()[1])
    _demand_another(url, listener)
    _demand_origin(url, remote, settings)
    bootstrap.close_databases()
    banner.show_node(settings, url)
    return Supervisor(
        lambda place: work(settings, remote, place),
        listener.detach(),
        settings.workers,
        notice=settings.stop_notice,
    ).run()


def origin_address(origin: str | None) -> str:
    """The origin's address without a slash at the end; refuses what is none."""
    if not origin:
        sentence = "--role edge needs the address of the server it reads for; say --origin http://127.0.0.1:8000."
        raise refuse(Kind.INVALID, "origin-missing", sentence, "origin")
    if not _is_address(origin):
        sentence = f"--origin is {origin!r}, expected http://HOST:PORT without path; correct it."
        raise refuse(Kind.INVALID, "origin-invalid", sentence, "origin")
    return origin.rstrip("/")


def _is_address(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        named = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and origin.rstrip("/") == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc


def _demand_another(url: str, listener: socket.socket) -> None:
    """Refuse to be our own origin."""
    parts = urlsplit(url)
    port = parts.port or PORTS[parts.scheme]
    if port != listener.getsockname()[1]:
        return
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)}
    except OSError:
        return
    if found & {listener.getsockname()[0], "127.0.0.1", "::1"}:
        sentence = f"--origin {url} is the address of this node itself; name the server that was started first."
        raise refuse(Kind.INVALID, "origin-is-node", sentence, "origin")


def _demand_origin(url: str, remote: RemoteOrigin, settings: Settings) -> None:
    """Refuse a server that is not the origin of our data folder; one that is not there yet may come."""
    status = remote.answers()
    if status is None:
        _log.warning("the origin can't be reached yet; what is not made yet is answered 503", origin=url)
    elif status != 204:
        sentence = (
            f"--origin {url} answers, but is not the server of {settings.data}; name that one, or its --data here."
        )
        raise refuse(Kind.INVALID, "origin-foreign", sentence, "origin")
