# SPDX-License-Identifier: Apache-2.0
"""What use cases are given besides their input: one bundle per process, made by `bootstrap`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from packhouse.config import Settings
from packhouse.storage.incoming import Hook, no_hook

if TYPE_CHECKING:
    from packhouse.services.judging import Judge
    from packhouse.storage.blobs import Blobs


def now() -> datetime:
    """The clock of the real world (UTC)."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Resources:
    """Settings, the blob store, the judge of archives, the clock, and what is called at each step of an upload."""

    settings: Settings
    blobs: Blobs
    judge: Judge
    clock: Callable[[], datetime] = now
    hook: Hook = no_hook
