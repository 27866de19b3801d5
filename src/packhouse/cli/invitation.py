# SPDX-License-Identifier: Apache-2.0
"""`packhouse invitation ...`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.group()
def invitation() -> None:
    """Invite people to make an account."""


@invitation.command()
@click.option(
    "--email", default="", metavar="ADDRESS", help="For one person: mail the link there; no other may use it."
)
@click.option("--limit", default=1, show_default=True, metavar="N", type=int, help="How many may use the link.")
@click.option("--expires", default="7d", show_default=True, metavar="WHEN", help="Days (7d), hours (12h), or a day.")
@click.option("--guest", metavar="WHEN", help="The accounts made by it are guests' and end then [never].")
@click.option("--note", default="", metavar="TEXT", help="For the list.")
@data_option
def create(email: str, limit: int, expires: str, guest: str | None, note: str, data: str | None) -> None:
    """Make an invitation and print its link, alone: it is not shown again."""
    from packhouse import bootstrap, config
    from packhouse.cli.moments import expiry
    from packhouse.errors import Kind, refuse

    settings = config.load(data=data)
    bootstrap.connect(settings)
    from packhouse.services import inviting
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    ends = expiry(expires, now())
    if ends is None:
        raise refuse(Kind.INVALID, "invitation-expiry", "--expires is never, but an invitation ends; give a time.")
    until = expiry(guest, now(), "--guest") if guest else None
    terms = inviting.Terms(ends, email, limit, note, until)
    row, link = inviting.invite(COMMAND, terms, settings, clock=now)
    click.echo(link)
    if email and not inviting.send(row, link):
        click.echo("packhouse: the mail could not be sent; give them the link yourself.", err=True)


@invitation.command("list")
@data_option
def list_(data: str | None) -> None:
    """List the invitations of the last month: id, state, used and limit, end, whom it is for or its note."""
    from packhouse import bootstrap, config

    bootstrap.connect_to_read(config.load(data=data))
    from packhouse.services import inviting
    from packhouse.services.resources import now

    for row in inviting.listed(now()):
        used = f"{row.used}/{row.limit}"
        click.echo(
            "\t".join(
                [
                    str(row.pk),
                    inviting.state_of(row, now()),
                    used,
                    f"{row.expires_at:%Y-%m-%dT%H:%MZ}",
                    row.email or row.note,
                ]
            )
        )


@invitation.command()
@click.argument("number", metavar="ID", type=int)
@data_option
def withdraw(number: int, data: str | None) -> None:
    """End an invitation: its link is refused from the next request on."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import inviting
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    inviting.withdraw(COMMAND, number, clock=now)
    click.echo(f"Withdrew the invitation {number}.")
