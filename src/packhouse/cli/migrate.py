# SPDX-License-Identifier: Apache-2.0
"""`packhouse migrate`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command()
@click.option("--plan", is_flag=True, help="Only say what would be done; exit status 1 when there is something.")
@data_option
def migrate(*, plan: bool, data: str | None) -> None:
    """Bring the databases to this version.

    On PostgreSQL servers of the version before go on serving meanwhile and afterwards; on SQLite the server must be
    stopped, and its next start does the same.
    """
    from packhouse import bootstrap, config

    settings = config.load(data=data)
    missing = bootstrap.bring_up(settings, plan=plan)
    if not missing:
        click.echo("The databases are of this version.")
        return
    click.echo("\n".join(f"{app} {name}" for app, name in missing))
    if plan:
        raise SystemExit(1)
    click.echo("The databases are of this version now.")
