# SPDX-License-Identifier: Apache-2.0
"""`packhouse verify`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from packhouse.cli.options import data_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packhouse.services.verifying import Problem, Tally


@click.command()
@click.option("--quick", is_flag=True, help="Don't read the stored files: see only that they are there, and how long.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@data_option
def verify(quick: bool, as_json: bool, data: str | None) -> None:
    """Compare all that is kept: stored files with their digests, rows with their files, the journal.

    Changes nothing but a note of its outcome, and works beside a running server. The exit status is 0 when all is
    right, 1 when something is wrong: each thing is named, with what to do.
    """
    from packhouse import bootstrap, config
    from packhouse.cli.progress import watching

    settings = config.load(data=data)
    bootstrap.connect_to_read(settings)
    from packhouse.services import notes
    from packhouse.services.resources import now
    from packhouse.services.verifying import Survey
    from packhouse.services.verifying import verify as look

    with watching() as watch:
        survey = Survey(bootstrap.resources(settings), quick, watch)
        print_all = _print_json if as_json else _print_text
        count = print_all(look(survey), survey.tally)
    note = {"at": now().isoformat(), "problems": count, "serial": survey.tally.serial, "quick": quick}
    notes.keep(settings.data, "last-verify", note)
    sys.exit(int(count > 0))


def _print_text(problems: Iterable[Problem], tally: Tally) -> int:
    count = 0
    for problem in problems:
        count += 1
        click.echo(f"FAIL  {problem.code}: {problem.sentence} {problem.cure}")
    click.echo(f"{tally.entries} journal entries up to serial {tally.serial}")
    click.echo(f"{tally.files} files, {tally.blobs} blobs ({tally.size} bytes of files), {tally.pages} stored pages")
    if tally.orphans:
        click.echo(
            f"{tally.orphans} blobs that no file names ({tally.orphan_size} bytes): harmless; `packhouse gc` removes"
            " those older than a day"
        )
    click.echo("All is right." if not count else "1 problem." if count == 1 else f"{count} problems.")
    return count


def _print_json(problems: Iterable[Problem], tally: Tally) -> int:
    """Write each problem as it is found, so that any number of them takes no memory."""
    count = 0
    click.echo('{"problems": [', nl=False)
    for problem in problems:
        told = {"code": problem.code, "subject": problem.subject, "message": problem.sentence, "cure": problem.cure}
        click.echo(("," if count else "") + "\n" + json.dumps(told), nl=False)
        count += 1
    rest = {"problem_count": count, **asdict(tally)}
    click.echo("],\n" + json.dumps(rest)[1:])
    return count
