# SPDX-License-Identifier: Apache-2.0
"""A bare HTTP client for the contract tests: nothing is added, decoded, followed or kept behind a test's back."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from tests import corpus
from tests.infra.desk import Desk
from tests.infra.server import Person, Server

V1_JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
PIP = f"{V1_JSON}, {V1_HTML}; q=0.1, text/html; q=0.01"
UV = f"{V1_JSON}, {V1_HTML};q=0.2, text/html;q=0.01"
UV_ERRORS = "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7"
SECONDS = 30

File = tuple[str, bytes]
Field = tuple[str, str | bytes]


@dataclass(frozen=True)
class Answer:
    """A reply as it came: header names in lower case, every header, the body undecoded."""

    status: int
    reason: str
    pairs: tuple[tuple[str, str], ...]
    body: bytes
    url: str

    def __getitem__(self, name: str) -> str:
        """A header, "" when it is missing; several of one name are joined as HTTP says."""
        return ", ".join(value for key, value in self.pairs if key == name.lower())

    def __contains__(self, name: str) -> bool:
        return any(key == name.lower() for key, _ in self.pairs)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def type(self) -> str:
        """The media type without its parameters."""
        return self["content-type"].partition(";")[0].strip()

    @property
    def vary(self) -> set[str]:
        return {name.strip().lower() for name in self["vary"].split(",") if name.strip()}

    def json(self) -> Any:
        return json.loads(self.body)

    def leads_to(self) -> str:
        """The path and query a redirect leads to, as a client resolves it."""
        parts = urlsplit(urljoin(self.url, self["location"]))
        return parts.path + (f"?{parts.query}" if parts.query else "")


def basic(token: str, user: str = "__token__") -> str:
    """An Authorization header as pip, twine and uv send it."""
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


@dataclass
class Site:
    """A running server, the way it runs (`edge` or `origin`), and people who may publish on it."""

    server: Server
    mode: str
    desk: Desk
    shelf: dict[str, File] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.owner, self.stranger = self.make_user("olga"), self.make_user("simon")
        self.token, self.stranger_token = self.make_token(self.owner), self.make_token(self.stranger)

    def must(self, *arguments: str, stdin: str = "") -> str:
        """Run a command on the server's folder, beside it."""
        return self.desk.must(*arguments, stdin=stdin)

    def make_user(self, name: str = "", *options: str) -> Person:
        """Make an account with a verified address."""
        name = name or fresh("user")
        person = Person(name, f"{name}@example.org", f"correct horse {secrets.token_hex(6)}")
        self.must("user", "create", name, "--email", person.email, "--password-stdin", *options, stdin=person.password)
        return person

    def make_token(self, person: Person, *options: str) -> str:
        """Make a token; `options` as of `packhouse token create`."""
        return self.must("token", "create", person.name, "--name", fresh("token"), *options)

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.server.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def ask(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
        """One request on a connection of its own; `if_none_match=...` is the header If-None-Match."""
        connection = http.client.HTTPConnection(*self.address, timeout=SECONDS)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, named)
            reply = connection.getresponse()
            data = reply.read()
            pairs = tuple((name.lower(), value) for name, value in reply.getheaders())
            return Answer(reply.status, reply.reason, pairs, data, self.server.url + path)
        finally:
            connection.close()

    def json(self, path: str, **headers: str) -> Any:
        """The JSON page at a path, which has to be there."""
        answer = self.ask(path, accept=V1_JSON, **headers)
        assert answer.status == 200, answer.text
        return answer.json()

    def entry(self, name: str, filename: str, index: str = "") -> dict[str, Any]:
        """What the JSON page of a project says of one file."""
        found = [file for file in self.json(f"{index}/simple/{name}/")["files"] if file["filename"] == filename]
        assert len(found) == 1, filename
        return dict(found[0])

    def file_path(self, name: str, filename: str, index: str = "") -> str:
        """The path of a file, as the JSON page links it."""
        page = f"{self.server.url}{index}/simple/{name}/"
        return urlsplit(urljoin(page, str(self.entry(name, filename, index)["url"]))).path

    def upload(
        self,
        file: File | None,
        *,
        path: str = "/legacy/",
        token: str | None = "",
        parts: Iterable[bytes] = (),
        accept: str = "",
        **fields: str | list[str] | None,
    ) -> Answer:
        """Upload a file with the form a tool would send; `name=None` leaves a field out, `token=None` credentials."""
        body, content_type = make_form([*make_fields(file, fields), *parts], file)
        headers = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
        if token is not None:
            headers["Authorization"] = basic(token or self.token)
        return self.ask(path, "POST", body, **headers)

    def publish(self, file: File, **options: Any) -> File:
        """Upload a file that has to be taken."""
        answer = self.upload(file, **options)
        assert answer.status == 200, answer.text
        return file

    def publish_again(self, file: File) -> str:
        """Upload a file that is there already; what the server says."""
        answer = self.upload(file)
        assert answer.status == 200, answer.text
        return answer.text

    def raw(self, request: bytes, seconds: float = 10.0) -> bytes:
        """Send bytes as they are; all that comes back until the server closes or falls silent."""
        with socket.create_connection(self.address, timeout=seconds) as connection:
            connection.sendall(request)
            return b"".join(received(connection))


