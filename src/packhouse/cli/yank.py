# SPDX-License-Identifier: Apache-2.0
"""`packhouse yank`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command()
@click.argument("target", metavar="P==V")
@click.option("--file", "filename", metavar="FILENAME", help="Only this file of the release.")
@click.option("--reason", default="", metavar="TEXT", help="What installers tell people.")
@data_option
def yank(target: str, filename: str | None, reason: str, data: str | None) -> None:
    """Yank a release or a file: only installs that pin it exactly still take it."""
    from packhouse import bootstrap, config
    from packhouse.cli.targets import release

    name, version = release(target)
    bootstrap.connect(config.load(data=data))
    from packhouse.services import releases
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    changed = releases.yank(COMMAND, name, version, filename=filename, reason=reason, clock=now)
    for file in changed:
        click.echo(f"Yanked {file}.")
    if not changed:
        click.echo("Nothing to do: it is yanked already.")
