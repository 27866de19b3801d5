# SPDX-License-Identifier: Apache-2.0
"""Pages that are kept in memory and nowhere else: those of past states."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packhouse.domain.page import Page

MOST_BYTES = 32 * 1024 * 1024
"""Bytes of pages that a process keeps."""
MOST_NAMES = 4096
"""Names of pages that are known."""


class PageMemory:
    """Pages used lately, at most so many bytes. For any number of threads."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._pages: OrderedDict[Hashable, Page] = OrderedDict()
        self._names: OrderedDict[Hashable, Hashable] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Page | None:
        """The page under a key."""
        with self._lock:
            found = self._pages.get(key)
            if found is not None:
                self._pages.move_to_end(key)
            return found

    def put(self, key: Hashable, page: Page) -> None:
        """Keep a page, and let go of those not used for longest; one larger than half of all is not kept."""
        if page.size > self._most // 2:
            return
        with self._lock:
            before = self._pages.pop(key, None)
            self._size += page.size - (0 if before is None else before.size)
            self._pages[key] = page
            while self._size > self._most:
                _, oldest = self._pages.popitem(last=False)
                self._size -= oldest.size

    def name(self, name: Hashable, key: Hashable) -> None:
        """Say what the page under a key is asked for by; of many names those used last are known."""
        with self._lock:
            self._names[name] = key
            self._names.move_to_end(name)
            while len(self._names) > MOST_NAMES:
                self._names.popitem(last=False)

    def named(self, name: Hashable) -> Page | None:
        """The page named so last."""
        with self._lock:
            return self._pages.get(self._names.get(name))

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def size(self) -> int:
        """Bytes of what is kept."""
        return self._size
