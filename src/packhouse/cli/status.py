# SPDX-License-Identifier: Apache-2.0
"""`packhouse status`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command()
@click.argument("project")
@click.argument("status", type=click.Choice(["active", "deprecated", "archived", "quarantined"]))
@click.option("--reason", default="", metavar="TEXT", help="Shown beside the status.")
@data_option
def status(project: str, status: str, reason: str, data: str | None) -> None:
    """Set the status of PROJECT: an archived one takes no uploads, a quarantined one shows no files."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.domain.listing import Status
    from packhouse.services.journal import COMMAND
    from packhouse.services.projects import set_status
    from packhouse.services.resources import now

    set_status(COMMAND, project, Status(status), reason=reason, clock=now)
    click.echo(f"{project} is {status} now.")
