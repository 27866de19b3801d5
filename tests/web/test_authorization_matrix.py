# SPDX-License-Identifier: Apache-2.0
"""hostile-267, hostile-268: every route asked by every kind of person and token. A route without a row fails.

A row says who gets past the question whether they may: not what the page then answers. Whoever does not is sent to
sign in (302), asked for credentials (401), or refused (403); a thing one may not know of is 404.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import URLPattern
from tests.infra.accounts import Browser, make_user
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources
from tests.test_docs import spelled
from tests.web.test_routes import ROUTES

from packhouse.catalogue.models import User
from packhouse.domain.permissions import OrganizationRole, ProjectRole, ReadMode
from packhouse.services import (
    access,
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

pytestmark = pytest.mark.django_db

PEOPLE = ("nobody", "stranger", "member", "teammate", "maintainer", "owner", "manager", "founder", "keeper")
"""`teammate`, `manager` and `founder` by the organization that the project belongs to; `maintainer` and `owner` have a
role on it; `member` is in the organization without a team; `keeper` administers."""
TOKENS = ("read token", "upload token", "manage token", "organization's token")

EVERYBODY = frozenset(PEOPLE)
SIGNED_IN = EVERYBODY - {"nobody"}
WORKERS = frozenset({"teammate", "maintainer", "owner", "manager", "founder", "keeper"})
OWNERS = frozenset({"owner", "manager", "founder", "keeper"})
INSIDE = frozenset({"member", "teammate", "manager", "founder", "keeper"})
RUNNERS = frozenset({"manager", "founder", "keeper"})
RULERS = frozenset({"founder", "keeper"})
KEEPERS = frozenset({"keeper"})
NO_PERSON: frozenset[str] = frozenset()
"""A session is nobody there: a token is asked for."""
ROWS: dict[str, frozenset[str]] = {
    "/": EVERYBODY,
    "/.well-known/security.txt": EVERYBODY,
    "/@<moment>/<rest>": EVERYBODY,
    "/@<moment>/files/<sha256>/<filename>": EVERYBODY,
    "/@<moment>/pypi/<name>/<version>/json/": EVERYBODY,
    "/@<moment>/pypi/<name>/json/": EVERYBODY,
    "/@<moment>/simple": EVERYBODY,
    "/@<moment>/simple/": EVERYBODY,
    "/@<moment>/simple/<name>": EVERYBODY,
    "/@<moment>/simple/<name>/": EVERYBODY,
    "/RPC2": EVERYBODY,
    "/_/audience": EVERYBODY,
    "/_/github/disclose-token": EVERYBODY,
    "/_/image/<signature>/<address>": EVERYBODY,
    "/_/secrets/disclose-token": EVERYBODY,
    "/account/confirm/": EVERYBODY,
    "/account/emergency/<secret>/": EVERYBODY,
    "/account/inactive/": EVERYBODY,
    "/account/invitation/": EVERYBODY,
    "/account/invitation/<secret>/": EVERYBODY,
    "/account/login/": EVERYBODY,
    "/account/login/passkey/": EVERYBODY,
    "/account/login/second-factor/": EVERYBODY,
    "/account/logout/": EVERYBODY,
    "/account/reauthenticate/": SIGNED_IN,
    "/account/register/": EVERYBODY,
    "/account/reset/": EVERYBODY,
    "/account/reset/<uidb36>/<key>/": EVERYBODY,
    "/account/reset/done/": EVERYBODY,
    "/account/reset/sent/": EVERYBODY,
    "/account/sso/": EVERYBODY,
    "/account/sso/callback/": EVERYBODY,
    "/account/sso/out/": EVERYBODY,
    "/account/sso/register/": EVERYBODY,
    "/account/two-factor/": SIGNED_IN,
    "/account/two-factor/app/": SIGNED_IN,
    "/account/two-factor/app/remove/": SIGNED_IN,
    "/account/two-factor/codes/": SIGNED_IN,
    "/account/two-factor/codes/new/": SIGNED_IN,
    "/account/two-factor/confirm/": SIGNED_IN,
    "/account/two-factor/keys/": SIGNED_IN,
    "/account/two-factor/keys/<pk>/": SIGNED_IN,
    "/account/two-factor/keys/<pk>/remove/": SIGNED_IN,
    "/account/two-factor/keys/add/": SIGNED_IN,
    "/account/two-factor/keys/confirm/": SIGNED_IN,
    "/admin/": KEEPERS,
    "/admin/claim/": EVERYBODY,
    "/admin/claim/<secret>/": EVERYBODY,
    "/admin/flags/": KEEPERS,
    "/admin/groups/": KEEPERS,
    "/admin/guests/": KEEPERS,
    "/admin/index/<name>/": KEEPERS,
    "/admin/index/<name>/lock/": KEEPERS,
    "/admin/index/<name>/rollback/": KEEPERS,
    "/admin/index/<name>/snapshots/": KEEPERS,
    "/admin/indexes/": KEEPERS,
    "/admin/invitations/": KEEPERS,
    "/admin/journal/": KEEPERS,
    "/admin/organizations/": KEEPERS,
    "/admin/people/": KEEPERS,
    "/admin/person/<name>/": KEEPERS,
    "/admin/registration/": KEEPERS,
    "/admin/sandbox/": KEEPERS,
    "/admin/upstreams/": KEEPERS,
    "/files/<sha256>/<filename>": EVERYBODY,
    "/healthz": EVERYBODY,
    "/help/": EVERYBODY,
    "/help/upload-errors/": EVERYBODY,
    "/index/<index>": EVERYBODY,
    "/index/<index>/<rest>": EVERYBODY,
    "/index/<index>/@<moment>/<rest>": EVERYBODY,
    "/index/<index>/@<moment>/files/<sha256>/<filename>": EVERYBODY,
    "/index/<index>/@<moment>/pypi/<name>/<version>/json/": EVERYBODY,
    "/index/<index>/@<moment>/pypi/<name>/json/": EVERYBODY,
    "/index/<index>/@<moment>/simple": EVERYBODY,
    "/index/<index>/@<moment>/simple/": EVERYBODY,
    "/index/<index>/@<moment>/simple/<name>": EVERYBODY,
    "/index/<index>/@<moment>/simple/<name>/": EVERYBODY,
    "/index/<index>/files/<sha256>/<filename>": EVERYBODY,
    "/index/<index>/legacy/": NO_PERSON,
    "/index/<index>/packages/<python>/<letter>/<name>/<filename>": EVERYBODY,
    "/index/<index>/pypi/": EVERYBODY,
    "/index/<index>/pypi/<name>/<version>/json/": EVERYBODY,
    "/index/<index>/pypi/<name>/json/": EVERYBODY,
    "/index/<index>/rss/packages.xml": EVERYBODY,
    "/index/<index>/rss/project/<name>/releases.xml": EVERYBODY,
    "/index/<index>/rss/updates.xml": EVERYBODY,
    "/index/<index>/simple": EVERYBODY,
    "/index/<index>/simple/": EVERYBODY,
    "/index/<index>/simple/<name>": EVERYBODY,
    "/index/<index>/simple/<name>/": EVERYBODY,
    "/index/<index>/simple/<rest>": EVERYBODY,
    "/legacy/": NO_PERSON,
    "/manage/account/": SIGNED_IN,
    "/manage/account/email/": SIGNED_IN,
    "/manage/account/password/": SIGNED_IN,
    "/manage/account/password/set/": SIGNED_IN,
    "/manage/account/sessions/": SIGNED_IN,
    "/manage/account/sso/": SIGNED_IN,
    "/manage/account/token/": SIGNED_IN,
    "/manage/account/token/<token_id>/delete/": SIGNED_IN,
    "/manage/account/token/<token_id>/rotate/": SIGNED_IN,
    "/manage/account/token/delete/": SIGNED_IN,
    "/manage/account/token/tokens.<form>": SIGNED_IN,
    "/manage/organization/<name>/": INSIDE,
    "/manage/organization/<name>/delete/": RULERS,
    "/manage/organization/<name>/people/": INSIDE,
    "/manage/organization/<name>/team/<team>/": INSIDE,
    "/manage/organization/<name>/teams/": INSIDE,
    "/manage/organization/<name>/tokens/": RUNNERS,
    "/manage/organizations/": SIGNED_IN,
    "/manage/project/<name>/": WORKERS,
    "/manage/project/<name>/collaborators/": WORKERS,
    "/manage/project/<name>/delete/": OWNERS,
    "/manage/project/<name>/release/<version>/": WORKERS,
    "/manage/project/<name>/release/<version>/delete/": OWNERS,
    "/manage/project/<name>/release/<version>/file/<filename>/delete/": OWNERS,
    "/manage/project/<name>/transfer/": OWNERS,
    "/manage/projects/": SIGNED_IN,
    "/manage/projects/projects.<form>": SIGNED_IN,
    "/metrics": EVERYBODY,
    "/org/<name>/": EVERYBODY,
    "/packages/<python>/<letter>/<name>/<filename>": EVERYBODY,
    "/project/<name>/": EVERYBODY,
    "/project/<name>/<version>/": EVERYBODY,
    "/project/<name>/<version>/files.<form>": EVERYBODY,
    "/project/<name>/explain/": EVERYBODY,
    "/project/<name>/releases.<form>": EVERYBODY,
    "/pypi/": EVERYBODY,
    "/pypi/<name>/": EVERYBODY,
    "/pypi/<name>/<version>/": EVERYBODY,
    "/pypi/<name>/<version>/json/": EVERYBODY,
    "/pypi/<name>/json/": EVERYBODY,
    "/readyz": EVERYBODY,
    "/robots.txt": EVERYBODY,
    "/rss/packages.xml": EVERYBODY,
    "/rss/project/<name>/releases.xml": EVERYBODY,
    "/rss/updates.xml": EVERYBODY,
    "/search/": EVERYBODY,
    "/simple": EVERYBODY,
    "/simple/": EVERYBODY,
    "/simple/<name>": EVERYBODY,
    "/simple/<name>/": EVERYBODY,
    "/simple/<rest>": EVERYBODY,
    "/static/<digest>/<name>": EVERYBODY,
    "/stats/": EVERYBODY,
    "/user/<name>/": EVERYBODY,
}
"""Who is let in, by the address as it is declared."""


def address_of(route: URLPattern) -> str:
    return "/" + spelled(str(route.pattern))


VALUES = {
    "index": "main", "name": "tapes", "version": "1.0", "filename": "tapes-1.0-py3-none-any.whl", "form": "csv",
    "token_id": "1", "pk": "1", "team": "core", "sha256": "0" * 64, "moment": "serial-1", "rest": "x", "digest": "x",
    "python": "source", "letter": "t", "secret": "x", "uidb36": "x", "key": "x", "signature": "x", "address": "x",
}  # fmt: skip


def example(address: str) -> str:
    """An address in which everything that varies is something."""
    values = VALUES | ({"name": "Acme"} if "/organization/" in address or address.startswith("/org/") else {})
    if address.startswith("/admin/"):
        values = values | {"name": "main" if "/index/" in address else "stranger"}
    for key, value in values.items():
        address = address.replace(f"<{key}>", value)
    return address


@cache
def addresses() -> tuple[str, ...]:
    """Those of people, installers and publishers; the management API has a matrix of its own beside this one."""
    return tuple(sorted({address for route in ROUTES if not (address := address_of(route)).startswith("/api/")}))


def test_every_route_has_a_row() -> None:
    assert sorted(ROWS) == list(addresses())


def test_every_example_is_an_address() -> None:
    assert [one for one in addresses() if "<" in example(one)] == []


def tell(reply: Any) -> bool:
    """Whether somebody was let in."""
    if reply.status_code in {301, 302}:
        return not reply["Location"].startswith("/account/login/?next=")
    return reply.status_code not in {401, 403}


def client() -> Client:
    """A browser behind an edge, which reads the rest of a body that we don't take."""
    return Client(headers={"accept": "text/html"}, **{"packhouse.lingers": "1"})  # type: ignore[arg-type]


