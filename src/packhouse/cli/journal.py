# SPDX-License-Identifier: Apache-2.0
"""`packhouse journal`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command()
@click.option("--kind", default="", metavar="KIND", help="Such as 'token deleted'.")
@click.option("--who", default="", metavar="NAME", help="Who did it, or had it done to them.")
@click.option("--project", default="", metavar="P", help="About a project.")
@click.option("--index", "index_name", default="", metavar="I", help="About an index.")
@click.option("--before", default=0, metavar="SERIAL", help="Older than this entry.")
@click.option("--limit", default=100, show_default=True, metavar="N", help="At most so many.")
@data_option
def journal(*, kind: str, who: str, project: str, index_name: str, before: int, limit: int, data: str | None) -> None:
    """Show the journal, newest first: a JSON object a line."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    import orjson

    from packhouse.services.inquiring import Inquiry, entries

    for entry in entries(Inquiry(kind, who, project, index_name, before))[: max(0, limit)].iterator():
        told = {
            "serial": entry.serial,
            "at": entry.at,
            "kind": entry.kind,
            "by": entry.actor,
            "via": entry.via,
            "index": entry.index_name,
            "project": entry.project,
            "version": entry.version,
            "filename": entry.filename,
            "detail": entry.detail,
        }
        click.echo(orjson.dumps(told).decode())
