# SPDX-License-Identifier: Apache-2.0
"""The composition root: Settings -> Resources -> server, worker, shell."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from packhouse.config import Settings


def secret_key(data: Path) -> str:
    """The signing key of this data folder, made at first use (0600)."""
    file = data / "secret-key"
    try:
        return file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        key = secrets.token_urlsafe(48)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(key + "\n")
        return key


def configure(settings: Settings) -> None:
    """Configure Django for this process, once; makes the data folder (0700) and the signing key when absent."""
    import django
    from django.conf import settings as django_settings

    from packhouse.site.settings import values

    if not django_settings.configured:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        django_settings.configure(**values(settings, secret_key(settings.data)))
        django.setup()