class World:
    """A project of an organization, with everybody who is something to it; each has a browser of their own."""

    def __init__(self) -> None:
        from packhouse.web.resources import hold

        self.clock = TickingClock()
        resources = make_resources(self.clock)
        hold(resources)
        indexes.ensure_main()
        people = {name: make_user(name) for name in PEOPLE[1:-1]} | {"keeper": make_user("keeper", admin=True)}
        organizations.create_organization(COMMAND, "Acme", people["founder"], clock=self.clock)
        for name, role in (("manager", "manager"), ("member", "member"), ("teammate", "member")):
            members.set_member(COMMAND, "Acme", people[name], OrganizationRole(role), clock=self.clock)
        _, secret = tokens.create_token(COMMAND, people["owner"], "begin", clock=self.clock)
        Press(resources, access.authenticate(f"Bearer {secret}", self.clock())).wheel("tapes", "1.0")
        invitation = collaborators.invite(
            COMMAND, "tapes", people["maintainer"], ProjectRole.MAINTAINER, clock=self.clock
        )
        maintainer = access.identity_of_user(people["maintainer"])
        collaborators.answer(maintainer, invitation.pk, accept=True, clock=self.clock)
        transfers.offer(COMMAND, "tapes", organizations.find_organization("Acme"), clock=self.clock)
        teams.create_team(COMMAND, "Acme", "core", clock=self.clock)
        teams.set_team_member(COMMAND, "Acme", "core", people["teammate"], inside=True, clock=self.clock)
        teams.set_team_role(COMMAND, "Acme", "core", "tapes", ProjectRole.MAINTAINER, clock=self.clock)
        self.people = people
        self.browsers = {"nobody": client()}
        for name, person in people.items():
            self.browsers[name] = client()
            self.browsers[name].force_login(User.objects.get(pk=person.pk), "packhouse.site.accounts.Backend")

    def tokens(self) -> Iterator[tuple[str, str]]:
        """A token of each kind; those of a person are the owner's."""
        owner = self.people["owner"]
        for name in TOKENS[:-1]:
            yield name, tokens.create_token(COMMAND, owner, name, [name.split()[0]], clock=self.clock)[1]
        yield TOKENS[-1], organization_tokens.create(COMMAND, "Acme", "ci", ["upload", "read"], clock=self.clock)[1]


