# SPDX-License-Identifier: Apache-2.0
"""The listening socket, opened once by the supervisor and shared by its workers."""

from __future__ import annotations

import errno
import resource
import socket

from packhouse.errors import Kind, PackhouseError, refuse

BACKLOG = 4096

FEWEST_DESCRIPTORS = 256
"""What a worker needs for databases, files, archives' judges and a few dozen connections."""


def demand_descriptors() -> None:
    """Refuse to start where the system gives a process too few descriptors to answer anybody."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FEWEST_DESCRIPTORS:
        sentence = (
            f"A process may open {hard} files here, Packhouse needs {FEWEST_DESCRIPTORS} at least;"
            " raise the limit (`ulimit -Hn`, LimitNOFILE= of systemd)."
        )
        raise refuse(Kind.INVALID, "descriptors-few", sentence)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEWEST_DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FEWEST_DESCRIPTORS, hard))


def listen(host: str, port: int) -> socket.socket:
    """Open the socket; refuse a taken port or an address that is not ours with one sentence."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise refuse(
            Kind.INVALID, "host-unknown", f"The host {host!r} is no address of this machine; correct --host.", "host"
        ) from error
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refusal(host, port, error) from error
    listener.setblocking(False)
    return listener


def _refusal(host: str, port: int, error: OSError) -> PackhouseError:
    if error.errno == errno.EADDRINUSE:
        sentence = f"Port {port} on {host} is taken by another program; stop that one or choose another --port."
        return refuse(Kind.CONFLICT, "port-taken", sentence, "port")
    if error.errno == errno.EACCES:
        sentence = f"Port {port} may not be opened by this user; choose a --port from 1024 up."
        return refuse(Kind.FORBIDDEN, "port-forbidden", sentence, "port")
    sentence = f"{host}:{port} can't be listened at ({error.strerror}); correct --host or --port."
    return refuse(Kind.INVALID, "host-unusable", sentence, "host")