def received(connection: socket.socket) -> Iterator[bytes]:
    """What a connection brings until it ends, is reset or is silent for its timeout."""
    while True:
        try:
            data = connection.recv(65536)
        except (TimeoutError, ConnectionResetError):
            return
        if not data:
            return
        yield data


def make_fields(file: File | None, fields: dict[str, Any]) -> list[bytes]:
    """The text parts of an upload of this file; a None leaves one out, a list repeats one."""
    said: dict[str, Any] = {":action": "file_upload", "protocol_version": "1"}
    if file is not None:
        filename, data = file
        name, version = _spoken_of(filename)
        wheel = filename.endswith(".whl")
        said |= {"name": name, "version": version, "metadata_version": "2.4"}
        said |= {"filetype": "bdist_wheel", "pyversion": "py3"} if wheel else {"filetype": "sdist"}
        said |= {"sha256_digest": hashlib.sha256(data).hexdigest()}
    said |= {(":action" if key == "action" else key): value for key, value in fields.items()}
    return [
        text_part(name, each)
        for name, value in said.items()
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    ]


def _spoken_of(filename: str) -> tuple[str, str]:
    """Name and version in a filename, as well as they can be told."""
    parts = filename.removesuffix(".tar.gz").removesuffix(".zip").removesuffix(".whl").split("-")
    if filename.endswith(".whl") and len(parts) > 1:
        return parts[0], parts[1]
    return "-".join(parts[:-1]) or "unnamed", parts[-1] or "0"


def text_part(name: str, value: str | bytes, extra: str = "") -> bytes:
    """One text field of a multipart body."""
    data = value.encode() if isinstance(value, str) else value
    return f'Content-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + data


def file_part(file: File, *, name: str = "content", head: str = "Content-Type: application/octet-stream\r\n") -> bytes:
    """The file part of a multipart body."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{file[0]}"\r\n'
    return (disposition + head + "\r\n").encode() + file[1]


def make_form(parts: Iterable[bytes], file: File | None = None, boundary: str = "") -> tuple[bytes, str]:
    """A multipart body of these parts (and the file, last), and its Content-Type."""
    boundary = boundary or secrets.token_hex(16)
    every = [*parts, *([file_part(file)] if file is not None else [])]
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in every)
    return body + b"--" + boundary.encode() + b"--\r\n", f"multipart/form-data; boundary={boundary}"


def wheel(name: str, version: str = "1.0", **options: Any) -> File:
    """A sound wheel."""
    return corpus.make_wheel(name, version, **options)


def sdist(name: str, version: str = "1.0", **options: Any) -> File:
    """A sound sdist."""
    return corpus.make_sdist(name, version, **options)


def fresh(stem: str = "project") -> str:
    """A normalized project name that no other test has."""
    return f"{stem}-{secrets.token_hex(5)}"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
