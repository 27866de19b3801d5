# SPDX-License-Identifier: Apache-2.0
"""`packhouse token ...`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.group()
def token() -> None:
    """Make, list and revoke API tokens."""


@token.command()
@click.argument("user")
@click.option("--name", "label", required=True, metavar="LABEL", help="What the token is for.")
@click.option("--project", "projects", multiple=True, metavar="NAME", help="Limit it to a project; may be repeated.")
@click.option("--index", "indexes", multiple=True, metavar="NAME", help="Limit it to an index; may be repeated.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["upload", "read", "manage"]),
    help="What it may do; may be repeated [upload and read].",
)
@click.option(
    "--expires",
    default="90d",
    show_default=True,
    metavar="WHEN",
    help="Days (90d), hours (12h), the last day it is good (2027-01-01), or never.",
)
@data_option
def create(
    user: str,
    label: str,
    projects: tuple[str, ...],
    indexes: tuple[str, ...],
    scopes: tuple[str, ...],
    expires: str,
    data: str | None,
) -> None:
    """Make a token for USER and print it, alone: it is not shown again."""
    from packhouse import bootstrap, config
    from packhouse.cli.moments import expiry

    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.people import find_user
    from packhouse.services.resources import now
    from packhouse.services.tokens import DEFAULT_SCOPES, create_token

    at = expiry(expires, now())
    owner = find_user(user)
    _, secret = create_token(COMMAND, owner, label, scopes or DEFAULT_SCOPES, indexes, projects, at, clock=now)
    click.echo(secret)


@token.command()
@click.argument("which", metavar="ID-OR-PREFIX-OR-TOKEN")
@data_option
def revoke(which: str, data: str | None) -> None:
    """Delete a token: the next request with it is refused."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.tokens import delete_token, find_token

    found = find_token(which)
    delete_token(COMMAND, found, clock=now)
    click.echo(f"Revoked token {found.pk}, {found.name!r} of {found.user.username}.")


@token.command("list")
@click.argument("user")
@data_option
def list_(user: str, data: str | None) -> None:
    """List the living tokens of USER: id, first characters, scopes, expiry and name, separated by tabs."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.people import find_user
    from packhouse.services.tokens import tokens_of

    for found in tokens_of(find_user(user)):
        ends = f"{found.expires_at:%Y-%m-%dT%H:%MZ}" if found.expires_at else "never"
        click.echo("\t".join([str(found.pk), found.hint, ",".join(found.scopes), ends, found.name]))
