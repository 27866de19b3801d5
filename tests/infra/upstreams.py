# SPDX-License-Identifier: Apache-2.0
"""An upstream index on this machine, good and bad: pages in every form, files with ranges, and faults on purpose.

`Upstream.asked` is what it was asked, so that a test can say what never went out.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote, unquote

from tests.infra.running import Host, running

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"


@dataclass
class UpFile:
    """A file of an upstream. What is None is not said; `says` and `metadata_says` are digests other than the true."""

    filename: str
    data: bytes
    says: str | None = None
    size: int | None = -1  # -1: the true one
    upload_time: str | None = "2024-05-06T07:08:09.123456Z"
    requires_python: str | None = None
    yanked: str | bool = False
    metadata: bytes | None = None
    metadata_says: str | None = None
    provenance: str | None = None
    url: str | None = None
    hashed: bool = True
    others: dict[str, str | None] = field(default_factory=dict)  # further digests; None: the true one

    @property
    def hashes(self) -> dict[str, str]:
        """The digests that pages say."""
        others = {name: said or hashlib.new(name, self.data).hexdigest() for name, said in self.others.items()}
        return others | ({"sha256": self.said} if self.hashed else {})

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def said(self) -> str:
        return self.says or self.sha256

    @property
    def metadata_digest(self) -> str | None:
        if self.metadata is None and self.metadata_says is None:
            return None
        return self.metadata_says or hashlib.sha256(self.metadata or b"").hexdigest()


@dataclass
class UpProject:
    """A project of an upstream."""

    name: str
    files: list[UpFile] = field(default_factory=list)
    status: str | None = None
    reason: str | None = None
    version: str = "1.4"
    body: tuple[str, bytes] | None = None  # content type and bytes sent whatever was asked for


Fault = Callable[["_Handler", Callable[[], None]], None]
"""What happens instead of an answer; the second argument gives the answer after all."""


def status(code: int, *headers: tuple[str, str], body: bytes = b"no") -> Fault:
    """Answer with a status."""
    return lambda handler, _go_on: handler.answer(code, body, "text/plain", *headers)


def redirect(location: str) -> Fault:
    """Answer with a redirect."""
    return status(302, ("Location", location))


def sends(kind: str, body: bytes, *headers: tuple[str, str]) -> Fault:
    """Answer 200 with these bytes."""
    return lambda handler, _go_on: handler.answer(200, body, kind, *headers)


def held(until: threading.Event) -> Fault:
    """Answer when the test lets it."""

    def wait(_handler: _Handler, go_on: Callable[[], None]) -> None:
        until.wait(60)
        go_on()

    return wait


def cut_after(size: int, *, times: int = 10**9) -> Fault:
    """Break the connection off after so many bytes of the body, the first so many times."""
    left = [times]

    def cut(handler: _Handler, go_on: Callable[[], None]) -> None:
        if left[0] > 0:
            left[0] -= 1
            handler.cut = size
        go_on()

    return cut


def paused_after(size: int, until: threading.Event) -> Fault:
    """Send so many bytes of the body, and the others when the test lets it."""

    def pause(handler: _Handler, go_on: Callable[[], None]) -> None:
        handler.pause = (size, until)
        go_on()

    return pause


class Upstream(Host):
    """The server. `forms` are the media types it has; `etags` says whether pages carry one."""

    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.projects: dict[str, UpProject] = {}
        self.forms: tuple[str, ...] = (JSON, HTML)
        self.etags = True
        self.gzip = True
        self.ranges = True
        self.credentials = ""
        self.faults: dict[str, Fault] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.chunk = 64 * 1024
        self.pace = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/simple/"

    def add(self, name: str, *files: UpFile, **said: Any) -> UpProject:
        project = self.projects[name] = UpProject(name, list(files), **said)
        return project

    def paths(self, prefix: str = "", method: str = "") -> list[str]:
        """What was asked for, in order."""
        return [path for how, path, _ in list(self.asked) if path.startswith(prefix) and method in {"", how}]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none."""


