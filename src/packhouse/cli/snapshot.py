# SPDX-License-Identifier: Apache-2.0
"""`packhouse snapshot ...`."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import click

from packhouse.cli.options import data_option


@click.group()
def snapshot() -> None:
    """Name states of indexes, compare them, and go back to one."""


def index_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--index NAME`."""
    return click.option("--index", "index", default="main", show_default=True, help="The index.")(command)


@snapshot.command()
@click.argument("name")
@index_option
@click.option("--at", "moment", default="", metavar="MOMENT", help="A day, a time or serial-N [now].")
@click.option("--note", default="", help="What it is for.")
@data_option
def create(name: str, index: str, moment: str, note: str, data: str | None) -> None:
    """Give the name NAME to an index as it is now, or was at a moment. Nothing is copied."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import snapshots
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    made = snapshots.create(COMMAND, index, name, moment, note, clock=now)
    where = f"/@serial-{made.serial}/simple/" if index == "main" else f"/index/{index}/@serial-{made.serial}/simple/"
    click.echo(f"The snapshot {made.name} of {index} is serial {made.serial}, at {where}.")


@snapshot.command("list")
@index_option
@data_option
def list_(index: str, data: str | None) -> None:
    """List the snapshots of an index: name, serial, moment, whether it is protected, and its note."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import snapshots
    from packhouse.services.indexes import find_index

    find_index(index)
    for one in snapshots.list_snapshots(index):
        protected = "protected" if one.protected else "-"
        click.echo(f"{one.name}\t{one.serial}\t{one.at:%Y-%m-%dT%H:%M:%SZ}\t{protected}\t{one.note}")


@snapshot.command()
@click.argument("name")
@index_option
@click.option("--off", is_flag=True, help="Lift the protection.")
@data_option
def protect(name: str, index: str, off: bool, data: str | None) -> None:
    """Protect a snapshot: it can't be deleted, and no file it shows can be purged."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import snapshots
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    snapshots.protect(COMMAND, index, name, on=not off, clock=now)
    click.echo(f"The snapshot {name} of {index} is {'no longer ' if off else ''}protected.")


@snapshot.command()
@click.argument("name")
@index_option
@data_option
def delete(name: str, index: str, data: str | None) -> None:
    """Forget a snapshot; the state it names stays at its serial."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import snapshots
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    snapshots.delete(COMMAND, index, name, clock=now)
    click.echo(f"Deleted the snapshot {name} of {index}.")


@snapshot.command()
@click.argument("before")
@click.argument("after", default="now")
@index_option
@data_option
def compare(before: str, after: str, index: str, data: str | None) -> None:
    """List the files added, removed, yanked and unyanked between two states of an index.

    A state is the name of a snapshot, `@` with a day, a time or serial-N, or `now`.
    """
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import snapshots
    from packhouse.services.resources import now

    found = snapshots.compare(index, snapshots.point(index, before, now), snapshots.point(index, after, now))
    for word in ("added", "removed", "yanked", "unyanked"):
        for project, version, filename in getattr(found, word):
            click.echo(f"{word}\t{project}\t{version}\t{filename}")


@snapshot.command()
@click.argument("to", metavar="STATE")
@index_option
@click.option("--even-deleted", is_flag=True, help="Place files again that were deleted since.")
@click.option("--reason", default="", help="Why; the journal keeps it.")
@click.option("--yes", is_flag=True, help="Do it; without it only the plan is shown.")
@data_option
def rollback(to: str, index: str, even_deleted: bool, reason: str, yes: bool, data: str | None) -> None:
    """Make an index show again the own files it showed in a state of the past.

    Files are placed and taken out as new journal entries, so it can be undone. Yanks, statuses, layers and rules stay.
    """
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import snapshots
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    as_of = snapshots.point(index, to, now)
    plan = snapshots.plan_rollback(index, as_of, even_deleted=even_deleted)
    for word, names in (("place", plan.placed), ("take out", plan.withdrawn), ("leave deleted", plan.kept_deleted)):
        for filename in names:
            click.echo(f"{word}\t{filename}")
    if not plan.placed and not plan.withdrawn:
        click.echo(f"The index {index} shows that state already.")
    elif yes:
        before = snapshots.roll_back(COMMAND, index, as_of, reason=reason, even_deleted=even_deleted, clock=now)
        click.echo(f"Done. To undo it: packhouse snapshot rollback @serial-{before} --index {index} --yes")
    else:
        click.echo("Nothing was changed; add --yes to do it.")


@snapshot.command()
@click.argument("state", default="now")
@index_option
@click.option("--upstream", default="", metavar="NAME", help="What was kept of an upstream, instead of an index.")
@click.option("--output", type=click.File("wb", atomic=True), default="-", help="The file to write [standard output].")
@data_option
def lock(state: str, index: str, upstream: str, output: IO[bytes], data: str | None) -> None:
    """Write down all that an index serves in STATE: files with their digests, layers, rules, as JSON with a digest.

    STATE is the name of a snapshot, `@` with a day, a time or serial-N, or `now`. The same state makes the same bytes.
    """
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services import locks
    from packhouse.services.resources import now

    for piece in locks.of_upstream(upstream, state, now) if upstream else locks.of_index(index, state, now):
        output.write(piece)


@snapshot.command()
@click.argument("file", type=click.File("rb"))
@click.argument("state", default="now")
@click.option("--with", "other", type=click.File("rb"), help="Compare with another lock instead.")
@data_option
def check(file: IO[bytes], state: str, other: IO[bytes] | None, data: str | None) -> None:
    """Name what differs between the lock FILE and the same index or upstream in STATE (by default as it is now).

    `then` as STATE is the moment of the lock itself, as it is told today. Exit status 1 when anything differs.
    """
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.domain.locks import differences, read
    from packhouse.services import locks
    from packhouse.services.resources import now

    lock = read(file.read())
    found = list(differences(lock, read(other.read()) if other is not None else locks.again(lock, state, now)))
    for change in found:
        where = f"{change.project}\t{change.version}\t{change.filename}"
        click.echo(f"{change.what}\t{where}\t{change.detail}".rstrip())
    if found:
        raise SystemExit(1)
    click.echo("Nothing differs.")
