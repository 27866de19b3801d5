# SPDX-License-Identifier: Apache-2.0
"""`packhouse apply`."""

from __future__ import annotations

import sys
from typing import IO

import click

from packhouse.cli.options import data_option
from packhouse.errors import Kind, refuse


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--plan", "only_plan", is_flag=True, help="Only show what would change; exit status 1 when anything.")
@click.option("--yes", is_flag=True, help="Apply without asking.")
@data_option
def apply(file: IO[str], only_plan: bool, yes: bool, data: str | None) -> None:
    """Make indexes, upstreams and names what FILE (TOML, - for standard input) declares.

    Shows a plan first. All of it is done in one transaction, or nothing; applied twice, the second time changes
    nothing. Exit status 0: it is as declared; 1: --plan found differences; 2: refused, nothing was changed.
    """
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import applying
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    try:
        text = file.read()
    except UnicodeDecodeError as error:
        raise refuse(Kind.INVALID, "declaration-invalid", "The declaration is not UTF-8; save it so.") from error
    wanted = applying.read_file(text)
    lines = [step.line for step in applying.plan(wanted, now)]
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo("Everything is as declared.")
        return
    if only_plan:
        raise SystemExit(1)
    if not yes:
        _demand_yes(len(lines))
    done = applying.apply(COMMAND, wanted, lines, clock=now)
    click.echo(f"Done: {done} change{'' if done == 1 else 's'}.")


def _demand_yes(count: int) -> None:
    """Ask; where nobody can answer, refuse without --yes."""
    if not sys.stdin.isatty():
        raise refuse(Kind.INVALID, "consent-missing", "Nothing was changed; add --yes to apply this plan.", "yes")
    if not click.confirm(f"Make {'this change' if count == 1 else f'these {count} changes'}?"):
        raise refuse(Kind.INVALID, "consent-missing", "Nothing was changed.", "yes")
