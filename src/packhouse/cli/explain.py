# SPDX-License-Identifier: Apache-2.0
"""`packhouse explain`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.command()
@click.argument("name")
@click.option("--index", "index_name", default="main", show_default=True, help="The index to explain.")
@data_option
def explain(name: str, index_name: str, data: str | None) -> None:
    """Say what an index shows of the project NAME, and why.

    Lists each layer and which one answers, the way to it, and each file that is hidden, by which rule, since when
    and until when. Exit status 1 when the index does not know the name.
    """
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.domain.names import normalize
    from packhouse.services import explaining
    from packhouse.services.resources import now

    found = explaining.explain(index_name, normalize(name), now())
    for layer in found.layers:
        click.echo(f"layer\t{layer.layer}\t{'answers' if layer.answers else '-'}")
    if not found.known:
        click.echo(f"No layer of {index_name} knows {found.project}.")
        _note(found.note)
        raise SystemExit(1)
    click.echo(f"answer\t{f'upstream {found.upstream}' if found.upstream else f'the own files of {found.source}'}")
    click.echo(f"through\t{' > '.join(found.through)}")
    if found.deleted:
        click.echo("deleted\tthe project was deleted; its name stays its owners' and is asked of no other layer")
        raise SystemExit(1)
    click.echo(f"status\t{found.status.value}{f' ({found.status_reason})' if found.status_reason else ''}")
    click.echo(f"served\t{found.served} file{'' if found.served == 1 else 's'}")
    _note(found.note)
    for ground in found.grounds:
        word = "hidden" if ground.enforced else "warning"
        since = f"{ground.since:%Y-%m-%d %H:%M:%S} UTC" if ground.since else "-"
        until = f"{ground.until:%Y-%m-%d %H:%M:%S} UTC" if ground.until else "-"
        click.echo(f"{word}\t{ground.filename}\t{ground.rule}\tsince {since}\tuntil {until}\t{ground.reason}")


def _note(text: str) -> None:
    if text:
        click.echo(f"note\t{text}")
