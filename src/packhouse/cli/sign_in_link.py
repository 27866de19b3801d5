# SPDX-License-Identifier: Apache-2.0
"""`packhouse sign-in-link`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command("sign-in-link")
@click.argument("user")
@data_option
def sign_in_link(user: str, data: str | None) -> None:
    """Print a link, alone, that signs USER in once within 15 minutes: for when single sign-on is away.

    Second factors are asked as ever; the owner gets a mail, the journal an entry.
    """
    from packhouse import bootstrap, config

    settings = config.load(data=data)
    bootstrap.connect(settings)
    from packhouse.services.journal import COMMAND
    from packhouse.services.people import find_user
    from packhouse.services.resources import now
    from packhouse.services.single_sign_on import make_link

    click.echo(make_link(COMMAND, find_user(user), settings, clock=now))
