# SPDX-License-Identifier: Apache-2.0
"""`packhouse sandbox ...`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.group()
def sandbox() -> None:
    """Show, word and wipe a server that is for practice."""


@sandbox.command()
@data_option
def show(data: str | None) -> None:
    """Show whether this is a sandbox, what its banner says, when it is wiped next, what is there to be wiped."""
    from packhouse import bootstrap, config

    settings = config.load(data=data)
    bootstrap.connect(settings)
    from packhouse.services import wiping
    from packhouse.services.resources import now

    at, here = wiping.next_wipe(settings, now()), wiping.what_is_here()
    click.echo(f"sandbox\t{settings.sandbox}\nbanner\t{wiping.banner(settings)}")
    click.echo(f"next wipe\t{'none' if at is None else f'{at:%Y-%m-%d %H:%M} UTC'}")
    click.echo(f"projects\t{here.projects}\nfiles\t{here.files}\nguests\t{here.guests}")


@sandbox.command()
@click.argument("words")
@click.option("--reason", default="", metavar="TEXT", help="Why; the journal keeps it.")
@data_option
def banner(words: str, reason: str, data: str | None) -> None:
    """Let every page of a sandbox say WORDS beside the warning; "" takes them back."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.wiping import set_banner

    set_banner(COMMAND, words, reason, clock=now)


@sandbox.command()
@click.option("--reason", default="", metavar="TEXT", help="Why; the journal keeps it.")
@click.option("--yes", is_flag=True, help="Wipe without asking.")
@data_option
def wipe(reason: str, yes: bool, data: str | None) -> None:
    """Remove every project, file, snapshot and guest of a sandbox (PACKHOUSE_SANDBOX=on): their names are free again.

    Other accounts with their tokens, indexes and the journal stay.
    """
    from packhouse import bootstrap, config
    from packhouse.cli.consent import demand_consent

    settings = config.load(data=data)
    bootstrap.connect(settings)
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.wiping import wipe as wipe_sandbox

    if settings.sandbox == "on":
        demand_consent("Wiping", "wiped", "everything", yes=yes)
    gone = wipe_sandbox(COMMAND, settings, reason, clock=now)
    click.echo(f"Wiped {gone.projects} projects with {gone.files} files, and {gone.guests} guests.")
