# SPDX-License-Identifier: Apache-2.0
"""People at work through a load balancer, whatever happens behind it: who is answered by an error tries again.

Some publish, one yanks, deletes and revokes, some read what was acknowledged before they asked.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable

from tests.crash.client import Answer, Client, GoneError
from tests.crash.ledger import Ledger, Sent
from tests.crash.load import Load

AWAY = frozenset({502, 503, 504})
"""What a request may be answered while something is away; anything else is a fault."""
READERS = 2
REST = 0.2
"""Seconds before somebody tries again."""


class SteadyLoad(Load):
    """A load that goes on until it is told to stop.

    `again` counts answers by an error and answers that never came to uploads, each sent again; `reads` and
    `unread` readings and those that were refused; `stale` says what a reading didn't show although it was
    acknowledged before.
    """

    def __init__(self, ledger: Ledger, client: Client, token: str, password: str, seed: int) -> None:
        super().__init__(ledger, client, token, password, seed)
        self.again = self.reads = self.unread = 0
        self.stale: list[str] = []
        self._chance = random.Random(seed)
        self._counting = threading.Lock()

    def start(self) -> None:
        """Set all to work, readers too."""
        super().start()
        for _ in range(READERS):
            thread = threading.Thread(target=self._go_on, args=(self._read,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _go_on(self, work: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                work()
            except GoneError:
                self._stop.wait(REST)
            except Exception as error:  # noqa: BLE001 - told by the trial
                self.refused.append(f"a client failed: {error!r}")
                return

    def _upload(self, sizes: tuple[int, int]) -> None:
        """Publish a file; until it is answered 200 or all is over, send it again."""
        sent = self._new_file(sizes)
        data = sent.data()
        while True:
            answer = self._try(sent.filename, data)
            if answer is not None and answer.status == 200:
                self._ledger.note("acked", filename=sent.filename)
                return
            if answer is not None and answer.status not in AWAY:
                self.refused.append(f"{sent.filename}: {answer.status} {answer.text[:200]}")
                return
            with self._counting:
                self.again += 1
            if self._stop.wait(REST):
                return

    def _try(self, filename: str, data: bytes) -> Answer | None:
        try:
            return self._client.publish(self._token, filename, data)
        except GoneError:
            return None

    def _yank(self) -> None:
        file = self._pick()
        if file is None:
            return
        page = f"/manage/project/{file.project}/release/{file.version}/"
        if self._client.page(page).status in AWAY:
            return
        with self._ledger.lock:
            if not all(f.acked for f in self._of_release(file.project, file.version)):
                return
            self._ledger.note("yanking", filename=file.filename)
        answer = self._client.submit(page, action="yank", file=file.filename, reason="tried")
        self._expect(answer.status, "yanked", file.filename)

    def _expect(self, status: int, kind: str, filename: str) -> None:
        if status not in AWAY:  # else nobody knows: the checker looks
            super()._expect(status, kind, filename)

    def _revoke(self) -> None:
        count = len(self.refused)
        super()._revoke()
        self.refused[count:] = [text for text in self.refused[count:] if not any(f" {s}" in text for s in AWAY)]

    def _read(self) -> None:
        """Look at the page of a file that was acknowledged, or fetch its bytes."""
        known = [f for f in self._ledger.settled()[-100:] if f.acked and not f.deletion]
        if not known:
            self._stop.wait(REST)
            return
        file = self._chance.choice(known)
        whole = self._chance.random() < 0.3
        path = f"/files/{file.sha256}/{file.filename}" if whole else f"/simple/{file.project}/"
        try:
            answer = self._client.ask(path, {"Accept": "*/*" if whole else "text/html"})
        except GoneError:
            answer = None
        with self._counting:
            self.reads += 1
            self.unread += answer is None or answer.status in AWAY
        if answer is not None and answer.status not in AWAY and not file.deletion and not _shows(answer, file, whole):
            self.stale.append(f"{path} is answered {answer.status} without {file.filename}")


def _shows(answer: Answer, file: Sent, whole: bool) -> bool:
    if whole:
        return answer.status == 200 and hashlib.sha256(answer.body).hexdigest() == file.sha256
    return answer.status == 200 and file.filename in answer.text