@pytest.fixture
def world(db: None) -> World:
    from tests.infra.accounts import forget_limits

    forget_limits()
    return World()


def test_who_is_let_in(world: World) -> None:
    """Each address is asked by each person; only a GET, or where there is none a POST of nothing."""
    wrong = []
    for address in addresses():
        for name in PEOPLE:
            reply = world.browsers[name].get(example(address))
            if reply.status_code == 405:
                reply = world.browsers[name].post(example(address))
            inside = tell(reply) and not (reply.status_code == 404 and name not in ROWS[address])
            if inside != (name in ROWS[address]):
                wrong.append((address, name, reply.status_code))
    assert not wrong, "\n".join(map(str, wrong))


CHANGING = [one for one in ROWS if one.startswith(("/manage/", "/admin/")) and "claim" not in one]


def test_a_form_is_judged_as_its_page_is(world: World) -> None:
    """What a person may not see they may not send either: nothing is written for them."""
    before = newest()
    for address in CHANGING:
        for name in sorted(EVERYBODY - ROWS[address]):
            reply = world.browsers[name].post(example(address), {"action": "delete", "name": "tapes", "reason": "x"})
            assert reply.status_code in {302, 403, 404, 405}, (address, name, reply.status_code)
    assert newest() == before


def newest() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM catalogue_counter WHERE name = 'serial'")
        return int(cursor.fetchone()[0])


