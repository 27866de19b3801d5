# SPDX-License-Identifier: Apache-2.0
"""`packhouse gc`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command()
@data_option
def gc(data: str | None) -> None:
    """Remove stored bytes that nothing names, abandoned temporary files and ended sessions.

    Bytes younger than a day stay: they may belong to an upload under way. Deleted files stay too, since past states
    of an index still serve them.
    """
    from packhouse import bootstrap, config

    settings = config.load(data=data)
    bootstrap.connect(settings)
    from packhouse.services.maintenance import collect_garbage

    done = collect_garbage(bootstrap.resources(settings))
    click.echo(
        f"Removed {done.blobs} stored files ({done.size} bytes), {done.temporary} temporary files and"
        f" {done.sessions} ended sessions."
    )
