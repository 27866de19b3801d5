# SPDX-License-Identifier: Apache-2.0
"""`packhouse organization ...`."""

from __future__ import annotations

import click

from packhouse.cli.options import data_option

ROLES = ["owner", "manager", "member"]


@click.group()
def organization() -> None:
    """Make and show organizations, their members and teams, and move projects between owners."""


@organization.command()
@click.argument("name")
@click.option("--owner", required=True, metavar="USER", help="Its first owner.")
@click.option("--title", default="", metavar="TEXT", help="Its full name.")
@data_option
def create(name: str, owner: str, title: str, data: str | None) -> None:
    """Make the organization NAME. People and organizations share their names."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.organizations import create_organization
    from packhouse.services.people import find_user
    from packhouse.services.resources import now

    made = create_organization(COMMAND, name, find_user(owner), title, clock=now)
    click.echo(f"Made the organization {made.name}, at /org/{made.name}/.")


@organization.command("list")
@data_option
def list_(data: str | None) -> None:
    """List the organizations: name, members, projects and full name, separated by tabs."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.organizations import list_organizations

    for found in list_organizations():
        click.echo(f"{found.name}\t{found.members}\t{found.owned}\t{found.title}")


@organization.command()
@click.argument("name")
@data_option
def show(name: str, data: str | None) -> None:
    """Show an organization: its people with their roles, its teams with their members and roles, its projects."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.catalogue.organizations import projects_of_organization
    from packhouse.services.organizations import find_organization

    found = find_organization(name)
    click.echo(f"name\t{found.name}\ntitle\t{found.title}")
    for row in found.memberships.select_related("user").order_by("user__username"):
        click.echo(f"{row.role}\t{row.user.username}")
    for team in found.teams.order_by("name"):
        for name_ in team.members.order_by("user__username").values_list("user__username", flat=True):
            click.echo(f"team\t{team.name}\tmember\t{name_}")
        for role, project in team.roles.order_by("project__name").values_list("role", "project__name"):
            click.echo(f"team\t{team.name}\t{role}\t{project}")
    for owned in projects_of_organization(found):
        click.echo(f"project\t{owned.name}")


@organization.command()
@click.argument("name")
@click.argument("user")
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True, help="What USER is to be.")
@click.option("--end", is_flag=True, help="Take USER out of it, and of its teams.")
@data_option
def member(name: str, user: str, role: str, end: bool, data: str | None) -> None:
    """Make USER a member of the organization NAME, or change the role; they are told by mail."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.domain.permissions import OrganizationRole
    from packhouse.services.journal import COMMAND
    from packhouse.services.members import remove_member, set_member
    from packhouse.services.people import find_user
    from packhouse.services.resources import now

    person = find_user(user)
    if end:
        remove_member(COMMAND, name, person, clock=now)
        click.echo(f"{person.username} is no longer in {name}.")
        return
    set_member(COMMAND, name, person, OrganizationRole(role), clock=now)
    click.echo(f"{person.username} is {role} of {name}.")


@organization.command()
@click.argument("name")
@click.argument("team_name", metavar="TEAM")
@click.option("--add", "added", multiple=True, metavar="USER", help="A member to put into it; may be repeated.")
@click.option("--remove", "removed", multiple=True, metavar="USER", help="A member to take out; may be repeated.")
@click.option("--project", default="", metavar="P", help="A project of the organization, for --role.")
@click.option("--role", type=click.Choice(["owner", "maintainer", "none"]), help="What it is to be to the project.")
@click.option("--end", is_flag=True, help="Delete the team.")
@data_option
def team(
    *,
    name: str,
    team_name: str,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    project: str,
    role: str | None,
    end: bool,
    data: str | None,
) -> None:
    """Change the team TEAM of the organization NAME; it is made when it is not there yet."""
    from packhouse import bootstrap, config

    if bool(project) != bool(role):
        raise click.UsageError("Give --project and --role together.")
    bootstrap.connect(config.load(data=data))
    from packhouse.services.resources import now
    from packhouse.services.teams import TeamChange, change_team

    change = TeamChange(added, removed, project, role or "", end)
    change_team(name, team_name, change, clock=now)
    click.echo(f"{'Deleted' if end else 'Changed'} the team {team_name.lower()} of {name}.")


@organization.command()
@click.argument("mapped", metavar="GROUP", required=False)
@click.argument("name", metavar="NAME", required=False)
@click.option("--role", type=click.Choice(ROLES), help="What people of GROUP are to be in the organization NAME.")
@click.option("--team", default="", metavar="TEAM", help="The team of it that they are to be in.")
@click.option("--end", is_flag=True, help="GROUP is to mean nothing to NAME any more, or to its team TEAM.")
@data_option
def group(mapped: str | None, name: str | None, role: str | None, team: str, end: bool, data: str | None) -> None:
    """Map GROUP of single sign-on to a role in the organization NAME, or a team of it; without arguments, list all.

    It counts from each person's next sign-in on.
    """
    from packhouse import bootstrap, config

    if bool(mapped) != bool(name) or (mapped and not (role or team or end)):
        raise click.UsageError("Give GROUP, NAME and one of --role, --team, --end.")
    bootstrap.connect(config.load(data=data))
    from packhouse.domain.permissions import OrganizationRole
    from packhouse.services.group_roles import list_mapped, map_group, unmap_named
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now

    if mapped is None or name is None:
        for row in list_mapped():
            click.echo(f"{row.group}\t{row.organization}\t{row.role or f'team {row.team}'}")
        return
    if end:
        unmap_named(COMMAND, mapped, name, team, clock=now)
        click.echo(f"{mapped} means nothing to {name}{f'/{team}' if team else ''} any more.")
        return
    map_group(COMMAND, mapped, name, OrganizationRole(role) if role else None, team, clock=now)
    click.echo(f"{mapped} is {role or f'in the team {team}'} of {name}, from each person's next sign-in on.")


@organization.command()
@click.argument("project")
@click.option("--to", "receiver", required=True, metavar="NAME", help="The person or organization to get it.")
@data_option
def transfer(project: str, receiver: str, data: str | None) -> None:
    """Give PROJECT to a person or an organization, at once."""
    from packhouse import bootstrap, config

    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.transfers import find_receiver, offer

    found = find_receiver(receiver)
    offer(COMMAND, project, found, clock=now)
    click.echo(f"{project} belongs to {found} now.")


@organization.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask.")
@data_option
def delete(name: str, yes: bool, data: str | None) -> None:
    """Delete the organization NAME, which has no projects any more. Nobody else ever gets its name."""
    from packhouse import bootstrap, config
    from packhouse.cli.consent import demand_consent

    bootstrap.connect(config.load(data=data))
    from packhouse.services.journal import COMMAND
    from packhouse.services.organizations import delete_organization, find_organization
    from packhouse.services.resources import now

    found = find_organization(name)
    demand_consent("Deleting", "deleted", found.name, yes=yes)
    delete_organization(COMMAND, found.name, clock=now)
    click.echo(f"Deleted the organization {found.name}.")
