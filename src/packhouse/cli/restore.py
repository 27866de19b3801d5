# SPDX-License-Identifier: Apache-2.0
"""`packhouse restore`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from packhouse.cli.options import data_option


@click.command()
@click.argument("place", metavar="FILE|PLACE")
@click.option("--at", metavar="MOMENT", help="Of a continuous backup: 2026-11-25T10:00:00Z, 2026-11-25 or serial-4711.")
@click.option(
    "--skip",
    type=click.IntRange(min=0),
    metavar="N",
    help="Leave out N serials [1000000], so that none is given twice; 0 when nothing happened since the backup.",
)
@data_option
def restore(place: str, at: str | None, skip: int | None, data: str | None) -> None:
    """Put the backup FILE, or a continuous one in PLACE, into a data folder that is empty or not there yet.

    Every stored file is compared with its digest. What was published, deleted or revoked after the backup is not in
    it: tokens that were deleted since hold again. All browsers are signed out. Of a continuous backup the last state
    kept at or before the moment of --at is put back, else the last one there is; the database may be of either kind.
    """
    from packhouse import config
    from packhouse.cli.progress import watching
    from packhouse.site.recovery import is_depot, recover
    from packhouse.site.restoration import restore as put_back

    folder = config.load(data=data).data
    if at is not None and not is_depot(place):
        raise click.UsageError("--at goes with the place of a continuous backup; a file holds one moment.")
    with watching() as watch:
        done = (
            recover(place, folder, watch, at, skip) if is_depot(place) else put_back(Path(place), folder, watch, skip)
        )
    told = done.manifest
    click.echo(f"{folder} stands where it stood at {told.made_at}, at serial {told.serial} (Packhouse {told.version}).")
    click.echo(f"The serial is {done.serial} now. What was published, deleted or revoked after that time is not in it.")
    for problem in done.problems:
        click.echo(f"FAIL  {problem.code}: {problem.sentence} {problem.cure}")
    sys.exit(int(bool(done.problems)))
