# SPDX-License-Identifier: Apache-2.0
"""One verdict everywhere: whatever address can name a release or a file is asked for one that a rule hides.

The table has a row for each route that readers may ask. A new route without one fails, and so does a row that names
nothing as long as no rule hides it: it would show nothing.
"""

from __future__ import annotations

import secrets
import xmlrpc.client
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources
from tests.web.test_routes import ROUTES

from packhouse.catalogue.models import File, JournalEntry
from packhouse.domain.malware import Entry
from packhouse.domain.permissions import Action
from packhouse.services.resources import Resources

PREFIX = r"^index/(?P<index>[a-z0-9][a-z0-9-]*)/"
HIDDEN = ("77.3", "88.4", "a-sentence-nobody-reads")
"""The versions that are hidden, and what the summary of one says."""
GHOST = "ghost"
"""The project of which everything is hidden."""


JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Row:
    """What to ask of a route. `asked`: the address itself names what is hidden, and must be refused.

    `known`: the answer may say that there is a project of this name, as the pages of installers do (no file in it).
    `calls` are those of XML-RPC.
    """

    path: str
    asked: bool = False
    known: bool = False
    accept: str = "text/html"
    calls: tuple[tuple[str, Any], ...] = ()


CALLS: dict[str, tuple[Any, ...]] = {
    "changelog_since_serial": (0,),
    "user_packages": ("alice",),
    "browse": (["Topic :: Utilities"],),
}
"""Calls that can name a release, a file or, in a list, a project."""
SILENT_CALLS = {
    "changelog_last_serial": "a number",
    "list_packages_with_serial": "the root list, which names projects whatever is served of them",
    "package_roles": "people of a project that was named",
}
READS: dict[str, list[Row]] = {
    r"(?:simple|legacy/\+simple)/(?P<name>[^/]+)/$": [
        Row("simple/foo/", known=True),
        Row("simple/ghost/", known=True, accept=JSON),
        Row("legacy/+simple/foo/", accept=JSON),
    ],
    r"(?:legacy/)?(?:files|packages)/(?P<sha256>[0-9a-f]{64})/(?P<filename>[^/]+)$": [
        Row("files/{sha256}/{filename}", asked=True),
        Row("packages/{sha256}/{filename}", asked=True),
        Row("files/{sha256}/{filename}.metadata", asked=True),
    ],
    r"packages/(?P<python>[^/]+)/(?P<letter>[^/])/(?P<name>[^/]+)/(?P<filename>[^/]+)$": [
        Row("packages/py3/f/foo/{filename}", asked=True)
    ],
    r"pypi/(?P<name>[^/]+)/json/?$": [Row("pypi/foo/json"), Row("pypi/ghost/json")],
    r"pypi/(?P<name>[^/]+)/(?P<version>[^/]+)/json/?$": [Row("pypi/foo/77.3/json", asked=True)],
    r"rss/updates.xml$": [Row("rss/updates.xml")],
    r"rss/packages.xml$": [Row("rss/packages.xml")],
    r"rss/project/(?P<name>[^/]+)/releases.xml$": [Row("rss/project/foo/releases.xml")],
}
"""The routes that every index has."""
PAST = {
    r"simple/(?P<name>[^/]+)/$": [Row("simple/foo/", known=True), Row("simple/ghost/", known=True, accept=JSON)],
    r"(?:files|packages)/(?P<sha256>[0-9a-f]{64})/(?P<filename>[^/]+)$": [Row("files/{sha256}/{filename}", asked=True)],
    r"pypi/(?P<name>[^/]+)/json/?$": [Row("pypi/foo/json"), Row("pypi/ghost/json")],
    r"pypi/(?P<name>[^/]+)/(?P<version>[^/]+)/json/?$": [Row("pypi/foo/77.3/json", asked=True)],
}
"""The routes that every past state has."""


def _calling(path: str) -> list[Row]:
    """A row for each call; the changelog is the journal, and tells of projects as the root list does."""
    return [Row(path, known=name == "changelog_since_serial", calls=((name, given),)) for name, given in CALLS.items()]


