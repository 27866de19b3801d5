# SPDX-License-Identifier: Apache-2.0
"""`packhouse backup`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from packhouse.cli.options import data_option


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace FILE when it is there already, once the new one is whole.")
@data_option
def backup(file: Path, replace: bool, data: str | None) -> None:
    """Write databases, stored files, signing key and settings into one FILE, beside a running server.

    The file holds all that was acknowledged before the backup began. It is private: whoever has it has the password
    hashes and the signing key. The exit status is 1 when stored files are missing or damaged, which the backup lacks.
    """
    from packhouse import bootstrap, config
    from packhouse.cli.progress import watching

    settings = config.load(data=data)
    bootstrap.connect_to_read(settings)
    from packhouse.services.backing_up import back_up

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
