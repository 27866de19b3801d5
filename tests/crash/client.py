# SPDX-License-Identifier: Apache-2.0
"""The least of an HTTP client: one connection a request, nothing retried, nothing followed."""

from __future__ import annotations

import http.client
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.infra.server import multipart

SECONDS = 30.0


class GoneError(Exception):
    """The server went away before it had answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower-case names) and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


@dataclass
class Client:
    """Talks to a server of this machine. The cookies live as long as the client, whatever port the server has."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    seconds: float = SECONDS

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None, method: str = ""
    ) -> Answer:
        """One request. Raises GoneError when no whole answer comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.seconds)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, dict(headers or {}))
            reply = connection.getresponse()
            data = reply.read()
            if reply.length:
                raise GoneError("the answer broke off")
            found = {name.lower(): value for name, value in reply.getheaders()}
            for value in reply.headers.get_all("Set-Cookie") or []:
                name, _, rest = value.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            return Answer(reply.status, found, data)
        except (OSError, http.client.HTTPException) as error:
            raise GoneError(f"{path}: {error!r}") from error
        finally:
            connection.close()

    def publish(self, token: str, filename: str, data: bytes) -> Answer:
        """Upload a file."""
        kind, body = multipart(filename, data)
        return self.ask("/legacy/", {"Authorization": f"Bearer {token}", "Content-Type": kind}, body)

    def page(self, path: str) -> Answer:
        """A page for people, as whoever is signed in."""
        return self.ask(path, {"Accept": "text/html", "Cookie": self._cookies()})

    def submit(self, path: str, **fields: str) -> Answer:
        """Open a page and send its form; the answer is the next page's address (302), or what was wrong."""
        page = self.page(path)
        if page.status >= 500:
            return page
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        if found is None:
            raise AssertionError(f"{path} has no form")
        body = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": found[1]}).encode()
        kind = {"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"}
        origin = {"Cookie": self._cookies(), "Origin": f"http://127.0.0.1:{self.port}"}
        return self.ask(path, kind | origin, body)

    def _cookies(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())
