# SPDX-License-Identifier: Apache-2.0
"""`packhouse move`."""

from __future__ import annotations

from dataclasses import replace

import click

from packhouse.cli.options import data_option


@click.command()
@click.option("--to", "database", metavar="DATABASE", help="postgresql://... or sqlite:///FILE; without it, as it is.")
@click.option("--storage", metavar="STORAGE", help="s3://..., gs://..., az://... or file:///FOLDER; likewise.")
@click.option("--dry-run", is_flag=True, help="Show what would be moved, and move nothing.")
@click.option("--quick", is_flag=True, help="Don't read the files once more at the target: each was hashed on its way.")
@click.option("--undo", is_flag=True, help="End a move that was begun; let a house that was moved take writes again.")
@data_option
def move(database: str | None, storage: str | None, dry_run: bool, quick: bool, undo: bool, data: str | None) -> None:
    """Move everything to another database and other storage, while the server goes on.

    Killed, it goes on where it was when it is run again. At the end the old house takes no writes any more, for good;
    reading goes on until the server is started with the new settings, which the last line names.
    """
    from packhouse import bootstrap, config
    from packhouse.cli.progress import watching

    settings = config.load(data=data)
    bootstrap.connect_to_read(settings)
    from packhouse.site import moving

    if undo:
        click.echo("The house takes writes again." if moving.undo(settings) else "No move was begun here.")
        return
    named = config.load(data=data, database=database, storage=storage)
    target = moving.target_of(settings, named.database, named.storage)
    planned = moving.plan(settings, replace(target, data=settings.data))
    for line in _plan_lines(planned):
        click.echo(line)
    if dry_run:
        return
    with watching() as watch:
        done = moving.Move(planned, watch, click.echo, bootstrap.fault_points()).run(quick=quick)
    click.echo(
        f"Moved at serial {done.serial}; writes were refused for {done.refused_seconds:.1f} s, and are from now on."
    )
    click.echo(_last_line(planned))


def _plan_lines(planned: object) -> list[str]:
    from packhouse.services.row_stores import shown, storage_shown
    from packhouse.site.moving import Plan

    assert isinstance(planned, Plan)  # noqa: S101 - imported late, for the start's sake
    verb = "goes on" if planned.begun else "begins"
    rows, files = planned.moves_rows, planned.moves_files
    return [
        f"This move {verb}. Until its last step the server takes uploads; then it is read-only.",
        f"database  {shown(planned.settings)} -> {shown(planned.target)}: {planned.rows} rows"
        if rows
        else f"database  {shown(planned.settings)} stays",
        f"files     {storage_shown(planned.settings)} -> {storage_shown(planned.target)}: {planned.files} files,"
        f" {planned.size} bytes"
        if files
        else f"files     {storage_shown(planned.settings)} stay",
    ]


def _last_line(planned: object) -> str:
    """What is to be set now; the password of a database is not repeated."""
    from packhouse.services.row_stores import shown, storage_shown
    from packhouse.site.moving import Plan

    assert isinstance(planned, Plan)  # noqa: S101 - likewise
    set_now = []
    if planned.moves_rows:
        database = shown(planned.target)
        value = "the address given with --to" if planned.target.on_postgresql else f"sqlite://{database}"
        set_now.append(f"PACKHOUSE_DATABASE to {value}")
    if planned.moves_files:
        there = storage_shown(planned.target)
        set_now.append(f"PACKHOUSE_STORAGE to {there if planned.target.has_bucket else f'file://{there}'}")
    return f"Now set {' and '.join(set_now)}, and start the server again."
