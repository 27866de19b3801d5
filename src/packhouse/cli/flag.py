# SPDX-License-Identifier: Apache-2.0
"""`packhouse flag`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command()
@click.argument("name", required=False)
@click.argument("state", required=False, type=click.Choice(["on", "off"]))
@click.option("--reason", default="", metavar="TEXT", help="Shown to whom it stops.")
@data_option
def flag(name: str | None, state: str | None, reason: str, data: str | None) -> None:
    """Throw a switch of the whole server: read-only, no-new-projects, no-new-users. Without arguments, list them."""
    from packhouse import bootstrap, config

    if name is not None and state is None:
        raise click.UsageError("Say on or off.")
    bootstrap.connect(config.load(data=data))
    from packhouse.services.flags import ABOUT, is_on, set_flag
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    if name is None:
        for one in ABOUT:
            click.echo(f"{one}\t{'on' if is_on(one) else 'off'}")
        return
    set_flag(COMMAND, name, reason, on=state == "on", clock=now)
    click.echo(f"{name} is {state}.")
