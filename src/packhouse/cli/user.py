# SPDX-License-Identifier: Apache-2.0
"""`packhouse user ...`."""

from __future__ import annotations

import sys

import click

from packhouse.cli.options import data_option


@click.group()
def user() -> None:
    """Make accounts, and look after them."""


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


@user.command("list")
@data_option
def list_(data: str | None) -> None:
    """List the accounts: name, state, whether an administrator, and e-mail address, separated by tabs."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.catalogue.models import User

    for found in User.objects.order_by("username_key").iterator():
        state, kind = "open" if found.is_active else "frozen", "administrator" if found.is_admin else "person"
        click.echo(f"{found.username}\t{state}\t{kind}\t{found.email}")


@user.command()
@click.argument("name")
@click.argument("change", type=click.Choice(["freeze", "unfreeze", "recover", "end-all", "make-admin", "unmake-admin"]))
@click.option("--reason", required=True, metavar="TEXT", help="Why; the journal keeps it.")
@data_option
def account(name: str, change: str, reason: str, data: str | None) -> None:
    """Look after the account NAME: freeze, open or recover it, end its tokens and sessions, make an administrator."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import overseeing
    from packhouse.services.journal import COMMAND
    from packhouse.services.people import find_user
    from packhouse.services.resources import now

    found = find_user(name)
    if change == "recover":
        steps = overseeing.recover(COMMAND, found, reason, clock=now)
        click.echo(f"Recovered {found.username}: {', '.join(steps)}. A new password is set by a reset.")
    elif change == "end-all":
        count = overseeing.end_all(COMMAND, found, reason, clock=now)
        click.echo(f"Ended {count} token{'' if count == 1 else 's'} and every session of {found.username}.")
    elif change in {"freeze", "unfreeze"}:
        act = overseeing.freeze if change == "freeze" else overseeing.unfreeze
        act(COMMAND, found, reason, clock=now)
        click.echo(f"{found.username} is {'frozen' if change == 'freeze' else 'open again'}.")
    else:
        overseeing.set_administrator(COMMAND, found, reason, admin=change == "make-admin", clock=now)
        click.echo(f"{found.username} is {'an administrator' if change == 'make-admin' else 'no administrator'} now.")
