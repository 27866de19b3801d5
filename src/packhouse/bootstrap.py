# SPDX-License-Identifier: Apache-2.0
"""The composition root: Settings -> Resources -> server, worker, shell."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packhouse.config import Settings

if TYPE_CHECKING:
    from packhouse.site.worker import Place


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
        os.umask(0o077)  # whatever we write is ours alone
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        django_settings.configure(**values(settings, secret_key(settings.data)))
        django.setup()


def start(settings: Settings, *, edge: bool = True) -> int:
    """Run a server until it is told to stop; returns the exit status.

    Everything that can be refused is refused here, before the first worker starts.
    """
    from packhouse.site.folder import lock_folder, prepare_folder
    from packhouse.site.listening import listen

    prepare_folder(settings.data)
    lock = lock_folder(settings.data)
    listener = listen(settings.host, settings.port)
    settings = replace(settings, port=listener.getsockname()[1])
    prepare(settings)
    from packhouse.cli import banner
    from packhouse.site.supervisor import Supervisor

    banner.show(settings)
    status = Supervisor(
        work=lambda place: work(settings, place), listener=listener.detach(), count=settings.workers
    ).run()
    lock.release()
    return status


def prepare(settings: Settings) -> None:
    """Configure Django, bring the databases to this version, make the index `main`; leaves no connection open."""
    configure(settings)
    from django.db import connections

    from packhouse.catalogue.migrating import migrate
    from packhouse.services.indexes import ensure_main

    migrate(settings)
    ensure_main()
    connections.close_all()


def work(settings: Settings, place: Place) -> None:
    """Be a worker."""
    from packhouse.site.worker import run_wsgi
    from packhouse.site.wsgi import application

    run_wsgi(application(), place)
