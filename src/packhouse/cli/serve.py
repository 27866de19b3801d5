# SPDX-License-Identifier: Apache-2.0
"""`packhouse serve`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from packhouse.cli.options import data_option
from packhouse.errors import Kind, refuse

if TYPE_CHECKING:
    from packhouse.config import Settings


@click.command()
@click.option("--host", metavar="ADDRESS", help="The address to listen at [127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen at; 0 takes a free one [8000].")
@data_option
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that answer requests [1].")
@click.option(
    "--upstream",
    metavar="auto|none|URL",
    help="The index that is pulled through below `main`; `auto` is the one pip on this machine is set to [auto].",
)
@click.option(
    "--edge",
    type=click.Choice(["embedded", "nginx", "none"]),
    default="embedded",
    show_default=True,
    help="`nginx` starts an nginx of this machine in front; `none` answers every request with the origin alone, for"
    " another edge in front.",
)
@click.option(
    "--role",
    type=click.Choice(["all", "origin", "worker", "edge"]),
    default="all",
    show_default=True,
    help="Of several servers on one PostgreSQL: `origin` answers everything and runs no jobs, `worker` runs jobs alone."
    " `edge` is a reading node: beside a server on the same data folder it hands out pages and files, and passes"
    " all else on to that server.",
)
@click.option("--origin", metavar="URL", help="The server a reading node passes requests on to.")
def serve(
    *,
    host: str | None,
    port: int | None,
    data: str | None,
    workers: int | None,
    upstream: str | None,
    edge: str,
    role: str,
    origin: str | None,
) -> None:
    """Start the server.

    The first start makes the data folder. Ctrl-C or SIGTERM lets transfers in flight finish (30 seconds at most),
    then ends with exit status 0.
    """
    from packhouse import config
    from packhouse.bootstrap import start, work_at_node

    settings = config.load(host=host, port=port, data=data, workers=workers, upstream=upstream)
    if role == "edge":
        from packhouse.site.node import start_node

        _demand_alone(edge)
        sys.exit(start_node(settings, origin, work_at_node))
    if origin is not None:
        sentence = "--origin is for a reading node; add --role edge, or leave --origin away."
        raise refuse(Kind.INVALID, "origin-unused", sentence, "origin")
    if role != "all":
        _demand_shared(settings, role)
    if role == "worker":
        _demand_alone(edge)
    sys.exit(start(settings, edge=edge, role=role))


def _demand_shared(settings: Settings, role: str) -> None:
    """Refuse to divide the work of a server that stands alone."""
    if not settings.on_postgresql:
        sentence = (
            f"--role {role} is for several servers on one PostgreSQL, but PACKHOUSE_DATABASE names none; set it, or"
            " leave --role away."
        )
        raise refuse(Kind.INVALID, "role-alone", sentence, "role")


def _demand_alone(edge: str) -> None:
    """Refuse what neither a reading node nor a worker has use for."""
    if edge != "embedded":
        sentence = f"--edge {edge} is for --role all and --role origin; leave one of the two away."
        raise refuse(Kind.INVALID, "edge-twice", sentence, "edge")
