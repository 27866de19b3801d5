# SPDX-License-Identifier: Apache-2.0
"""`packhouse doctor`."""

from __future__ import annotations

import sys

import click

from packhouse.cli.options import data_option


@click.command()
@data_option
def doctor(data: str | None) -> None:
    """Examine the data folder and say what is wrong with it.

    One finding a line, beginning with ok, warn or FAIL. The exit status is 0 when nothing failed, else 1.
    """
    from packhouse import bootstrap, config
    from packhouse.site.examination import Grade, examine
    from packhouse.site.folder import existing_folder

    settings = config.load(data=data)
    existing_folder(settings.data, writable=False)
    bootstrap.configure(settings)
    failed = False
    for finding in examine(settings):
        failed |= finding.grade is Grade.FAIL
        click.echo(f"{finding.grade:<4}  {finding.sentence}")
    sys.exit(int(failed))
