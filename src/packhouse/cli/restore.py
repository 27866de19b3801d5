# SPDX-License-Identifier: Apache-2.0
"""`packhouse restore`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from packhouse.cli.options import data_option


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--skip",
    type=click.IntRange(min=0),
    metavar="N",
    help="Leave out N serials [1000000], so that none is given twice; 0 when nothing happened since the backup.",
)
@data_option
def restore(file: Path, skip: int | None, data: str | None) -> None:
    """Put the backup FILE into a data folder that is empty or not there yet.

    Every stored file is compared with its digest. What was published, deleted or revoked after the backup is not in
    it: tokens that were deleted since hold again. All browsers are signed out.
    """
    from packhouse import config
    from packhouse.cli.progress import watching
    from packhouse.site.restoration import restore as put_back

    folder = config.load(data=data).data
    with watching() as watch:
        done = put_back(file, folder, watch, skip)
    told = done.manifest
    click.echo(f"{folder} stands where it stood at {told.made_at}, at serial {told.serial} (Packhouse {told.version}).")
    click.echo(f"The serial is {done.serial} now. What was published, deleted or revoked after that time is not in it.")
    for problem in done.problems:
        click.echo(f"FAIL  {problem.code}: {problem.sentence} {problem.cure}")
    sys.exit(int(bool(done.problems)))
