# SPDX-License-Identifier: Apache-2.0
"""`packhouse gc`."""

from __future__ import annotations

from datetime import timedelta

import click

from packhouse.cli.options import data_option


@click.command()
@click.option(
    "--grace", type=click.IntRange(min=0), default=24, metavar="HOURS", help="Leave younger bytes alone [24]."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@data_option
def gc(grace: int, dry_run: bool, data: str | None) -> None:
    """Remove stored bytes that nothing names, abandoned temporary files and ended sessions.

    Bytes younger than --grace stay: they may belong to an upload under way. Deleted files stay too, since past states
    of an index still serve them.
    """
    from packhouse import bootstrap, config

    settings = config.load(data=data)
    bootstrap.connect(settings)
    from packhouse.services.maintenance import collect_garbage

    done = collect_garbage(bootstrap.resources(settings), timedelta(hours=grace), dry_run=dry_run)
    if dry_run:
        click.echo(f"Would remove {done.blobs} stored files ({done.size} bytes) and {done.sessions} ended sessions.")
        return
    click.echo(
        f"Removed {done.blobs} stored files ({done.size} bytes), {done.temporary} temporary files and"
        f" {done.sessions} ended sessions."
    )
