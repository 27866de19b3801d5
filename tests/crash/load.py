# SPDX-License-Identifier: Apache-2.0
"""People at work until the server goes away: small and large uploads, yanks, deletions, tokens made and revoked."""

from __future__ import annotations

import hashlib
import random
import re
import secrets
import threading
from collections.abc import Callable

from tests.crash.client import Client, GoneError
from tests.crash.ledger import Ledger, Sent, make_file

SMALL = (200, 20_000)
LARGE = (700_000, 4_000_000)
"""Bytes of a file, from and to."""

UPLOADERS = (SMALL, SMALL, SMALL, LARGE)


class Load:
    """Some threads of clients. `refused` holds answers that nobody expected, with what was asked."""

    def __init__(self, ledger: Ledger, client: Client, token: str, password: str, seed: int) -> None:
        self._ledger = ledger
        self._client = client
        self._token = token
        self._password = password
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._projects: list[str] = []
        self.refused: list[str] = []

    def start(self) -> None:
        """Set all to work."""
        works: list[Callable[[], None]] = [lambda sizes=sizes: self._upload(sizes) for sizes in UPLOADERS]  # type: ignore[misc]
        for work in [*works, self._manage]:
            self._threads.append(threading.Thread(target=self._go_on, args=(work,), daemon=True))
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float = 40.0) -> None:
        """Wait for all to notice that the server is gone, or to stop after what they are at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(seconds)
            assert not thread.is_alive(), "a client hangs"

    def _go_on(self, work: Callable[[], None]) -> None:
        try:
            while not self._stop.is_set():
                work()
        except GoneError:
            return
        except Exception as error:  # noqa: BLE001 - told by the trial
            self.refused.append(f"a client failed: {error!r}")

    def _upload(self, sizes: tuple[int, int]) -> None:
        sent = self._new_file(sizes)
        answer = self._client.publish(self._token, sent.filename, sent.data())
        if answer.status == 200:
            self._ledger.note("acked", filename=sent.filename)
        else:
            self.refused.append(f"{sent.filename}: {answer.status} {answer.text[:200]}")

    def _of_release(self, project: str, version: str) -> list[Sent]:
        return [f for f in self._ledger.files.values() if (f.project, f.version) == (project, version)]

    def _new_file(self, sizes: tuple[int, int]) -> Sent:
        """A file of a new project, or of one of this round with a new release or another file."""
        number, version, wheel = self._random.getrandbits(40), "1.0", True
        project = f"crash-{number:010x}"
        if self._projects and self._random.random() < 0.5:
            project = self._random.choice(self._projects)
            wheel = self._random.random() < 0.6
            version = f"1.{number}" if wheel or self._random.random() < 0.5 else "1.0"
        size = self._random.randint(*sizes)
        filename, data = make_file(project, version, wheel, number, size)
        digest = hashlib.sha256(data).hexdigest()
        if filename in self._ledger.files:
            return self._new_file(sizes)
        detail = {"project": project, "version": version, "sha256": digest, "seed": number, "payload": size}
        with self._ledger.lock:
            if any(f.yank for f in self._of_release(project, version)):  # takes no more files
                return self._new_file(sizes)
            self._ledger.note("sent", filename=filename, **detail)
        self._projects.append(project)
        return self._ledger.files[filename]

    def _manage(self) -> None:
        """Yank, delete or revoke something that was acknowledged."""
        work = self._random.choice((self._yank, self._yank, self._delete, self._revoke))
        work()
        self._stop.wait(0.01)

    def _pick(self) -> Sent | None:
        chosen = [f for f in self._ledger.settled()[-200:] if not f.yank and not f.deletion]
        return self._random.choice(chosen) if chosen else None

    def _yank(self) -> None:
        file = self._pick()
        if file is None:
            return
        page = f"/manage/project/{file.project}/release/{file.version}/"
        shown = self._client.page(page)
        if file.filename not in shown.text:
            self.refused.append(f"{page}, answered {shown.status}, does not name {file.filename}")
            return
        with self._ledger.lock:
            if not all(f.acked for f in self._of_release(file.project, file.version)):  # one is on its way there
                return
            self._ledger.note("yanking", filename=file.filename)
        answer = self._client.submit(page, action="yank", file=file.filename, reason="tried")
        self._expect(answer.status, "yanked", file.filename)

    def _delete(self) -> None:
        file = self._pick()
        if file is None:
            return
        page = f"/manage/project/{file.project}/release/{file.version}/file/{file.filename}/delete/"
        self._ledger.note("deleting", filename=file.filename)
        answer = self._client.submit(page, name=file.filename)
        self._expect(answer.status, "deleted", file.filename)

    def _expect(self, status: int, kind: str, filename: str) -> None:
        if status == 302:
            self._ledger.note(kind, filename=filename)
        else:
            self.refused.append(f"{filename} is not {kind}: {status}")

    def _revoke(self) -> None:
        """Make a token and delete it."""
        page = "/manage/account/token/"
        label = f"throwaway {secrets.token_hex(4)}"
        answer = self._client.submit(page, name=label, scope="account", uses="upload read", expires="7")
        shown = answer.text
        token = re.search(r'id="new-token"[^>]*>\s*([^<\s]+)', shown)
        numbers = re.findall(r"/manage/account/token/(\d+)/delete/", shown)
        if token is None or not numbers:
            self.refused.append(f"no token was made, answered {answer.status}: {shown[:200]}")
            return
        self._ledger.note("token", token=token[1])
        self._ledger.note("revoking", token=token[1])
        number = max(map(int, numbers))
        answer = self._client.submit(f"/manage/account/token/{number}/delete/", password=self._password)
        if answer.status == 302:
            self._ledger.note("revoked", token=token[1])
        else:
            self.refused.append(f"token {number} is not deleted: {answer.status}")