PAGES = {
    "": [Row("")],
    "search/": [Row("search/"), Row("search/?q=foo"), Row("search/?q=ghost"), Row("search/?q=ghosd")],
    "stats/": [Row("stats/")],
    "project/<str:name>/": [Row("project/foo/")],
    "project/<str:name>/<str:version>/": [Row("project/foo/77.3/", asked=True)],
    "project/<str:name>/releases.<str:form>": [Row("project/foo/releases.csv"), Row("project/foo/releases.json")],
    "project/<str:name>/<str:version>/files.<str:form>": [Row("project/foo/77.3/files.json", asked=True)],
    "user/<str:name>/": [Row("user/alice/")],
    "org/<str:name>/": [Row("org/acme/")],
    "^RPC2$": _calling("RPC2"),
    "^pypi/?$": _calling("pypi"),
    rf"{PREFIX}(?:pypi/?|RPC2)$": _calling("index/top/pypi"),
}
SILENT = {
    r"simple$": "a redirect",
    r"(?:simple|legacy/\+simple)/$": "the root list names projects, whatever is served of them",
    r"(?:simple|legacy/\+simple)/(?P<name>[^/]+)$": "a redirect",
    r"simple/$": "the root list",
    r"simple/(?P<name>[^/]+)$": "a redirect",
    r"simple/(?P<rest>.*)$": "404",
    r"(?P<rest>.*)$": "404",
    "help/": "says how to",
    "project/<str:name>/explain/": "says of each hidden file why it is hidden",
    "api/v1/indexes/<str:index>/explain/<str:name>": "says the same",
    rf"{PREFIX.removesuffix('/')}$": "404",
    r"^(?:pypi|p)/(?P<name>[^/]+)/$": "a redirect to what was named",
    r"^(?:pypi|p)/(?P<name>[^/]+)/(?P<version>[^/]+)/$": "a redirect to what was named",
    "_/audience": "who reads, not what",
}
"""Routes that name no release and no file, and why."""


def rows() -> dict[str, list[Row]]:
    """The rows of each route, by its pattern, with whole addresses."""
    found = dict(PAGES)
    for start, path in (("^", ""), (PREFIX, "index/top/")):
        for tail, asked in READS.items():
            found[start + tail] = [_below(path, row) for row in asked]
        for tail, asked in PAST.items():
            found[f"{start}@(?P<moment>[^/]+)/{tail}"] = [_below(f"{path}@{{moment}}/", row) for row in asked]
    return found


def _below(path: str, row: Row) -> Row:
    return Row(path + row.path, row.asked, row.known, row.accept, row.calls)


ROWS = rows()
READABLE = sorted({str(route.pattern) for route in ROUTES if getattr(route.callback, "action", None) is Action.READ})


@pytest.mark.parametrize("pattern", READABLE)
def test_every_route_that_can_name_a_release_has_a_row(pattern: str) -> None:
    tails = {pattern, pattern.removeprefix("^"), pattern.removeprefix(PREFIX)}
    tails |= {tail.removeprefix("^").removeprefix("@(?P<moment>[^/]+)/") for tail in set(tails)}
    assert pattern in ROWS or tails & SILENT.keys(), "add a row for this route, or say why it names no release"


def test_every_call_that_can_name_a_release_has_a_row() -> None:
    from packhouse.web.xmlrpc import METHODS

    assert CALLS.keys() | SILENT_CALLS.keys() == METHODS.keys()
    assert ROWS.keys() <= set(READABLE)


@pytest.fixture
def house(db: None) -> Resources:
    """A server with `main`, and an index `top` made of it."""
    from packhouse.services.indexes import LayerSpec, create_index, ensure_main
    from packhouse.services.journal import COMMAND
    from packhouse.web.resources import hold

    made = make_resources(TickingClock())
    ensure_main(made.clock)
    create_index(COMMAND, "top", layers=[LayerSpec("index", "main")], clock=made.clock)
    hold(made)
    return made


@pytest.fixture
def moment(house: Resources) -> dict[str, str]:
    """What was published, installed and searched: words of addresses that name it. `moment` is a past state of it."""
    from tests.infra.accounts import make_user

    from packhouse.catalogue.models import User
    from packhouse.services import access, downloads, organizations, search, tokens, transfers
    from packhouse.services.journal import COMMAND
    from packhouse.storage.tally import Key

    _, secret = tokens.create_token(COMMAND, make_user(), f"press {secrets.token_hex(4)}", clock=house.clock)
    press = Press(house, access.authenticate(f"Bearer {secret}", house.clock()))
    told = {"Summary": HIDDEN[2], "Classifier": "Topic :: Utilities"}
    press.wheel("foo", "1.0", Classifier="Topic :: Utilities")
    press.wheel("foo", "77.3", **told)
    press.wheel("ghost", "88.4", **told)
    press.wheel("ghost-of-acme", "88.4", **told)
    alice = User.objects.get()
    acme = organizations.create_organization(access.identity_of_user(alice), "acme", alice, "Acme", clock=house.clock)
    transfers.offer(access.identity_of_user(alice), "ghost-of-acme", acme, clock=house.clock)
    serial = JournalEntry.objects.order_by("-serial").values_list("serial", flat=True)[0]
    press.wheel("later", "1.0")  # so that the moment is over
    file, day = File.objects.get(release__version="77.3"), house.clock().date().toordinal() - 719_163
    downloads.keep({Key(day, "main", one.filename, "pip", "3.12"): 5 for one in File.objects.all()})
    search.follow()
    return {"sha256": file.sha256, "filename": file.filename, "moment": f"serial-{serial}"}


