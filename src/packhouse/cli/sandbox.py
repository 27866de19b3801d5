# SPDX-License-Identifier: Apache-2.0
"""`packhouse sandbox ...`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.group()
def sandbox() -> None:
    """Wipe a server that is for practice."""


@sandbox.command()
@click.option("--yes", is_flag=True, help="Wipe without asking.")
@data_option
def wipe(yes: bool, data: str | None) -> None:
    """Remove every project, file, snapshot and guest of a sandbox (PACKHOUSE_SANDBOX=on): their names are free again.

    Other accounts with their tokens, indexes and the journal stay.
    """
    from packhouse import bootstrap, config
    from packhouse.cli.consent import demand_consent

    settings = config.load(data=data)
    bootstrap.connect(settings)
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.wiping import wipe as wipe_sandbox

    if settings.sandbox == "on":
        demand_consent("Wiping", "wiped", "everything", yes=yes)
    gone = wipe_sandbox(COMMAND, settings, clock=now)
    click.echo(f"Wiped {gone.projects} projects with {gone.files} files, and {gone.guests} guests.")
