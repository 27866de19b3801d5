# SPDX-License-Identifier: Apache-2.0
"""`packhouse purge`."""

from __future__ import annotations

import click

from packhouse.cli.consent import demand_consent
from packhouse.cli.options import data_option
from packhouse.errors import Kind, refuse


@click.command()
@click.argument("target", metavar="P[==V]")
@click.option("--file", "filename", metavar="FILENAME", help="Only this file of the release P==V.")
@click.option("--reason", required=True, help="Why; the journal keeps it.")
@click.option("--yes", is_flag=True, help="Purge without asking.")
@data_option
def purge(target: str, filename: str | None, reason: str, yes: bool, data: str | None) -> None:
    """Remove the bytes of a project, a release or a file from every state of every index, for ever.

    Past states and snapshots answer 410 for them from the next request on; `packhouse gc` frees the space. Their
    filenames stay taken. A file that a protected snapshot shows is not purged.
    """
    from packhouse import bootstrap, config
    from packhouse.cli.targets import project_and_version

    name, version = project_and_version(target)
    if filename is not None and version is None:
        message = f"--file needs the release it belongs to; write {name}==VERSION."
        raise refuse(Kind.INVALID, "target-invalid", message, "file")
    demand_consent("Purging", "purged", filename or target, yes=yes)
    bootstrap.connect(config.load(data=data))
    from packhouse.services.file_purging import purge as purge_files
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    for purged in purge_files(COMMAND, name, version, filename=filename, reason=reason, clock=now):
        click.echo(f"Purged {purged}.")
