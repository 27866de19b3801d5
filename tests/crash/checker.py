# SPDX-License-Identifier: Apache-2.0
"""Compares what a server shows with the list of what it acknowledged. Knows HTTP and the ledger, nothing else.

The invariants (I1 to I8) are those of docs/durability.md. What was asked for and not acknowledged may have happened
or not, but wholly; the checker looks, sends such uploads again, and notes what it found as settled.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import orjson

from tests.crash.client import Answer, Client
from tests.crash.ledger import Ledger, Sent

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
HTML = {"Accept": "text/html"}
LINK = re.compile(r"<a [^>]*href=\"([^\"#]+)#sha256=([0-9a-f]{64})\"([^>]*)>([^<]+)</a>")
SEARCH_SECONDS = 30.0


@dataclass
class Findings:
    """What is wrong, a sentence each, by kind; `settled` counts uploads that turned out to be there or not."""

    lost: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    appeared: int = 0
    absent: int = 0

    def all(self) -> list[str]:
        """Every sentence."""
        return [*self.lost, *self.half, *self.undone, *self.other]


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a file is seen: both forms of the index page, the page for people, its bytes and its metadata."""

    html: bool
    json: bool
    page: bool
    bytes_right: bool
    metadata_right: bool
    yanked: tuple[bool, bool] = (False, False)
    digests: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Wholly visible."""
        return self.html and self.json and self.page and self.bytes_right and self.metadata_right

    @property
    def absent(self) -> bool:
        """Not visible at all."""
        return not (self.html or self.json or self.page or self.bytes_right)


class Checker:
    """One look at a running server."""

    def __init__(self, client: Client, ledger: Ledger, token: str) -> None:
        self._client = client
        self._ledger = ledger
        self._token = token
        self.findings = Findings()

    def check(self, files: Iterable[Sent]) -> Findings:
        """Check these files, project by project, and settle what is open among them."""
        chosen = sorted(files, key=lambda file: (file.project, file.filename))
        for project, members in groupby(chosen, lambda file: file.project):
            self._check_project(project, list(members))
        return self.findings

    def check_tokens(self) -> None:
        """I4: a token whose deletion was acknowledged is refused; it is sent with an upload of nothing."""
        for token, state in list(self._ledger.tokens.items()):
            answer = self._ask("/legacy/", {"Authorization": f"Bearer {token}"}, b"")
            if state == "revoked" and answer.status != 401:
                self.findings.undone.append(f"a revoked token is answered {answer.status}")
            if state == "revoking" and answer.status == 401:
                self._ledger.note("revoked", token=token)

    def check_search(self, projects: Iterable[str]) -> None:
        """I1, "search eventually"."""
        deadline = time.monotonic() + SEARCH_SECONDS
        missing = set(projects)
        while missing:
            missing = {
                name for name in missing if f"/project/{name}/" not in self._ask(f"/search/?q={name}", HTML).text
            }
            if missing and time.monotonic() > deadline:
                self.findings.lost.append(f"search does not find {sorted(missing)[:5]}")
                return
            time.sleep(0.1 if missing else 0)

    def _ask(self, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        answer = self._client.ask(path, headers, body)
        if answer.status >= 500:
            self.findings.other.append(f"I8: {path} is answered {answer.status}: {answer.text[:200]}")
        return answer

    def _check_project(self, project: str, members: list[Sent]) -> None:
        html, json = self._html(project), self._json(project)
        known = {name for name, file in list(self._ledger.files.items()) if file.project == project}
        strangers = (html.keys() | json.keys()) - known
        if strangers:
            self.findings.half.append(f"{project} lists {sorted(strangers)}, which nobody sent")
        for file in members:
            self._judge(file, self._look(file, html, json))

    def _html(self, project: str) -> dict[str, tuple[str, str, bool]]:
        """The links of the HTML page: filename -> address, sha256, yanked."""
        text = self._ask(f"/simple/{project}/", HTML).text
        return {name: (href, digest, "data-yanked" in more) for href, digest, more, name in LINK.findall(text)}

    def _json(self, project: str) -> dict[str, Any]:
        answer = self._ask(f"/simple/{project}/", JSON)
        files = orjson.loads(answer.body)["files"] if answer.status == 200 else []
        return {file["filename"]: file for file in files}

    def _look(self, file: Sent, html: dict[str, tuple[str, str, bool]], json: dict[str, Any]) -> Seen:
        link, entry = html.get(file.filename), json.get(file.filename)
        release = self._ask(f"/project/{file.project}/{file.version}/", HTML)
        address = f"/files/{file.sha256}/{file.filename}"
        reply = self._ask(address)
        return Seen(
            html=link is not None,
            json=entry is not None,
            page=release.status == 200 and file.filename in release.text,
            bytes_right=reply.status == 200 and hashlib.sha256(reply.body).hexdigest() == file.sha256,
            metadata_right=self._metadata_right(address, entry),
            yanked=(link is not None and link[2], entry is not None and entry.get("yanked", False) is not False),
            digests=(*([link[1]] if link else []), *([entry["hashes"]["sha256"]] if entry else [])),
        )

    def _metadata_right(self, address: str, entry: dict[str, Any] | None) -> bool:
        """Whether the metadata is what the JSON page says it is."""
        told = entry.get("core-metadata") if entry else None
        if not isinstance(told, dict):
            return True
        reply = self._ask(address + ".metadata")
        return reply.status == 200 and hashlib.sha256(reply.body).hexdigest() == told["sha256"]

    def _judge(self, file: Sent, seen: Seen) -> None:
        if any(digest != file.sha256 for digest in seen.digests):
            self.findings.other.append(f"I3: {file.filename} has another digest now")
        if not seen.whole and not seen.absent:
            self.findings.half.append(f"{file.filename} is half visible: {seen}")
        elif file.acked and file.deletion != "deleting":
            self._judge_settled(file, seen)
        elif file.deletion == "deleting":
            self._ledger.note("deleted" if seen.absent else "not deleted", filename=file.filename)
        self._judge_yank(file, seen)
        if not file.acked:
            self._send_again(file, seen)

    def _judge_settled(self, file: Sent, seen: Seen) -> None:
        if file.deletion == "deleted" and not seen.absent:
            self.findings.undone.append(f"{file.filename} is deleted and visible")
        elif file.deletion == "" and seen.absent:
            self.findings.lost.append(f"{file.filename} was acknowledged and is gone")

    def _judge_yank(self, file: Sent, seen: Seen) -> None:
        if seen.absent:
            return
        if len(set(seen.yanked)) > 1:
            self.findings.half.append(f"{file.filename} is yanked on one page alone")
        elif file.yank == "yanking":
            self._ledger.note("yanked" if seen.yanked[0] else "not yanked", filename=file.filename)
        elif seen.yanked[0] != (file.yank == "yanked"):
            self.findings.undone.append(f"{file.filename} should be {file.yank or 'not yanked'} and is not")

    def _send_again(self, file: Sent, before: Seen) -> None:
        """I2: the retry of an upload that was not answered is answered 200, whether it had happened or not."""
        if before.whole:
            self.findings.appeared += 1
        else:
            self.findings.absent += 1
        answer = self._client.publish(self._token, file.filename, file.data())
        if answer.status == 200:
            self._ledger.note("acked", filename=file.filename)
        else:
            self.findings.other.append(
                f"I2: {file.filename} sent again is answered {answer.status}: {answer.text[:200]}"
            )