def hide(house: Resources, how: str) -> str:
    """Hide them by a rule; a moment at which they are hidden."""
    from packhouse.services import index_rules, malware
    from packhouse.services.journal import COMMAND

    values = {"deny": "foo==77.3, ghost*", "minimum_age": "1d", "malware_mode": "enforce"}
    if how == "malware_mode":
        bad = {"foo": "==77.3", GHOST: "", "ghost-of-acme": ""}
        entries = [Entry("MAL-2026-1", name, (versions,)) for name, versions in bad.items()]
        malware.take_over(COMMAND, entries, "a list", clock=house.clock)
    if how == "minimum_age":
        index_rules.change_rule(COMMAND, "main", "minimum_age_exempt", "foo==1.0, later", clock=house.clock)
    index_rules.change_rule(COMMAND, "main", how, values[how], clock=house.clock)
    serial = JournalEntry.objects.order_by("-serial").values_list("serial", flat=True)[0]
    index_rules.change_rule(COMMAND, "main", "images", "proxy", clock=house.clock)  # so that the moment is over
    return f"serial-{serial}"


def ask(row: Row, words: dict[str, str]) -> tuple[int, str]:
    """The status and all that is said, headers and bodies."""
    client, path = Client(headers={"accept": row.accept}), "/" + row.path.format(**words)
    if not row.calls:
        answers = [client.get(path)]
    else:
        bodies = [xmlrpc.client.dumps(arguments, method) for method, arguments in row.calls]
        answers = [client.post(path, body, content_type="text/xml") for body in bodies]
    texts = [b"".join(answer) if answer.streaming else answer.content for answer in answers]
    said = "".join(text.decode(errors="replace") for text in texts)
    return answers[0].status_code, said + "".join(str(answer.headers) for answer in answers)


def named(said: str, row: Row) -> list[str]:
    """Which of the hidden ones an answer names."""
    marks = HIDDEN if row.known or "q=" in row.path or GHOST in row.path else (*HIDDEN, GHOST)
    return [mark for mark in marks if mark in said]


@pytest.mark.parametrize("rule", ["deny", "minimum_age", "malware_mode"])
def test_hostile_243_no_address_names_what_a_rule_hides(house: Resources, moment: dict[str, str], rule: str) -> None:
    every = [row for asked in ROWS.values() for row in asked]
    for row in every:
        status, said = ask(row, moment)
        assert status in {200, 302}, row
        assert row.asked or named(said, row), row  # else the row would show nothing
    after = {**moment, "moment": hide(house, rule)}
    wrong: list[tuple[str, object]] = []
    for row in every:
        status, said = ask(row, after)
        if row.asked and status not in {403, 404}:
            wrong.append((row.path, status))
        if not row.asked and named(said, row):
            wrong.append((row.path, named(said, row)))
    assert wrong == []


def test_hostile_243_counts_are_of_what_is_served(house: Resources, moment: dict[str, str]) -> None:
    from packhouse.catalogue.queries import Counts
    from packhouse.services.totals import totals

    assert totals(house.clock()) == Counts(4, 5, 5)
    hide(house, "minimum_age")
    assert totals(house.clock()) == totals(house.clock()) == Counts(2, 2, 2)
    assert "2 projects published here" in ask(Row(""), moment)[1]
    assert "<strong>2</strong> projects" in ask(Row("search/"), moment)[1]
    assert isinstance(house.clock, TickingClock)
    house.clock.move(days=3000)  # the cooldown ends: nothing is committed
    assert totals(house.clock()) == Counts(4, 5, 5)
    assert "<strong>4</strong> projects" in ask(Row("search/"), moment)[1]
    assert named(ask(Row("user/alice/"), moment)[1], Row("user/alice/")) == [*HIDDEN, GHOST]