class _Handler(BaseHTTPRequestHandler):
    server: Upstream
    protocol_version = "HTTP/1.1"
    cut: int | None = None
    pause: tuple[int, threading.Event] | None = None

    def do_GET(self) -> None:
        self.cut = self.pause = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers))
        fault = self.server.faults.get(self.path) or self.server.faults.get("*")
        if fault is None:
            self._go_on()
        else:
            fault(self, self._go_on)

    do_HEAD = do_GET  # noqa: N815 - as the library calls it

    def _go_on(self) -> None:
        wanted = self.server.credentials
        if wanted and self.headers.get("Authorization") != wanted:
            self.answer(401, b"who?", "text/plain", ("WWW-Authenticate", "Basic"))
            return
        kind, _, rest = self.path.removeprefix("/").partition("/")
        if kind == "simple" and rest.endswith("/"):
            self._page(unquote(rest.removesuffix("/")))
        elif kind == "files":
            self._file(unquote(rest))
        else:
            self.answer(404, b"404", "text/plain")

    def _page(self, name: str) -> None:
        project = self.server.projects.get(name)
        if project is None:
            self.answer(404, b"404", "text/plain")
            return
        accepted = self.headers.get("Accept", "")
        form = next((form for form in self.server.forms if form in accepted or "*/*" in accepted), self.server.forms[0])
        kind, body = project.body or (form, (as_json if form == JSON else as_html)(project))
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if self.server.etags and self.headers.get("If-None-Match") == etag:
            self.answer(304, b"", kind)
            return
        headers = [("ETag", etag)] if self.server.etags else []
        if self.server.gzip and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            headers.append(("Content-Encoding", "gzip"))
        self.answer(200, body, kind, *headers)

    def _file(self, path: str) -> None:
        name, _, filename = path.partition("/")
        wanted = filename.removesuffix(".metadata")
        project = self.server.projects.get(name)
        file = next((file for file in project.files if file.filename == wanted), None) if project else None
        data = None if file is None else file.metadata if filename.endswith(".metadata") else file.data
        if data is None:
            self.answer(404, b"404", "text/plain")
            return
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        given = self.headers.get("Range", "")
        if self.server.ranges and given and self.headers.get("If-Range", etag) == etag:
            first, _, last = given.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1 if last else len(data), len(data))
            if start >= len(data):
                self.answer(416, b"", "text/plain", ("Content-Range", f"bytes */{len(data)}"))
                return
            content_range = ("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
            self.answer(206, data[start:end], "application/octet-stream", ("ETag", etag), content_range)
            return
        self.answer(200, data, "application/octet-stream", ("ETag", etag))

    def answer(self, code: int, body: bytes, kind: str, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD" or code == 304:
            return
        self._send(body)

    def _send(self, body: bytes) -> None:
        if self.cut is not None and self.cut < len(body):
            self.wfile.write(body[: self.cut])
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
            self.connection.shutdown(socket.SHUT_WR)
            self.close_connection = True
            return
        start = 0
        if self.pause is not None:
            start, until = self.pause
            self.wfile.write(body[:start])
            self.wfile.flush()
            until.wait(60)
        for begin in range(start, len(body), self.server.chunk):
            self.wfile.write(body[begin : begin + self.server.chunk])
            if self.server.pace:
                time.sleep(self.server.pace)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def as_json(project: UpProject) -> bytes:
    """The page of a project in JSON."""
    page: dict[str, Any] = {
        "meta": {"api-version": project.version},
        "name": project.name,
        "files": [_entry(project, file) for file in project.files],
    }
    if project.status:
        page["project-status"] = {"status": project.status} | ({"reason": project.reason} if project.reason else {})
    return json.dumps(page).encode()


def _url(project: UpProject, file: UpFile) -> str:
    return file.url or f"../../files/{project.name}/{quote(file.filename)}"


def _entry(project: UpProject, file: UpFile) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "filename": file.filename,
        "url": _url(project, file),
        "hashes": file.hashes,
        "yanked": file.yanked,
    }
    if file.size is not None:
        entry["size"] = len(file.data) if file.size == -1 else file.size
    if file.metadata_digest:
        entry["core-metadata"] = {"sha256": file.metadata_digest}
    optional = {
        "upload-time": file.upload_time,
        "requires-python": file.requires_python,
        "provenance": file.provenance,
    }
    return entry | {name: value for name, value in optional.items() if value is not None}


def as_html(project: UpProject) -> bytes:
    """The page of a project in HTML as of old: neither sizes nor times."""
    lines = ['<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.1">']
    if project.status:
        lines.append(f'<meta name="pypi:project-status" content="{project.status}">')
    lines.append(f"<title>Links for {project.name}</title></head><body>")
    for file in project.files:
        fragment = next((f"#{name}={digest}" for name, digest in reversed(file.hashes.items())), "")
        attributes = ""
        if file.requires_python:
            attributes += f' data-requires-python="{file.requires_python.replace("<", "&lt;").replace(">", "&gt;")}"'
        if file.yanked is not False:
            attributes += f' data-yanked="{file.yanked if isinstance(file.yanked, str) else ""}"'
        if file.metadata_digest:
            attributes += f' data-dist-info-metadata="sha256={file.metadata_digest}"'
        lines.append(f'<a href="{_url(project, file)}{fragment}"{attributes}>{file.filename}</a><br>')
    return "\n".join([*lines, "</body></html>"]).encode()


@contextmanager
def upstream() -> Iterator[Upstream]:
    """An upstream that runs as long as the block."""
    with running(Upstream()) as host:
        yield host
