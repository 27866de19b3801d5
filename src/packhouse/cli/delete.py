# SPDX-License-Identifier: Apache-2.0
"""`packhouse delete`."""

from __future__ import annotations

import click

from packhouse.cli.consent import demand_consent
from packhouse.cli.options import data_option
from packhouse.errors import Kind, refuse


@click.command()
@click.argument("target", metavar="P[==V]")
@click.option("--file", "filename", metavar="FILENAME", help="Only this file of the release P==V.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@data_option
def delete(target: str, filename: str | None, yes: bool, data: str | None) -> None:
    """Delete a project, a release or a file from every index.

    Its filenames can never be uploaded again, and the name of a deleted project stays its owners'.
    """
    from packhouse import bootstrap, config
    from packhouse.cli.targets import project_and_version

    name, version = project_and_version(target)
    if filename is not None and version is None:
        message = f"--file needs the release it belongs to; write {name}==VERSION."
        raise refuse(Kind.INVALID, "target-invalid", message, "file")
    what = filename or target
    demand_consent("Deleting", "deleted", what, yes=yes)
    bootstrap.connect(config.load(data=data))
    from packhouse.services import projects, releases
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    if version is None:
        projects.delete_project(COMMAND, name, clock=now)
    else:
        releases.delete(COMMAND, name, version, filename=filename, clock=now)
    click.echo(f"Deleted {what}.")
