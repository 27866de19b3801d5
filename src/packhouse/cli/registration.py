# SPDX-License-Identifier: Apache-2.0
"""`packhouse registration`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command()
@click.option("--mode", type=click.Choice(["open", "invited", "closed", "default"]), help="Who may register.")
@click.option("--domains", metavar="D,...", help='Domains of e-mail addresses that register uninvited; "all": any.')
@click.option("--reason", default="", metavar="TEXT", help="Why; the journal keeps it.")
@data_option
def registration(mode: str | None, domains: str | None, reason: str, data: str | None) -> None:
    """Show who may register and who decided it, or change it. What a setting says can't be changed so."""
    from packhouse import bootstrap, config

    settings = config.load(data=data)
    bootstrap.connect(settings)
    from packhouse.domain.registration import read_domains
    from packhouse.services.journal import COMMAND
    from packhouse.services.registering import Choice, choose, in_force
    from packhouse.services.resources import now

    if mode is not None or domains is not None:
        named = None if domains is None else () if domains == "all" else read_domains(domains)
        choose(COMMAND, Choice("" if mode == "default" else mode, named), reason, settings, clock=now)
    found = in_force(settings)
    click.echo(f"mode\t{found.mode}\t{found.mode_by}")
    click.echo(f"domains\t{' '.join(found.domains) or 'all'}\t{found.domains_by}")
