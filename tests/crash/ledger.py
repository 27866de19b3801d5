# SPDX-License-Identifier: Apache-2.0
"""What clients asked for and what they were told: the checker's own list, made of events in order.

An event is written before a request is sent (`sent`, `yanking`, `deleting`, `revoking`), and after its answer came
(`acked`, `yanked`, `deleted`, `revoked`). Nothing of the server's is read for it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.corpus import make_sdist, make_wheel

Event = dict[str, Any]


@dataclass(slots=True)
class Sent:
    """A file somebody sent. The bytes are made again from `seed` and `payload` (bytes of random content)."""

    filename: str
    project: str
    version: str
    sha256: str
    seed: int
    payload: int
    acked: bool = False
    yank: str = ""  # "" | yanking | yanked
    deletion: str = ""  # "" | deleting | deleted

    def data(self) -> bytes:
        """Its bytes."""
        return make_file(self.project, self.version, self.filename.endswith(".whl"), self.seed, self.payload)[1]


def make_file(project: str, version: str, is_wheel: bool, seed: int, payload: int) -> tuple[str, bytes]:
    """A sound distribution with `payload` bytes that don't compress: filename and bytes, the same for the same seed."""
    inside = _random(seed, payload)
    if is_wheel:
        return make_wheel(project, version, files={f"{project.replace('-', '_')}/payload.bin": inside})
    return make_sdist(project, version, files={"payload.bin": inside})


def _random(seed: int, size: int) -> bytes:
    import random

    return random.Random(seed).randbytes(size)


@dataclass
class Ledger:
    """All events so far, and what follows from them. For many threads; `tell` is called with each event as a line."""

    tell: Callable[[str], None] = lambda _line: None
    files: dict[str, Sent] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)  # token -> "" | revoking | revoked
    acknowledged: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def of(cls, events: Iterable[Event]) -> Ledger:
        """The ledger these events make."""
        ledger = cls()
        for event in events:
            ledger.take(event)
        return ledger

    def note(self, kind: str, **detail: Any) -> None:
        """Something was asked or answered just now."""
        event = {"kind": kind, **detail}
        with self.lock:
            self.take(event)
            self.tell(json.dumps(event))

    def take(self, event: Event) -> None:
        """Add one event."""
        kind, detail = event["kind"], {key: value for key, value in event.items() if key != "kind"}
        self.acknowledged += kind in {"acked", "yanked", "deleted", "revoked"}
        if kind == "sent":
            self.files.setdefault(detail["filename"], Sent(**detail))
        elif kind == "acked":
            self.files[detail["filename"]].acked = True
        elif kind in {"yanking", "yanked", "not yanked"}:
            self.files[detail["filename"]].yank = kind.removeprefix("not yanked")
        elif kind in {"deleting", "deleted", "not deleted"}:
            self.files[detail["filename"]].deletion = kind.removeprefix("not deleted")
        elif kind in {"token", "revoking", "revoked"}:
            self.tokens[detail["token"]] = kind.removeprefix("token")
        else:
            raise ValueError(f"an unknown event: {event}")

    def unsettled(self) -> list[Sent]:
        """The files about which the last word was not ours."""
        with self.lock:
            return [f for f in self.files.values() if not f.acked or f.yank == "yanking" or f.deletion == "deleting"]

    def settled(self) -> list[Sent]:
        """The others."""
        with self.lock:
            loose = {id(file) for file in self.unsettled()}
            return [file for file in self.files.values() if id(file) not in loose]
