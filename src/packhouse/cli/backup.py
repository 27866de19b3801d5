# SPDX-License-Identifier: Apache-2.0
"""`packhouse backup`."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from packhouse.cli.options import data_option

if TYPE_CHECKING:
    from packhouse.config import Settings
    from packhouse.jobs.worker import Worker


@click.command()
@click.argument("place", metavar="FILE|PLACE")
@click.option("--replace", is_flag=True, help="Replace FILE when it is there already, once the new one is whole.")
@click.option(
    "--continuous", is_flag=True, help="Keep PLACE (a folder, file:///... or s3://...) up to date until Ctrl-C."
)
@click.option("--once", is_flag=True, help="With --continuous: bring PLACE up to date, and end.")
@data_option
def backup(place: str, replace: bool, continuous: bool, once: bool, data: str | None) -> None:
    """Write databases, stored files, signing key and settings into one FILE, beside a running server.

    The file holds all that was acknowledged before the backup began. It is private: whoever has it has the password
    hashes and the signing key. The exit status is 1 when stored files are missing or damaged, which the backup lacks.

    With --continuous a PLACE is kept up to date within seconds, from which `packhouse restore` brings any moment of
    the last 30 days (PACKHOUSE_BACKUP_DAYS) back. PACKHOUSE_BACKUP lets the server do that by itself.
    """
    from packhouse import bootstrap, config
    from packhouse.cli.progress import watching

    settings = config.load(data=data)
    if once and not continuous:
        raise click.UsageError("--once goes with --continuous.")
    if continuous:
        bootstrap.connect(settings)
        sys.exit(_follow(settings, place, once=once))
    bootstrap.connect_to_read(settings)
    from packhouse.services.backing_up import back_up

    file = Path(place)
    with watching() as watch:
        made = back_up(bootstrap.resources(settings), file, replace=replace, watch=watch)
    click.echo(f"{file}: everything up to serial {made.serial}, {made.blobs} stored files ({made.size} bytes).")
    if made.missing:
        click.echo(
            f"packhouse: {len(made.missing)} stored files are missing or damaged, {made.missing[0]} first; run"
            " `packhouse verify`.",
            err=True,
        )
    sys.exit(int(bool(made.missing)))


def _follow(settings: Settings, place: str, *, once: bool) -> int:
    """Be the worker that keeps a continuous backup; one works for each house."""
    from packhouse import bootstrap
    from packhouse.errors import Kind, refuse
    from packhouse.jobs.worker import keeper
    from packhouse.services import notes
    from packhouse.services.following import NOTE

    stop = threading.Event()
    worker = keeper(bootstrap.resources(settings), place)
    if once:
        if not _one_turn(worker, stop):
            message = (
                "Another process keeps the continuous backup of this house; end it first (or unset PACKHOUSE_BACKUP)."
            )
            raise refuse(Kind.CONFLICT, "backup-followed", message)
        _one_turn(worker, stop)
        worker.release()
        note = notes.read(settings.data, NOTE) or {}
        click.echo(f"{place}: everything up to serial {note.get('serial')}, kept at {note.get('at')}.")
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    click.echo(f"Keeping {place} up to date; Ctrl-C ends it.")
    worker.run(stop)
    return 0


def _one_turn(worker: Worker, stop: threading.Event) -> bool:
    """False when another process is at it; what fails is refused in its own words."""
    from packhouse.errors import PackhouseError
    from packhouse.upstream.errors import UnreachableError

    try:
        return worker.turn(stop)
    except UnreachableError as error:
        if isinstance(error.__cause__, PackhouseError):
            raise error.__cause__ from None
        raise
