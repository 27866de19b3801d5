# SPDX-License-Identifier: Apache-2.0
"""Carries the edge's own counts to `/metrics` once a second: the edge knows no Django, and counts cost it nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

SECONDS = 1.0


def carry(answered: Counter[int], add: Callable[[int, int], None]) -> None:
    """Call `add(status, more)` with what was counted since the last time, from a thread that lasts as we do."""
    told: Counter[int] = Counter()

    def once() -> None:
        for status, count in list(answered.items()):
            if count > told[status]:
                add(status, count - told[status])
                told[status] = count

    def run() -> None:
        while True:
            time.sleep(SECONDS)
            once()

    threading.Thread(target=run, name="edge numbers", daemon=True).start()
