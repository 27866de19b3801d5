# SPDX-License-Identifier: Apache-2.0
"""hostile-267, hostile-268 for the management API: every operation asked with every kind of token.

Each operation has a row that says which tokens it lets in; one without a row fails. What is done is undone again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import transaction
from django.test import Client
from tests.web.test_authorization_matrix import World
from tests.web.test_authorization_matrix import client as behind_an_edge

from packhouse.catalogue.models import Token, User
from packhouse.domain.permissions import Action, ReadMode
from packhouse.services import (
    collaborators,
    indexes,
    members,
    organization_tokens,
    organizations,
    teams,
    tokens,
    transfers,
)
from packhouse.services.journal import COMMAND
from packhouse.web.api.urls import OPERATIONS, PREFIX

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None) -> World:
    from tests.infra.accounts import forget_limits

    forget_limits()
    made = World()
    indexes.create_index(COMMAND, "shelf", clock=made.clock)
    return made


@dataclass(frozen=True)
class Kind:
    """A token: whose, for what, and what happened to it since."""

    whose: str
    scopes: str
    projects: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    fate: str = ""


KINDS = {
    "owner, read": Kind("owner", "read"),
    "owner, upload": Kind("owner", "upload"),
    "owner, stage": Kind("owner", "stage read"),
    "owner, yank": Kind("owner", "yank"),
    "owner, manage": Kind("owner", "manage"),
    "owner, everything": Kind("owner", "upload read yank manage"),
    "owner, everything for this project": Kind("owner", "upload read yank manage", ("tapes",)),
    "owner, everything for another project": Kind("owner", "upload read yank manage", ("reels",)),
    "owner, everything in the indexes used": Kind("owner", "upload read yank manage", (), ("main", "shelf")),
    "owner, everything in another index": Kind("owner", "upload read yank manage", (), ("shelf",)),
    "maintainer, everything": Kind("maintainer", "upload read yank manage"),
    "teammate, everything": Kind("teammate", "upload read yank manage"),
    "member, everything": Kind("member", "upload read yank manage"),
    "manager, everything": Kind("manager", "upload read yank manage"),
    "founder, everything": Kind("founder", "upload read yank manage"),
    "founder, everything of Acme": Kind("founder", "upload read yank manage", ("@Acme",)),
    "stranger, everything": Kind("stranger", "upload read yank manage"),
    "keeper, everything": Kind("keeper", "upload read yank manage"),
    "keeper, everything for this project": Kind("keeper", "upload read yank manage", ("tapes",)),
    "keeper, upload": Kind("keeper", "upload read"),
    "Acme, upload": Kind("Acme", "upload read"),
    "Acme, yank": Kind("Acme", "yank"),
    "Acme, everything": Kind("Acme", "upload read yank manage"),
    "owner, expired": Kind("owner", "upload read yank manage", fate="expired"),
    "owner, deleted": Kind("owner", "upload read yank manage", fate="deleted"),
    "owner, rotated": Kind("owner", "upload read yank manage", fate="rotated"),
    "owner, elsewhere": Kind("owner", "upload read yank manage", fate="elsewhere"),
    "frozen, everything": Kind("frozen", "upload read yank manage", fate="frozen"),
    "guest whose time is over": Kind("guest", "upload read yank manage", fate="ended"),
}
OWNING = frozenset(
    {
        *("owner, manage", "owner, everything", "owner, everything for this project"),
        *("owner, everything in the indexes used", "manager, everything", "founder, everything"),
        *("founder, everything of Acme", "keeper, everything", "keeper, everything for this project"),
        "Acme, everything",
    }
)
"""Those of owners, by whatever way, that may manage this project in every index it stands in."""
WORKING = OWNING | {"owner, yank", "Acme, yank", "maintainer, everything", "teammate, everything"}
PROMOTING = OWNING - {"owner, manage"} | {"owner, everything in another index"}
"""`manage` alone uploads nothing, and promotion puts files into an index, which may be all the token is for."""
KEEPING = frozenset({"keeper, everything"})
LIVING = frozenset(name for name, kind in KINDS.items() if not kind.fate)
MANAGING = frozenset(name for name in LIVING if "manage" in KINDS[name].scopes)
ROWS: dict[str, frozenset[str]] = {
    "GET openapi.json": frozenset(KINDS),
    "GET token": LIVING,
    "DELETE token": LIVING,
    "GET tokens": MANAGING,
    "POST tokens": MANAGING,
    "DELETE tokens/<token>": MANAGING,
    "POST tokens/<token>/rotation": MANAGING,
    "GET projects": MANAGING | {"owner, yank", "Acme, yank"},
    "GET projects/<name>": WORKING,
    "DELETE projects/<name>": OWNING,
    "PUT projects/<name>/status": OWNING,
    "GET projects/<name>/people": OWNING,
    "PUT projects/<name>/people/<user>": OWNING,
    "DELETE projects/<name>/people/<user>": OWNING,
    "GET projects/<name>/releases/<version>": WORKING,
    "DELETE projects/<name>/releases/<version>": OWNING,
    "PUT projects/<name>/releases/<version>/yank": WORKING,
    "DELETE projects/<name>/releases/<version>/yank": WORKING,
    "POST projects/<name>/releases/<version>/promotions": PROMOTING,
    "DELETE projects/<name>/releases/<version>/files/<filename>": OWNING,
    "PUT projects/<name>/releases/<version>/files/<filename>/yank": WORKING,
    "DELETE projects/<name>/releases/<version>/files/<filename>/yank": WORKING,
    "GET indexes/<index>/explain/<name>": frozenset(KINDS),
    "GET indexes/<index>/snapshots": KEEPING,
    "PUT indexes/<index>/snapshots/<snapshot>": KEEPING,
}
VALUES = {
    "name": "tapes", "version": "1.0", "filename": "tapes-1.0-py3-none-any.whl", "user": "maintainer", "index": "main",
    "snapshot": "spring", "token": "1",
}  # fmt: skip
BODIES: dict[str, dict[str, Any]] = {
    "POST tokens": {"name": "made by another", "scopes": ["manage"]},
    "PUT projects/<name>/status": {"status": "archived"},
    "PUT projects/<name>/people/<user>": {"role": "maintainer"},
    "POST projects/<name>/releases/<version>/promotions": {"from": "main", "to": "shelf"},
}
"""What has to be sent; elsewhere nothing."""


def spelled(path: str) -> str:
    return path.replace("<str:", "<").replace("<int:", "<")


def rows() -> list[str]:
    return [f"{one.method} {spelled(one.path)}" for one in OPERATIONS]


def test_every_operation_has_a_row() -> None:
    assert sorted(ROWS) == sorted(rows())


def test_every_operation_declares_an_action_that_a_token_may_have() -> None:
    from packhouse.domain.permissions import TOKEN_ACTIONS

    possible = {Action.ANYONE, Action.ITSELF}.union(*TOKEN_ACTIONS.values())
    assert [one.path for one in OPERATIONS if one.action not in possible] == []


class Keyring:
    """A token of each kind."""

    def __init__(self, world: World) -> None:
        self.world = world
        for name in ("frozen", "guest"):
            from tests.infra.accounts import make_user

            world.people[name] = make_user(name)
        self.secrets = {name: self._made(name, kind) for name, kind in KINDS.items()}
        User.objects.filter(username="frozen").update(is_active=False)
        User.objects.filter(username="guest").update(guest_until=world.clock() - timedelta(days=1))
        world.clock.move(days=2)  # past the journal's time, which never goes back

    def _made(self, name: str, kind: Kind) -> str:
        clock = self.world.clock
        if kind.whose == "Acme":
            return organization_tokens.create(COMMAND, "Acme", name, kind.scopes.split(), clock=clock)[1]
        networks = ["192.0.2.0/24"] if kind.fate == "elsewhere" else []
        row, secret = tokens.create_token(
            COMMAND, self.world.people[kind.whose], name, kind.scopes.split(), kind.indexes, kind.projects,
            networks=networks, clock=clock,
        )  # fmt: skip
        if kind.fate == "expired":
            Token.objects.filter(pk=row.pk).update(expires_at=clock() - timedelta(days=1))
        elif kind.fate == "deleted":
            tokens.delete_token(COMMAND, row, clock=clock)
        elif kind.fate == "rotated":
            tokens.rotate_token(COMMAND, row, timedelta(), clock=clock)
        return secret


def ask(row: str, secret: str | None, values: dict[str, str] | None = None, client: Client | None = None) -> Any:
    """The reply to an operation; whatever it did is undone."""
    method, _, path = row.partition(" ")
    for key, value in (VALUES | (values or {})).items():
        path = path.replace(f"<{key}>", value)
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    body = BODIES.get(row)
    with transaction.atomic():
        reply = (client or Client()).generic(
            method, f"/{PREFIX}{path}", b"" if body is None else orjson.dumps(body),
            "application/json", headers=headers,
        )  # fmt: skip
        transaction.set_rollback(True)
    return reply


def test_who_is_let_in(world: World) -> None:
    """Each operation by each token: 200, or the refusal that the token deserves."""
    wrong = []
    for name, secret in Keyring(world).secrets.items():
        number = Token.objects.get(name=name).pk
        for row, let_in in ROWS.items():
            reply = ask(row, secret, {"token": str(number)})
            expected = 200 if name in let_in else refusal_of(KINDS[name])
            if reply.status_code != expected:
                wrong.append((row, name, reply.status_code, expected, reply.content[:200]))
    assert not wrong, "\n".join(map(str, wrong))


def refusal_of(kind: Kind) -> int:
    return 401 if kind.fate and kind.fate != "elsewhere" else 403


UPLOADING = frozenset(name for name in LIVING if "upload" in KINDS[name].scopes)
UPLOADS: dict[str, frozenset[str]] = {
    "main": UPLOADING - {"owner, everything in another index"},
    "shelf": UPLOADING,
    "trial": UPLOADING - {"owner, everything in another index", "owner, everything in the indexes used"}
    | {"owner, stage"},
}
"""Who gets as far as the body of an upload to which index; `trial` is marked as staging."""


def test_who_uploads(world: World) -> None:
    """415: let in, and the body is no form; projects are judged by what is in it."""
    indexes.create_index(COMMAND, "trial", clock=world.clock)
    indexes.set_rule(COMMAND, "trial", "staging", True, clock=world.clock)
    wrong = []
    for name, secret in Keyring(world).secrets.items():
        for index, let_in in UPLOADS.items():
            headers = {"authorization": f"Bearer {secret}"}
            reply = behind_an_edge().post(f"/index/{index}/legacy/", b"x", "text/plain", headers=headers)
            expected = 415 if name in let_in else refusal_of(KINDS[name])
            if reply.status_code != expected:
                wrong.append((index, name, reply.status_code, expected))
    assert not wrong, "\n".join(map(str, wrong))


READERS = frozenset(
    {
        *("owner, read", "owner, stage", "owner, everything", "owner, everything for this project"),
        *("owner, everything for another project", "teammate, everything", "member, everything", "manager, everything"),
        *("founder, everything", "founder, everything of Acme", "keeper, everything", "keeper, upload"),
        *("keeper, everything for this project", "Acme, upload", "Acme, everything"),
    }
)
"""Those that read, of the owner, of Acme and its people, and of who administers; not those for other indexes."""
READ_PATHS = ("simple/", "simple/tapes/", "pypi/tapes/json", "files/" + "0" * 64 + "/x.whl", "rss/updates.xml", "x")


def test_who_reads_a_closed_index(world: World) -> None:
    """AU1 to AU3, AU6: on every path alike, whether there is anything or not."""
    indexes.create_index(COMMAND, "vault", ReadMode.CLOSED, clock=world.clock)
    indexes.grant_read(COMMAND, "vault", world.people["owner"], clock=world.clock)
    indexes.grant_read(COMMAND, "vault", organizations.find_organization("Acme"), clock=world.clock)
    wrong = []
    for name, secret in Keyring(world).secrets.items():
        for path in READ_PATHS:
            reply = Client().get(f"/index/vault/{path}", headers={"authorization": f"Bearer {secret}"})
            expected = {200, 404} if name in READERS else {refusal_of(KINDS[name])}
            if reply.status_code not in expected:
                wrong.append((path, name, reply.status_code, expected))
    assert not wrong, "\n".join(map(str, wrong))


OWN = {
    "owner, everything": {"tapes": "owner"},
    "owner, everything for another project": {},
    "maintainer, everything": {"tapes": "maintainer"},
    "teammate, everything": {"tapes": "maintainer"},
    "member, everything": {},
    "manager, everything": {"tapes": "owner"},
    "founder, everything of Acme": {"tapes": "owner"},
    "stranger, everything": {},
    "keeper, everything": {},
    "Acme, everything": {"tapes": "owner"},
}


def test_whose_projects_are_listed(world: World) -> None:
    """By whatever way somebody has a part in them; an administrator has none by that."""
    secrets = Keyring(world).secrets
    for name, expected in OWN.items():
        rows = ask("GET projects", secrets[name]).json()["projects"]
        assert {row["normalized_name"]: row["role"] for row in rows} == expected, name


def test_hostile_182_a_role_that_ends_is_felt_at_once(world: World) -> None:
    """Owner removed from a project, member removed from an organization, project given away: the very next request."""
    secrets = Keyring(world).secrets
    row, clock = "PUT projects/<name>/status", world.clock
    assert [ask(row, secrets[name]).status_code for name in ("manager, everything", "Acme, everything")] == [200, 200]
    members.remove_member(COMMAND, "Acme", world.people["manager"], clock=clock)
    assert ask(row, secrets["manager, everything"]).status_code == 403
    yank = "PUT projects/<name>/releases/<version>/yank"
    assert [ask(yank, secrets[f"{one}, everything"]).status_code for one in ("maintainer", "teammate")] == [200, 200]
    collaborators.remove(COMMAND, "tapes", world.people["maintainer"], clock=clock)
    teams.set_team_member(COMMAND, "Acme", "core", world.people["teammate"], inside=False, clock=clock)
    assert [ask(yank, secrets[f"{one}, everything"]).status_code for one in ("maintainer", "teammate")] == [403, 403]
    transfers.offer(COMMAND, "tapes", world.people["stranger"], clock=clock)
    assert ask(row, secrets["stranger, everything"]).status_code == 200
    for name in ("Acme, everything", "founder, everything"):
        assert ask(row, secrets[name]).status_code == 403, name


CLOSED_ROWS = sorted(row for row in ROWS if row != "GET openapi.json" and ROWS[row] != frozenset(KINDS))


def test_nobody_is_let_in_without_a_token_or_by_a_session(world: World) -> None:
    """A session is nothing here, so no other site can use one: 401 with a challenge either way."""
    for row in CLOSED_ROWS:
        for client in (Client(), world.browsers["keeper"], world.browsers["founder"]):
            reply = ask(row, None, client=client)
            assert (reply.status_code, "WWW-Authenticate" in reply.headers) == (401, True), row


def test_what_one_may_not_know_of_is_not_there(world: World) -> None:
    """AU2: of a project that stands in a closed index alone, whoever may not read that is told what is told of none."""
    from tests.infra.publishing import Press

    from packhouse.services import access

    indexes.create_index(COMMAND, "vault", ReadMode.CLOSED, clock=world.clock)
    indexes.grant_read(COMMAND, "vault", world.people["owner"], clock=world.clock)
    indexes.grant_read(COMMAND, "vault", world.people["maintainer"], clock=world.clock)
    _, secret = tokens.create_token(COMMAND, world.people["owner"], "vault", clock=world.clock)
    identity = access.authenticate(f"Bearer {secret}", world.clock())
    Press(world_resources(), identity, "vault").wheel("secrets", "1.0")
    scopes = ["upload", "read", "yank", "manage"]
    of = {
        name: tokens.create_token(COMMAND, world.people[name], "t", scopes, clock=world.clock)[1]
        for name in ("owner", "maintainer", "stranger", "keeper")
    }
    values = {"name": "secrets", "filename": "secrets-1.0-py3-none-any.whl"}
    for row in CLOSED_ROWS:
        if "<name>" not in row:
            continue
        hidden, unknown = ask(row, of["stranger"], values), ask(row, of["stranger"], {"name": "nothing"})
        assert hidden.status_code == unknown.status_code == 404, row
        assert hidden.json()["code"] == unknown.json()["code"] == "project-unknown", row
        assert hidden.content.replace(b"secrets", b"nothing") == unknown.content, row
        assert ask(row, of["maintainer"], values).status_code == 403, row  # a reader, without a role in it
    assert ask("GET projects/<name>", of["owner"], values).status_code == 200
    assert ask("GET projects/<name>", of["keeper"], values).status_code == 200
    row = "GET indexes/<index>/explain/<name>"
    replies = [ask(row, who, values | {"index": "vault"}).status_code for who in (None, of["stranger"], of["owner"])]
    assert replies == [401, 403, 200]


def world_resources() -> Any:
    from packhouse.web import resources

    return resources.get()
