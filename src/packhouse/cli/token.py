# SPDX-License-Identifier: Apache-2.0
"""`packhouse token ...`."""

from __future__ import annotations

from typing import Any

import click

from packhouse.cli.options import data_option
from packhouse.domain.permissions import TOKEN_ACTIONS


@click.group()
def token() -> None:
    """Make, list, rotate and revoke API tokens."""


@token.command()
@click.argument("user", metavar="USER-OR-ORGANIZATION")
@click.option("--name", "label", required=True, metavar="LABEL", help="What the token is for.")
@click.option(
    "--project",
    "projects",
    multiple=True,
    metavar="NAME",
    help="Limit it to a project, or by @NAME to those of an organization; may be repeated.",
)
@click.option("--index", "indexes", multiple=True, metavar="NAME", help="Limit it to an index; may be repeated.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(list(TOKEN_ACTIONS)),
    help="What it may do; may be repeated [upload and read].",
)
@click.option(
    "--expires",
    default="90d",
    show_default=True,
    metavar="WHEN",
    help="Days (90d), hours (12h), the last day it is good (2027-01-01), or never.",
)
@click.option(
    "--from",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="An address or network (192.0.2.0/24) it may be used from; may be repeated.",
)
@data_option
def create(
    *,
    user: str,
    label: str,
    projects: tuple[str, ...],
    indexes: tuple[str, ...],
    scopes: tuple[str, ...],
    expires: str,
    networks: tuple[str, ...],
    data: str | None,
) -> None:
    """Make a token for a person or an organization and print it, alone: it is not shown again."""
    from packhouse import bootstrap, config
    from packhouse.cli.moments import expiry

    bootstrap.connect(config.load(data=data))
    from packhouse.services import organization_tokens, tokens
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    at, allowed = expiry(expires, now()), scopes or tokens.DEFAULT_SCOPES
    person, organization = _owner(user)
    if organization is None:
        _, secret = tokens.create_token(
            COMMAND, person, label, allowed, indexes, projects, at, networks=networks, clock=now
        )
    else:
        _, secret = organization_tokens.create(
            COMMAND, organization.name, label, allowed, indexes, projects, at, networks=networks, clock=now
        )
    click.echo(secret)


def _owner(name: str) -> tuple[Any, Any]:
    """The person of this name, or the organization: one of the two is None."""
    from packhouse.catalogue.models import Organization
    from packhouse.services.people import find_user

    found = Organization.objects.filter(name_key=name.lower(), deleted_at=None).first()
    return (find_user(name), None) if found is None else (None, found)


@token.command()
@click.argument("which", metavar="ID-OR-PREFIX-OR-TOKEN")
@click.option(
    "--grace",
    default="1d",
    show_default=True,
    metavar="SPAN",
    help="How long the old secret is good: hours (12h), days (7d), or 0 for not at all.",
)
@data_option
def rotate(which: str, grace: str, data: str | None) -> None:
    """Give a token a new secret and print it, alone; all else about the token stays."""
    from packhouse import bootstrap, config
    from packhouse.cli.moments import span

    left = span(grace)
    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.tokens import find_token, rotate_token

    _, secret = rotate_token(COMMAND, find_token(which), left, clock=now)
    click.echo(secret)


@token.command()
@click.argument("which", metavar="ID-OR-PREFIX-OR-TOKEN", required=False)
@click.option("--of", "person", metavar="NAME", help="Instead of one, all tokens of a person or organization.")
@click.option("--all", "every", is_flag=True, help="Instead of one, all tokens of everybody; needs --yes.")
@click.option("--yes", is_flag=True, help="Mean it: with --all.")
@data_option
def revoke(which: str | None, person: str | None, every: bool, yes: bool, data: str | None) -> None:
    """Delete a token, or many: the next request with it is refused."""
    from packhouse import bootstrap, config

    if [which is not None, person is not None, every].count(True) != 1:
        raise click.UsageError("Give one token, --of NAME, or --all.")
    if every and not yes:
        raise click.UsageError("--all ends every token of everybody; add --yes.")
    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.tokens import delete_token, find_token

    if which is None:
        count = _revoke_many(person)
        click.echo(f"Revoked {count} token{'' if count == 1 else 's'}.")
        return
    found = find_token(which)
    delete_token(COMMAND, found, clock=now)
    click.echo(f"Revoked token {found.pk}, {found.name!r} of {found.user.username}.")


def _revoke_many(name: str | None) -> int:
    """End all tokens of somebody, or of everybody; how many there were."""
    from packhouse.services import organization_tokens, tokens
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    if name is None:
        return tokens.delete_every_token(COMMAND, clock=now)
    person, organization = _owner(name)
    if organization is not None:
        return organization_tokens.delete_all(COMMAND, organization, clock=now)
    return tokens.delete_tokens_of(COMMAND, person, clock=now)


@token.command("list")
@click.argument("user", metavar="USER-OR-ORGANIZATION")
@data_option
def list_(user: str, data: str | None) -> None:
    """List the living tokens of a person or an organization, a line each.

    Id, first characters, scopes, expiry and name, separated by tabs.
    """
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.tokens import tokens_of, tokens_of_organization

    person, organization = _owner(user)
    for found in tokens_of(person) if organization is None else tokens_of_organization(organization):
        ends = f"{found.expires_at:%Y-%m-%dT%H:%MZ}" if found.expires_at else "never"
        click.echo("\t".join([str(found.pk), found.hint, ",".join(found.scopes), ends, found.name]))
