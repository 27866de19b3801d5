# SPDX-License-Identifier: Apache-2.0
"""`packhouse unyank`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command()
@click.argument("target", metavar="P==V")
@click.option("--file", "filename", metavar="FILENAME", help="Only this file of the release.")
@click.option("--reason", default="", metavar="TEXT", hidden=True, help="Taken, so that both commands are typed alike.")
@data_option
def unyank(target: str, filename: str | None, reason: str, data: str | None) -> None:
    """Take back a yank."""
    from packhouse import bootstrap, config
    from packhouse.cli.targets import release

    name, version = release(target)
    bootstrap.connect(config.load(data=data))
    from packhouse.services import releases
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    changed = releases.unyank(COMMAND, name, version, filename=filename, clock=now)
    for file in changed:
        click.echo(f"Unyanked {file}.")
    if not changed:
        click.echo("Nothing to do: it is not yanked.")
