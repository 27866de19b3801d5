# SPDX-License-Identifier: Apache-2.0
"""`packhouse user ...`."""

from __future__ import annotations

import sys

import click

from packhouse.cli.options import data_option


@click.group()
def user() -> None:
    """Make accounts."""


@user.command()
@click.argument("name")
@click.option("--email", required=True, metavar="ADDRESS", help="The e-mail address; it counts as verified.")
@click.option("--admin", is_flag=True, help="The account administers the server.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@data_option
def create(name: str, email: str, admin: bool, password_stdin: bool, data: str | None) -> None:
    """Make the account NAME, also before the server's first start."""
    from packhouse import bootstrap, config

    password = _password(password_stdin)
    settings = config.load(data=data)
    bootstrap.connect(settings, make=True)
    from packhouse.services.journal import COMMAND
    from packhouse.services.people import create_user
    from packhouse.services.resources import now

    made = create_user(COMMAND, name, email, password, admin=admin, clock=now)
    if admin:
        (settings.data / "first-admin").unlink(missing_ok=True)  # the claim link in it has ended
    click.echo(f"Made the account {made.username}{' (administrator)' if admin else ''}.")


@user.command("reset-two-factor")
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="Why, and how you made sure who asks; it is journalled.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@data_option
def reset_two_factor(name: str, reason: str, yes: bool, data: str | None) -> None:
    """Take the second factors of NAME away, for somebody who lost theirs, and sign them out everywhere.

    They are told by mail. Their password and tokens stay; reset or delete them too if somebody else may know them.
    """
    from packhouse import bootstrap, config
    from packhouse.cli.consent import demand_consent

    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.people import find_user
    from packhouse.services.resources import now
    from packhouse.services.second_factors import reset_factors

    found = find_user(name)
    demand_consent("Taking away the second factors of", "taken away", found.username, yes=yes)
    taken = reset_factors(COMMAND, found, reason, clock=now)
    click.echo(f"Took from {found.username}: {', '.join(taken) or 'nothing, there was none'}.")


def _password(from_stdin: bool) -> str:
    """The first line of standard input, or what is typed twice."""
    if not from_stdin:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
