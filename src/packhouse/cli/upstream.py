# SPDX-License-Identifier: Apache-2.0
"""`packhouse upstream ...`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.group()
def upstream() -> None:
    """Show and change the indexes that are pulled through, and the names they are never asked about."""


@upstream.command("list")
@data_option
def list_(data: str | None) -> None:
    """List the upstreams: name, mode and address, separated by tabs."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.upstreams import list_upstreams

    for found in list_upstreams():
        click.echo(f"{found.name}\t{found.mode}\t{found.url}")


@upstream.command()
@click.argument("name")
@data_option
def show(name: str, data: str | None) -> None:
    """Show an upstream: its address, mode, the hosts it may lead to, what is kept of it, what went wrong."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.upstream_facts import facts_of

    for key, value in facts_of(name):
        click.echo(f"{key}\t{value}")


@upstream.command("set")
@click.argument("name")
@click.option("--url", metavar="URL", help="Its address; may carry user and password, which are kept sealed.")
@click.option("--mode", type=click.Choice(["fallback", "strict", "offline"]), help="What is done when it fails.")
@click.option(
    "--host", "hosts", multiple=True, metavar="HOST[:PORT]", help="Where its links may lead; may be repeated."
)
@click.option("--ttl", type=int, metavar="SECONDS", help="How long a page is fresh.")
@click.option("--negative-ttl", type=int, metavar="SECONDS", help="How long an unknown name is remembered.")
@data_option
def set_(
    name: str,
    url: str | None,
    mode: str | None,
    hosts: tuple[str, ...],
    ttl: int | None,
    negative_ttl: int | None,
    data: str | None,
) -> None:
    """Make the upstream NAME, or change it. `--host` gives the whole list anew."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.upstreams import Wanted, set_upstream

    wanted = Wanted(url=url, mode=mode, hosts=hosts or None, ttl=ttl, negative_ttl=negative_ttl)
    made = set_upstream(COMMAND, name, wanted, clock=now)
    click.echo(f"The upstream {made.name} is {made.url} now ({made.mode}).")


@upstream.command()
@click.argument("names", nargs=-1)
@data_option
def reserve(names: tuple[str, ...], data: str | None) -> None:
    """Reserve NAMES and prefixes like 'acme-*': no upstream is asked about them. This is the whole list anew."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.upstreams import set_reserved

    kept = set_reserved(COMMAND, names, clock=now)
    click.echo(f"Reserved: {', '.join(kept) or 'nothing'}.")


@upstream.command()
@click.argument("name")
@click.option("--end", is_flag=True, help="Take it back; what was published stays.")
@data_option
def permit(name: str, end: bool, data: str | None) -> None:
    """Let the project NAME be published here although an upstream has it."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import upstreams
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    if end:
        upstreams.end_permit(COMMAND, name, clock=now)
        click.echo(f"{name} is no longer permitted.")
        return
    upstreams.permit(COMMAND, name, clock=now)
    click.echo(f"{name} may be published here; from then on no upstream answers for it.")


@upstream.command()
@data_option
def permits(data: str | None) -> None:
    """List the names that are permitted: name, since when, by whom, and whether it is published, separated by tabs."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.upstream_facts import permits as found

    for one in found():
        used = "published here" if one.used else "not used yet"
        click.echo(f"{one.name}\t{one.at:%Y-%m-%d}\t{one.by or '-'}\t{used}")


@upstream.command()
@data_option
def collisions(data: str | None) -> None:
    """List the names that are projects here and were kept of an upstream: name, upstream, separated by a tab."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.upstream_facts import collisions as found

    for name, of in found():
        click.echo(f"{name}\t{of}")
