# SPDX-License-Identifier: Apache-2.0
"""`packhouse serve`."""

from __future__ import annotations

import sys

import click

from packhouse.cli.options import data_option


@click.command()
@click.option("--host", metavar="ADDRESS", help="The address to listen at [127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen at; 0 takes a free one [8000].")
@data_option
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that answer requests [1].")
@click.option(
    "--upstream",
    metavar="auto|none|URL",
    help="Another index to mirror [auto]. Mirroring is not in this version yet: the value is checked and kept for it.",
)
@click.option(
    "--edge",
    type=click.Choice(["embedded", "nginx", "none"]),
    default="embedded",
    show_default=True,
    help="`nginx` starts an nginx of this machine in front; `none` answers every request with the origin alone, for"
    " another edge in front.",
)
def serve(
    host: str | None, port: int | None, data: str | None, workers: int | None, upstream: str | None, edge: str
) -> None:
    """Start the server.

    The first start makes the data folder. Ctrl-C or SIGTERM lets transfers in flight finish (30 seconds at most),
    then ends with exit status 0.
    """
    from packhouse import config
    from packhouse.bootstrap import start

    settings = config.load(host=host, port=port, data=data, workers=workers, upstream=upstream)
    sys.exit(start(settings, edge=edge))
