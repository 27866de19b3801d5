# SPDX-License-Identifier: Apache-2.0
"""Small notes in the data folder on what commands found and did; a note that can't be written is done without."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any


def keep(data: Path, name: str, note: dict[str, Any]) -> None:
    """Replace a note (0600)."""
    partial = data / f".{name}.{os.getpid()}"
    with suppress(OSError):
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.write(json.dumps(note) + "\n")
            partial.replace(data / name)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


def read(data: Path, name: str) -> dict[str, Any] | None:
    """A note, or None when there is none that can be read."""
    try:
        found = json.loads((data / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
