# SPDX-License-Identifier: Apache-2.0
"""`packhouse index ...`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option


@click.group()
def index() -> None:
    """Make and show indexes, set their rules, and say who may read them."""


@index.command()
@click.argument("name")
@click.option(
    "--read",
    type=click.Choice(["public", "signed-in", "closed"]),
    default="public",
    show_default=True,
    help="Who may read it: everybody, everybody with an account, or those named with `index grant`.",
)
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="KIND:NAME",
    help="What it is made of, first wins: `own`, `index:NAME`; may be repeated [own].",
)
@data_option
def create(name: str, read: str, layers: tuple[str, ...], data: str | None) -> None:
    """Make the index NAME, at /index/NAME/simple/."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.domain.permissions import ReadMode
    from packhouse.services.indexes import LayerSpec, create_index
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    specs = [LayerSpec.parse(layer) for layer in layers]
    made = create_index(COMMAND, name, ReadMode(read), specs, clock=now)
    click.echo(f"Made the index {made.name} ({made.read}), at /index/{made.name}/simple/.")


@index.command("list")
@data_option
def list_(data: str | None) -> None:
    """List the indexes: name and who may read it, separated by a tab."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.indexes import list_indexes

    for found in list_indexes():
        click.echo(f"{found.name}\t{found.read}")


@index.command()
@click.argument("name")
@data_option
def show(name: str, data: str | None) -> None:
    """Show an index: who may read it, its layers, its readers, and every rule with where it comes from."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.index_rules import rules_in_force
    from packhouse.services.indexes import find_index, layers_of
    from packhouse.services.readers import readers_of

    found = find_index(name)
    click.echo(f"name\t{found.name}\nread\t{found.read}")
    for layer in layers_of(name):
        click.echo(f"layer\t{layer.spelled}")
    for reader in readers_of(name):
        click.echo(f"reader\t{reader}")
    state = rules_in_force(name)
    click.echo(f"profile\t{state.profile}{'' if state.profile_is_set else ' (the default)'}")
    for rule in state.rules:
        origin = "set on this index" if rule.is_set else f"profile {state.profile}"
        click.echo(f"rule\t{rule.key} = {rule.value}\t{origin}")
    for rule in state.serving:
        click.echo(f"rule\t{rule.key} = {rule.value}\t{'set on this index' if rule.is_set else 'the default'}")
    for key, value in state.others:
        click.echo(f"rule\t{key} = {value}")


@index.command()
@click.argument("name")
@click.argument("action", type=click.Choice(["add", "remove", "move"]))
@click.argument("layer", metavar="KIND:NAME")
@click.option("--at", "place", type=click.IntRange(min=1), help="Its place, 1 is the first [add: the last].")
@data_option
def layer(name: str, action: str, layer: str, place: int | None, data: str | None) -> None:
    """Change what the index NAME is made of, from now on: `own`, `index:NAME` or `upstream:NAME`.

    The first layer that knows a project answers for it alone. States of the past keep the layers of their time.
    """
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.indexes import LayerSpec, add_layer, layers_of, move_layer, remove_layer
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    wanted = LayerSpec.parse(layer)
    if action == "remove":
        remove_layer(COMMAND, name, wanted, clock=now)
    elif action == "add":
        add_layer(COMMAND, name, wanted, None if place is None else place - 1, clock=now)
    elif place is None:
        raise click.UsageError("move needs --at PLACE.")
    else:
        move_layer(COMMAND, name, wanted, place - 1, clock=now)
    click.echo(f"The index {name} is made of {', '.join(one.spelled for one in layers_of(name))} now.")


@index.command()
@click.argument("name")
@click.argument("key")
@click.argument("value")
@data_option
def rule(name: str, key: str, value: str, data: str | None) -> None:
    """Set the rule KEY of the index NAME to VALUE, from the next upload or page on.

    KEY is a rule that `packhouse index show` lists, or `profile` (private or strict). VALUE is yes or no, a number, a
    size (100MB, 2GiB), an age (7d, 12h), none, names (with versions for what is served: urllib3<2), off, warn or
    enforce, or `default` for what the profile says.
    """
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.index_rules import change_rule
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    current = change_rule(COMMAND, name, key, value, clock=now)
    click.echo(f"{key} of the index {name} is {current} now.")


@index.command()
@click.argument("name")
@click.argument("reader")
@click.option("--end", is_flag=True, help="Take the reader off again.")
@data_option
def grant(name: str, reader: str, end: bool, data: str | None) -> None:
    """Name READER among the readers of the closed index NAME: USER, ORGANIZATION, ORGANIZATION/TEAM or token:ID."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.indexes import end_grant, grant_read
    from packhouse.services.journal import COMMAND
    from packhouse.services.readers import find_reader, spelled
    from packhouse.services.resources import now

    found = find_reader(reader)
    (end_grant if end else grant_read)(COMMAND, name, found, clock=now)
    click.echo(f"{spelled(found)} may {'no longer ' if end else ''}read the index {name} as one of its readers.")


@index.command()
@click.argument("name")
@click.argument("mode", type=click.Choice(["public", "signed-in", "closed"]))
@data_option
def read(name: str, mode: str, data: str | None) -> None:
    """Say who may read the index NAME from now on."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.domain.permissions import ReadMode
    from packhouse.services.indexes import set_read
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    set_read(COMMAND, name, ReadMode(mode), clock=now)
    click.echo(f"The index {name} is {mode} now.")
