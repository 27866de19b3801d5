# SPDX-License-Identifier: Apache-2.0
"""What a server says when it starts."""

from __future__ import annotations

from packhouse import __version__
from packhouse.config import Settings


def address(settings: Settings) -> str:
    """The address people use, without a slash at the end."""
    if settings.base_url:
        return settings.base_url.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def show(settings: Settings) -> None:
    """Print where the server is."""
    print(f"Packhouse {__version__} is at {address(settings)}/ (Ctrl-C stops it)", flush=True)
