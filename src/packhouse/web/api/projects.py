# SPDX-License-Identifier: Apache-2.0
"""The management API on projects: what they hold, yanking, deleting, status, promotion, and who works on them."""

from __future__ import annotations

from typing import Any

from packhouse.catalogue import queries
from packhouse.catalogue.models import Invitation, Project, Role
from packhouse.domain.listing import Status
from packhouse.domain.permissions import Action, ProjectRole
from packhouse.domain.project_json import FileFacts, ReleaseFacts
from packhouse.services import collaborators, people, promoting, releases
from packhouse.services import projects as services
from packhouse.services.standing import demand_known, held_projects
from packhouse.web import resources
from packhouse.web.api.operations import Asked, Field, Operation
from packhouse.web.api.shapes import MOMENT, NUMBER, TEXT, YES, many, perhaps, thing
from packhouse.web.manage_people import tell_invited
from packhouse.web.projects import release_of

OWN = thing(projects=many(thing(name=TEXT, normalized_name=TEXT, role=TEXT)))
RELEASE = thing(version=TEXT, files=NUMBER, yanked=YES)
PROJECT = thing(
    name=TEXT,
    normalized_name=TEXT,
    status=TEXT,
    status_reason=TEXT,
    organization=perhaps(TEXT),
    releases=many(RELEASE),
)
FILE = thing(filename=TEXT, sha256=TEXT, size=perhaps(NUMBER), uploaded=MOMENT, yanked=YES, yank_reason=TEXT)
FILES = thing(name=TEXT, version=TEXT, files=many(FILE))
CHANGED = thing(changed=many(TEXT))
"""The filenames that are changed by it; none when everything was so before."""
STATUS = thing(status=TEXT, status_reason=TEXT)
PERSON = thing(user=TEXT, role=TEXT)
INVITED = thing(user=TEXT, role=TEXT, expires=MOMENT)
PEOPLE = thing(people=many(PERSON), invited=many(INVITED))
PROMOTED = thing(serial=NUMBER, files=many(TEXT))


def list_own(asked: Asked) -> object:
    """The projects that the token may do something with here, by name."""
    held = held_projects(asked.identity)
    rows = [{"name": one.display_name, "normalized_name": one.name, "role": one.role.value} for one in held]
    return {"projects": rows}


def show(asked: Asked, name: str) -> object:
    """A project and its releases."""
    found = demand_known(asked.identity, Action.YANK, name)
    status, reason = queries.status_of(found)
    return {
        "name": found.display_name,
        "normalized_name": found.name,
        "status": status.value,
        "status_reason": reason,
        "organization": found.organization.name if found.organization else None,
        "releases": [
            {"version": one.version, "files": len(one.files), "yanked": one.yanked is not None}
            for one in queries.project_facts("", found, even_quarantined=True).releases
        ],
    }


def show_release(asked: Asked, name: str, version: str) -> object:
    """The files of a release."""
    found = demand_known(asked.identity, Action.YANK, name)
    release = _release(found, version)
    return {"name": found.display_name, "version": release.version, "files": [_file(one) for one in release.files]}


def _release(found: Project, version: str) -> ReleaseFacts:
    return release_of(found.display_name, queries.project_facts("", found, even_quarantined=True), version)


def _file(file: FileFacts) -> dict[str, Any]:
    return {
        "filename": file.filename,
        "sha256": file.sha256,
        "size": file.size,
        "uploaded": file.upload_time,
        "yanked": file.yanked is not None,
        "yank_reason": file.yanked or "",
    }


def yank(asked: Asked, name: str, version: str, filename: str | None = None) -> object:
    """Yank a release, or one file of it."""
    demand_known(asked.identity, Action.YANK, name)
    reason = asked.text("reason")
    clock = resources.get().clock
    return {"changed": releases.yank(asked.identity, name, version, filename=filename, reason=reason, clock=clock)}


def unyank(asked: Asked, name: str, version: str, filename: str | None = None) -> object:
    """Take a yank back."""
    demand_known(asked.identity, Action.YANK, name)
    clock = resources.get().clock
    return {"changed": releases.unyank(asked.identity, name, version, filename=filename, clock=clock)}


def delete_release(asked: Asked, name: str, version: str, filename: str | None = None) -> object:
    """Delete a release, or one file of it."""
    demand_known(asked.identity, Action.DELETE, name)
    clock = resources.get().clock
    return {"changed": releases.delete(asked.identity, name, version, filename=filename, clock=clock)}


def delete_project(asked: Asked, name: str) -> object:
    """Delete a project with all there is of it."""
    found = demand_known(asked.identity, Action.DELETE, name)
    held = queries.project_facts("", found, even_quarantined=True).releases
    services.delete_project(asked.identity, name, clock=resources.get().clock)
    return {"changed": [file.filename for release in held for file in release.files]}


def set_status(asked: Asked, name: str) -> object:
    """Set the status of a project."""
    demand_known(asked.identity, Action.STATUS, name)
    wanted, reason = Status(asked.text("status")), asked.text("reason")
    services.set_status(asked.identity, name, wanted, reason=reason, clock=resources.get().clock)
    status, kept = queries.status_of(demand_known(asked.identity, Action.STATUS, name))
    return {"status": status.value, "status_reason": kept}


