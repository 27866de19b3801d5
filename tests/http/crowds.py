# SPDX-License-Identifier: Apache-2.0
"""Many at once: tasks begun together, uploads held half-way, people at their browsers."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import TypeVar

from tests.http.client import Answer, File, Site, basic, make_fields, make_form
from tests.infra.server import Person

SERVERS = ["edge", "origin", "single"]
"""Where races are run: behind the edge and without it with two workers, and with one."""

Result = TypeVar("Result")


def at_once(tasks: list[Callable[[], Result]]) -> list[Result]:
    """Run all tasks, begun together as nearly as threads can."""
    gate = threading.Barrier(len(tasks))

    def run(task: Callable[[], Result]) -> Result:
        gate.wait(30)
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


@contextlib.contextmanager
def half_sent(site: Site, file: File, token: str) -> Iterator[Callable[[], int]]:
    """An upload of which the head and half of the body are sent; the call sends the rest and returns the status."""
    body, kind = make_form(make_fields(file, {}), file)
    head = f"POST /legacy/ HTTP/1.1\r\nHost: {site.address[0]}:{site.address[1]}\r\nAuthorization: {basic(token)}\r\n"
    head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    middle = len(body) // 2
    with socket.create_connection(site.address, timeout=30) as connection:
        connection.sendall(head.encode() + body[:middle])

        def finish() -> int:
            connection.sendall(body[middle:])
            reply = http.client.HTTPResponse(connection)
            reply.begin()
            reply.read()
            return reply.status

        yield finish


@dataclass
class Visitor:
    """A person's browser: cookies kept, hidden fields sent back, redirects not followed."""

    site: Site
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, method: str = "GET", body: str | None = None) -> Answer:
        """One request with this browser's cookies."""
        headers = {"accept": "text/html", "cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if body is not None:
            headers |= {"content_type": "application/x-www-form-urlencoded"}
        answer = self.site.ask(path, method, body, **headers)
        for name, value in answer.pairs:
            if name == "set-cookie":
                self.cookies |= {key: morsel.value for key, morsel in SimpleCookie(value).items()}
        return answer

    def filled(self, path: str, **fields: str) -> str:
        """The form at a path as it would be sent."""
        shown = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.ask(path).text)
        assert shown, path
        return urllib.parse.urlencode({"csrfmiddlewaretoken": shown[1], **fields})

    def send(self, path: str, **fields: str) -> Answer:
        """Fill in a form and send it."""
        return self.ask(path, "POST", self.filled(path, **fields))

    def sign_in(self, person: Person) -> Visitor:
        """Sign in, which has to succeed."""
        answer = self.send("/account/login/", login=person.name, password=person.password)
        assert answer.status == 302, answer.text
        return self
