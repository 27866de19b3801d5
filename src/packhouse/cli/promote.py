# SPDX-License-Identifier: Apache-2.0
"""`packhouse promote`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command()
@click.argument("target", metavar="P==V", required=False)
@click.option("--from", "source", metavar="A", help="The index that serves it.")
@click.option("--to", "destination", metavar="B", help="The index to place it in.")
@click.option("--reason", default="", help="Why; the journal keeps it.")
@click.option("--undo", type=click.IntRange(min=1), metavar="SERIAL", help="Take back the promotion of this serial.")
@data_option
def promote(
    target: str | None, source: str | None, destination: str | None, reason: str, undo: int | None, data: str | None
) -> None:
    """Place the release P==V, which one index serves, in another one too: the same files.

    The rules of both indexes are asked; all files of the release are placed, or none. --undo takes it back, so that
    the index shows what it showed before.
    """
    from packhouse import bootstrap, config
    from packhouse.cli.targets import release

    if undo is None and not (target and source and destination):
        raise click.UsageError("promote needs P==V, --from and --to; or --undo SERIAL.")
    bootstrap.connect(config.load(data=data))
    from packhouse.services import promoting
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    if undo is not None:
        for filename in promoting.undo(COMMAND, undo, clock=now):
            click.echo(f"Took back {filename}.")
        return
    name, version = release(target or "")
    done = promoting.promote(COMMAND, name, version, source or "", destination or "", reason=reason, clock=now)
    for filename in done.filenames:
        click.echo(f"Placed {filename} in {destination}.")
    if done.serial:
        click.echo(f"To undo it: packhouse promote --undo {done.serial}")
    else:
        click.echo(f"All files of {target} are in {destination} already.")