def promote(asked: Asked, name: str, version: str) -> object:
    """Place the files of a release in another index too."""
    demand_known(asked.identity, Action.PROMOTE, name)
    done = promoting.promote(
        asked.identity,
        name,
        version,
        asked.text("from"),
        asked.text("to"),
        reason=asked.text("reason"),
        clock=resources.get().clock,
    )
    return {"serial": done.serial, "files": list(done.filenames)}


def list_people(asked: Asked, name: str) -> object:
    """Who works on a project, and who is invited to."""
    return _people(demand_known(asked.identity, Action.MANAGE, name))


def _people(found: Project) -> object:
    now = resources.get().clock()
    roles = Role.objects.filter(project=found).select_related("user").order_by("user__username")
    offers = Invitation.objects.filter(project=found, state="open", expires_at__gt=now).select_related("user")
    return {
        "people": [{"user": row.user.username, "role": row.role} for row in roles],
        "invited": [
            {"user": row.user.username, "role": row.role, "expires": row.expires_at}
            for row in offers.order_by("user__username")
        ],
    }


def put_person(asked: Asked, name: str, user: str) -> object:
    """Invite a person, or change the role of one who has one; the same again changes nothing."""
    found = demand_known(asked.identity, Action.MANAGE, name)
    person, role, clock = people.find_user(user), ProjectRole(asked.text("role")), resources.get().clock
    offered = Invitation.objects.filter(project=found, user=person, state="open", expires_at__gt=clock())
    if Role.objects.filter(project=found, user=person).exists():
        collaborators.change_role(asked.identity, name, person, role, clock=clock)
    elif not offered.filter(role=role.value).exists():
        for stale in offered:
            collaborators.withdraw(asked.identity, name, stale.pk, clock=clock)
        collaborators.invite(asked.identity, name, person, role, clock=clock)
        facts = {"project": found.display_name, "role": role.value, "inviter": asked.identity}
        tell_invited(asked.request, person, facts)
    return _people(found)


def remove_person(asked: Asked, name: str, user: str) -> object:
    """Take a person's role away, or the invitation back."""
    found = demand_known(asked.identity, Action.MANAGE, name)
    person, clock = people.find_user(user), resources.get().clock
    offered = Invitation.objects.filter(project=found, user=person, state="open", expires_at__gt=clock()).first()
    if offered is not None:
        collaborators.withdraw(asked.identity, name, offered.pk, clock=clock)
    else:
        collaborators.remove(asked.identity, name, person, clock=clock)
    return _people(found)


_REASON = Field("reason", "Why, in one line.")
_STATUS = (
    Field("status", "What it is from now on.", required=True, choices=("active", "deprecated", "archived")),
    _REASON,
)
_ROLE = (Field("role", "What the person is to be.", required=True, choices=tuple(role.value for role in ProjectRole)),)
_PROMOTION = (
    Field("from", "The index that has the release.", required=True),
    Field("to", "The index that is to have it too.", required=True),
    _REASON,
)
_ONE = "projects/<str:name>"
_RELEASE = f"{_ONE}/releases/<str:version>"
_FILE = f"{_RELEASE}/files/<str:filename>"

OPERATIONS = (
    Operation("GET", "projects", Action.YANK, list_own, "The projects it has a part in.", OWN),
    Operation("GET", _ONE, Action.YANK, show, "A project and its releases.", PROJECT),
    Operation("DELETE", _ONE, Action.DELETE, delete_project, "Delete a project from every index.", CHANGED),
    Operation("PUT", f"{_ONE}/status", Action.STATUS, set_status, "Set the status of a project.", STATUS, _STATUS),
    Operation("GET", f"{_ONE}/people", Action.MANAGE, list_people, "Who has a role, who is invited.", PEOPLE),
    Operation(
        "PUT",
        f"{_ONE}/people/<str:user>",
        Action.MANAGE,
        put_person,
        "Invite a person by mail and page, or change the role they have.",
        PEOPLE,
        _ROLE,
    ),
    Operation(
        "DELETE",
        f"{_ONE}/people/<str:user>",
        Action.MANAGE,
        remove_person,
        "Take a person's role away, or the invitation back.",
        PEOPLE,
    ),
    Operation("GET", _RELEASE, Action.YANK, show_release, "The files of a release.", FILES),
    Operation("DELETE", _RELEASE, Action.DELETE, delete_release, "Delete a release from every index.", CHANGED),
    Operation("PUT", f"{_RELEASE}/yank", Action.YANK, yank, "Yank a release.", CHANGED, (_REASON,)),
    Operation("DELETE", f"{_RELEASE}/yank", Action.YANK, unyank, "Take the yank of a release back.", CHANGED),
    Operation(
        "POST",
        f"{_RELEASE}/promotions",
        Action.PROMOTE,
        promote,
        "Place a release in another index too.",
        PROMOTED,
        _PROMOTION,
    ),
    Operation("DELETE", _FILE, Action.DELETE, delete_release, "Delete a file from every index.", CHANGED),
    Operation("PUT", f"{_FILE}/yank", Action.YANK, yank, "Yank one file.", CHANGED, (_REASON,)),
    Operation("DELETE", f"{_FILE}/yank", Action.YANK, unyank, "Take the yank of one file back.", CHANGED),
)
