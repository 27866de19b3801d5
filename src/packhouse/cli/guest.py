# SPDX-License-Identifier: Apache-2.0
"""`packhouse guest ...`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.group()
def guest() -> None:
    """Show and set when accounts end."""


@guest.command("list")
@data_option
def list_(data: str | None) -> None:
    """List the guests: name, end, e-mail address, separated by tabs."""
    from packhouse import bootstrap, config

    bootstrap.connect_to_read(config.load(data=data))
    from packhouse.services.guests import list_guests

    for user in list_guests():
        click.echo(f"{user.username}\t{user.guest_until:%Y-%m-%dT%H:%MZ}\t{user.email}")


@guest.command()
@click.argument("user")
@click.argument("when")
@data_option
def until(user: str, when: str, data: str | None) -> None:
    """Have the account USER end at WHEN: days (90d), hours (12h), a day (2027-01-01, to its end), or never."""
    from packhouse import bootstrap, config
    from packhouse.cli.moments import expiry

    bootstrap.connect(config.load(data=data))
    from packhouse.services.guests import set_end
    from packhouse.services.journal import COMMAND
    from packhouse.services.people import find_user
    from packhouse.services.resources import now

    found, end = find_user(user), expiry(when, now(), "WHEN")
    set_end(COMMAND, found, end, clock=now)
    click.echo(f"The account {found.username} {f'ends at {end:%Y-%m-%d %H:%M} UTC' if end else 'does not end'}.")
