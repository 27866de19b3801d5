# SPDX-License-Identifier: Apache-2.0
"""How far a long command is: a bar on standard error when that is a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from packhouse.services.watching import Watch


@contextmanager
def watching() -> Iterator[Watch]:
    """A watch that draws while the block runs."""
    if not sys.stderr.isatty():
        yield Watch()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<20}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:

        class Bar(Watch):
            """One line per stage."""

            def begin(self, stage: str, total: int) -> None:
                self.task = drawn.add_task(stage, total=total or None)

            def advance(self, count: int) -> None:
                drawn.advance(self.task, count)

        yield Bar()
