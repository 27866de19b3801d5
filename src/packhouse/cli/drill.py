# SPDX-License-Identifier: Apache-2.0
"""`packhouse drill`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from packhouse.cli.options import data_option


@click.command()
@click.argument("place", metavar="FILE|PLACE")
@click.option("--projects", type=click.IntRange(min=1), default=20, show_default=True, help="So many are asked for.")
@click.option("--quick", is_flag=True, help="Don't read every file once more: each is hashed while it is put back.")
@click.option("--within", type=click.Path(file_okay=False, exists=True, path_type=Path), help="Where to make the room.")
@data_option
def drill(place: str, projects: int, quick: bool, within: Path | None, data: str | None) -> None:
    """Put a backup back into a scratch folder, look at it, ask it for pages and files, and throw it away.

    Says how long that takes (the recovery time) and how old the newest thing in the backup is (the recovery point).
    Nothing of the house itself is touched; with --data its state page and `packhouse doctor` tell of the drill. The
    exit status is 1 when something is wrong with the backup.
    """
    from packhouse import config
    from packhouse.cli.progress import watching
    from packhouse.services import notes
    from packhouse.site import drilling

    house = config.load(data=data).data
    with watching() as watch:
        done = drilling.run(place, within, projects, watch, quick=quick)
    for problem in done.problems:
        click.echo(f"FAIL  {problem}")
    click.echo(f"recovery point  {done.lag:.1f} s before the drill began, serial {done.serial}")
    click.echo(f"recovery time   {done.restored:.1f} s until all is back, {done.answered:.1f} s until it has answered")
    click.echo(
        f"asked for       {done.projects} projects and {done.files} files; verified after {done.verified:.1f} s,"
        f" {done.size} bytes of files"
    )
    click.echo("The backup can be relied on." if not done.problems else f"{len(done.problems)} problems.")
    if (house / "secret-key").exists():
        notes.keep(house, drilling.NOTE, {
            "at": done.began.isoformat(), "place": place, "problems": len(done.problems), "serial": done.serial,
            "seconds": round(done.answered, 1), "lag": round(done.lag, 1),
        })  # fmt: skip
    sys.exit(int(bool(done.problems)))
