# SPDX-License-Identifier: Apache-2.0
"""Who acts on which project: asked inside the transaction that changes it."""

from __future__ import annotations

from dataclasses import dataclass

from packhouse.catalogue.listings import living_project
from packhouse.catalogue.models import Index, Project
from packhouse.catalogue.rows import fetch
from packhouse.catalogue.standing import HELD, role_of, role_values
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.permissions import Action, Identity, ProjectRight, ProjectRole, may
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access
from packhouse.services.journal import COMMAND, Actor, Clock

Asker = Identity | Actor
"""Who wants something: an identity, whose rights are judged, or the actor `COMMAND`, who may do everything."""


def demand(asker: Asker, action: Action, name: str, clock: Clock) -> tuple[Project, Actor]:
    """The living project, locked, and the actor for the journal; raises MISSING, UNAUTHENTICATED or FORBIDDEN."""
    project = Project.objects.select_for_update(no_key=True).filter(name=normalize(name), deleted_serial=None).first()
    if isinstance(asker, Actor):
        if asker is not COMMAND:
            raise refuse(Kind.FORBIDDEN, "actor-unknown", "Only a command acts without an identity; sign in.")
        if project is None:
            raise unknown(name)
        return project, asker
    identity = access.still_valid(asker, clock())
    if project is None:
        raise unknown(name)
    may(identity, action, project=access.project_right(identity, project.name)).demand()
    return project, Actor.of(identity)


def demand_known(identity: Identity, action: Action, name: str) -> Project:
    """The living project, for whoever may do this with it.

    Raises MISSING for it as for one that is not here where the asker may read none of the indexes it stands in.
    """
    project = living_project(normalize(name)) if is_valid_name(name) else None
    if project is None:
        raise unknown(name)
    verdict = may(identity, action, project=access.project_right(identity, project.name))
    if not verdict.allowed and not _may_know(identity, project):
        raise unknown(name)
    verdict.demand()
    return project


@dataclass(frozen=True, slots=True)
class HeldProject:
    """A living project, and what somebody is to it."""

    name: str
    display_name: str
    role: ProjectRole


def held_projects(identity: Identity) -> list[HeldProject]:
    """The projects in which somebody has a role, by whatever way, by name; of a token those that it is for."""
    found = []
    for name, display_name, organization, rank in fetch(HELD, *role_values(identity), *role_values(identity)):
        role = role_of(rank)
        right = ProjectRight(name, role=role, organization=organization)
        if role is not None and (identity.scope is None or identity.scope.covers(right)):
            found.append(HeldProject(name, display_name, role))
    return found


def _may_know(identity: Identity, project: Project) -> bool:
    indexes = Index.objects.filter(placements__project=project, placements__to_serial=None).distinct()
    return any(may(identity, Action.READ, index=access.right_on(identity, index)).allowed for index in indexes)


def is_administrator(asker: Asker) -> bool:
    """Whether it is a command, or somebody who may administer."""
    return asker is COMMAND if isinstance(asker, Actor) else asker.is_admin and asker.scope is None


def unknown(name: str) -> PackhouseError:
    """The refusal for a project that is not here."""
    return refuse(Kind.MISSING, "project-unknown", f"There is no project {name[:60]!r} here; see the list of projects.")