def test_no_token_opens_a_page_of_people(world: World) -> None:
    anonymous = client()
    for name, secret in world.tokens():
        for address in CHANGING:
            reply = anonymous.get(example(address), headers={"authorization": f"Bearer {secret}"})
            sent_off = reply.status_code == 302 and reply["Location"].startswith("/account/login/?next=")
            assert sent_off or reply.status_code == 405, (address, name)


def test_who_uploads(world: World) -> None:
    """415: let in, and the body is no form. A session alone is nobody."""
    made = dict(world.tokens())
    expected = [(None, 401), *zip(TOKENS, (403, 415, 403, 415), strict=True)]
    for token, status in expected:
        headers = {} if token is None else {"authorization": f"Bearer {made[token]}"}
        for path in ("/legacy/", "/legacy", "/index/main/legacy/"):
            reply = world.browsers["founder"].post(path, b"x", "text/plain", headers=headers)
            assert reply.status_code == status, (token, path)


READ = [one for one in ROWS if ROWS[one] == EVERYBODY and one.startswith("/index/<index>/") and "legacy" not in one]


def test_who_reads_a_closed_index(world: World) -> None:
    """AU1, AU2 for every address below a closed index: 401 without credentials, 403 with those of a stranger."""
    indexes.create_index(COMMAND, "vault", ReadMode.CLOSED, clock=world.clock)
    indexes.grant_read(COMMAND, "vault", world.people["owner"], clock=world.clock)
    indexes.grant_read(COMMAND, "vault", organizations.find_organization("Acme"), clock=world.clock)
    _, strange = tokens.create_token(COMMAND, world.people["stranger"], "x", ["read"], clock=world.clock)
    kinds = dict(world.tokens())
    for address in READ:
        path = example(address.replace("<index>", "vault"))
        assert (ask(path), ask(path, strange)) == (401, 403), address
        let_in = {name: ask(path, secret) not in {401, 403} for name, secret in kinds.items()}
        assert let_in == dict(zip(TOKENS, (True, False, False, True), strict=True)), address


def ask(path: str, secret: str | None = None) -> int:
    """The status a program gets, by GET, or by POST where that alone is taken."""
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    reply = Client().get(path, headers=headers)
    return (Client().post(path, b"", "text/xml", headers=headers) if reply.status_code == 405 else reply).status_code


def test_the_browser_of_a_person_signs_in(world: World) -> None:
    """The browsers of this file are those of people who really sign in."""
    person = Browser()
    person.sign_in("stranger")
    assert (
        person.get("/manage/projects/").status_code == world.browsers["stranger"].get("/manage/projects/").status_code
    )
