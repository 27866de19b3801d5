# SPDX-License-Identifier: Apache-2.0
"""The management API: what it does, what it says when it doesn't, and that its own description of it is true."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import hypothesis
import orjson
import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from hypothesis import strategies as st
from tests.infra.accounts import forget_limits, make_user
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources

from packhouse.catalogue.models import JournalEntry, Token, User
from packhouse.errors import PackhouseError
from packhouse.services import access, flags, indexes, tokens
from packhouse.services.journal import COMMAND, last_serial
from packhouse.web.api.description import description
from packhouse.web.api.operations import Operation
from packhouse.web.api.pace import PER_MINUTE, Pace
from packhouse.web.api.shapes import PROBLEM
from packhouse.web.api.urls import OPERATIONS, PREFIX

pytestmark = pytest.mark.django_db

EVERYTHING = ("upload", "read", "yank", "manage")
WHEEL = "tapes-1.0-py3-none-any.whl"


class Desk:
    """A person with a token, and a project of theirs of two files in one release."""

    def __init__(self) -> None:
        from packhouse.web.resources import hold

        forget_limits()
        self.clock = TickingClock()
        resources = make_resources(self.clock)
        hold(resources)
        indexes.ensure_main()
        indexes.create_index(COMMAND, "shelf", clock=self.clock)
        self.owner = make_user("alice")
        self.secret = self.token(EVERYTHING)
        self.press = Press(resources, access.authenticate(f"Bearer {self.secret}", self.clock()))
        self.press.wheel("Tapes", "1.0")
        self.press.sdist("Tapes", "1.0")

    def token(self, scopes: tuple[str, ...], **more: Any) -> str:
        name = f"t{Token.objects.count()}"
        return tokens.create_token(COMMAND, self.owner, name, scopes, clock=self.clock, **more)[1]

    def ask(self, method: str, path: str, body: Any = None, secret: str | None = None, **headers: str) -> Any:
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        given = {"authorization": f"Bearer {secret or self.secret}"} | headers
        kind = given.pop("content_type", "application/json")
        return Client().generic(method, f"/{PREFIX}{path}", data, kind, headers=given)

    def told(self, method: str, path: str, body: Any = None, secret: str | None = None) -> Any:
        reply = self.ask(method, path, body, secret)
        assert (reply.status_code, reply["Content-Type"]) == (200, "application/json"), reply.content
        assert keeps_to(reply, method, path)
        return reply.json()

    def refused(self, method: str, path: str, body: Any = None, secret: str | None = None, **headers: str) -> Any:
        """The status and the code of a refusal, which is a problem."""
        reply = self.ask(method, path, body, secret, **headers)
        assert reply["Content-Type"] == "application/problem+json"
        assert keeps_to(reply, method, path)
        said = reply.json()
        assert said["status"] == reply.status_code or reply.status_code == 405
        assert said["type"].endswith(f"/help/upload-errors/#{said['code']}")
        assert said["detail"] == said["errors"][0]["message"]
        assert reply["Cache-Control"] == "no-store"
        return reply.status_code, said["code"]


def described(method: str, path: str) -> dict[str, Any] | None:
    """What the description says of an operation; None for what it does not know."""
    for spelled, methods in description("", OPERATIONS)["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(spelled))
        if method.lower() in methods and re.fullmatch(pattern, f"/{path}"):
            return dict(methods[method.lower()])
    return None


def keeps_to(reply: Any, method: str, path: str) -> bool:
    """Whether a reply is one of those that the description of the API has for this operation, in its shape."""
    operation = described(method, path)
    if operation is None:
        return reply.status_code in {404, 405}
    content = operation["responses"][str(reply.status_code)]["content"][reply["Content-Type"].partition(";")[0]]
    schema = PROBLEM if "$ref" in content["schema"] else content["schema"]
    return fits(schema, reply.json())


def fits(schema: dict[str, Any], value: Any) -> bool:
    """JSON Schema, as far as our shapes go."""
    if "anyOf" in schema:
        return any(fits(one, value) for one in schema["anyOf"])
    match schema["type"]:
        case "object":
            known = schema.get("properties")
            return isinstance(value, dict) and (
                known is None
                or (value.keys() == set(schema["required"]) and all(fits(known[key], value[key]) for key in value))
            )
        case "array":
            return isinstance(value, list) and all(fits(schema["items"], one) for one in value)
        case "string":
            when = schema.get("format") == "date-time"
            return isinstance(value, str) and (not when or datetime.fromisoformat(value).tzinfo is not None)
        case kind:
            return type(value) is {"integer": int, "boolean": bool, "null": type(None)}[kind]


@pytest.fixture
def desk(db: None) -> Desk:
    return Desk()


def test_what_does_not_fit_the_description_is_noticed() -> None:
    assert fits(PROBLEM, {"type": ""}) is False
    assert fits({"type": "array", "items": {"type": "integer"}}, [1, True]) is False
    assert described("GET", "projects/tapes/releases/1.0") is not None
    assert described("POST", "projects/tapes") is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMED = st.fixed_dictionaries(
    {}, optional={field.name: ANYTHING | st.sampled_from([*field.choices, "main", "tapes", "1", "2026-11-01"])
                  for operation in OPERATIONS for field in operation.fields}
)  # fmt: skip
PARTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/?#%"), min_size=1, max_size=30)
VALUES = {"name": "tapes", "version": "1.0", "filename": WHEEL, "user": "bob", "index": "main", "snapshot": "s"}


def test_whatever_is_sent_is_answered_as_the_description_says(desk: Desk) -> None:
    """No body and no address makes a fault of ours, or an answer of another shape than those described."""
    make_user("bob")
    desk.owner.is_admin = True
    desk.owner.save()
    operations = [one for one in OPERATIONS if one.path != "openapi.json"]

    @hypothesis.settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @hypothesis.given(
        st.sampled_from(operations),
        ANYTHING | NAMED | NAMED,
        st.dictionaries(st.sampled_from(list(VALUES)), PARTS, max_size=2),
    )
    def ask(operation: Operation, body: Any, said: dict[str, str]) -> None:
        path = re.sub(r"<int:\w+>", "7", operation.path)
        path = re.sub(r"<str:(\w+)>", lambda match: quote((VALUES | said)[match[1]], safe=""), path)
        with transaction.atomic():
            reply = desk.ask(operation.method, path, None if operation.method == "GET" else orjson.dumps(body))
            transaction.set_rollback(True)
        assert keeps_to(reply, operation.method, path), (operation.method, path, body, reply.content)

    ask()


def test_a_yank_with_its_reason_and_back(desk: Desk) -> None:
    names = ["tapes-1.0-py3-none-any.whl", "tapes-1.0.tar.gz"]
    assert desk.told("PUT", "projects/Tapes/releases/1.0/yank", {"reason": "Breaks"}) == {"changed": names}
    files = desk.told("GET", "projects/tapes/releases/1.0.0")["files"]  # any spelling of name and version
    assert [(file["filename"], file["yanked"], file["yank_reason"]) for file in files] == [
        (name, True, "Breaks") for name in names
    ]
    assert desk.told("DELETE", f"projects/tapes/releases/1.0/files/{WHEEL}/yank") == {"changed": [WHEEL]}
    assert desk.told("GET", "projects/tapes")["releases"] == [{"version": "1.0", "files": 2, "yanked": False}]


def test_what_is_asked_twice_is_done_once(desk: Desk) -> None:
    for method, path, body in (
        ("PUT", "projects/tapes/releases/1.0/yank", {"reason": "Breaks"}),
        ("DELETE", "projects/tapes/releases/1.0/yank", None),
        ("PUT", "projects/tapes/status", {"status": "deprecated", "reason": "Use reels"}),
        ("PUT", "projects/tapes/people/bob", {"role": "maintainer"}),
        ("POST", "projects/tapes/releases/1.0/promotions", {"from": "main", "to": "shelf"}),
    ):
        if not User.objects.filter(username="bob").exists():
            make_user("bob")
        desk.told(method, path, body)
        before = last_serial()
        desk.told(method, path, body)
        assert last_serial() == before, path


def test_a_deletion_is_by_whom_the_token_is_of_and_final(desk: Desk) -> None:
    assert desk.told("DELETE", f"projects/tapes/releases/1.0/files/{WHEEL}") == {"changed": [WHEEL]}
    entry = JournalEntry.objects.filter(kind="file deleted").get()
    assert (entry.actor, entry.via) == ("alice", f"token {desk.press.identity.token_id}")
    assert desk.refused("DELETE", f"projects/tapes/releases/1.0/files/{WHEEL}") == (404, "release-unknown")
    assert desk.told("DELETE", "projects/tapes") == {"changed": ["tapes-1.0.tar.gz"]}
    assert desk.refused("GET", "projects/tapes") == (404, "project-unknown")


def test_a_status_is_set_but_quarantine_is_not_a_tokens(desk: Desk) -> None:
    said = desk.told("PUT", "projects/tapes/status", {"status": "archived", "reason": "Done"})
    assert said == {"status": "archived", "status_reason": "Done"}
    assert desk.refused("PUT", "projects/tapes/status", {"status": "quarantined"}) == (400, "field-choice")


def test_people_are_invited_changed_and_removed(desk: Desk) -> None:
    make_user("bob")
    said = desk.told("PUT", "projects/tapes/people/bob", {"role": "maintainer"})
    assert [(one["user"], one["role"]) for one in said["invited"]] == [("bob", "maintainer")]
    assert mail.outbox[-1].to == ["bob@example.org"]
    assert [one["role"] for one in desk.told("PUT", "projects/tapes/people/bob", {"role": "owner"})["invited"]] == [
        "owner"
    ]
    assert desk.told("DELETE", "projects/tapes/people/bob")["invited"] == []
    assert desk.refused("DELETE", "projects/tapes/people/bob") == (404, "role-missing")
    assert desk.refused("DELETE", "projects/tapes/people/alice") == (409, "last-owner")
    assert desk.refused("PUT", "projects/tapes/people/nobody", {"role": "owner"}) == (404, "user-missing")


def test_a_release_is_promoted_by_a_token_that_may_upload_there(desk: Desk) -> None:
    path, body = "projects/tapes/releases/1.0/promotions", {"from": "main", "to": "shelf", "reason": "Tested"}
    assert desk.refused("POST", path, body, desk.token(("manage",))) == (403, "token-action")
    done = desk.told("POST", path, body)
    assert len(done["files"]) == 2
    assert desk.told("POST", path, body) == {"serial": 0, "files": []}
    said = desk.told("GET", "indexes/shelf/explain/tapes")
    assert (said["source"], said["served"], said["layers"]) == ("shelf", 2, [{"layer": "own", "answers": True}])
    assert desk.refused("POST", path, {"from": "main", "to": "nowhere"}) == (404, "index-unknown")


def test_snapshots_are_an_administrators(desk: Desk) -> None:
    assert desk.refused("PUT", "indexes/main/snapshots/spring", {}) == (403, "admin-only")
    User.objects.filter(pk=desk.owner.pk).update(is_admin=True)
    made = desk.told("PUT", "indexes/main/snapshots/spring", {"note": "Before the move"})
    assert desk.told("PUT", "indexes/main/snapshots/spring") == made
    assert desk.told("GET", "indexes/main/snapshots") == {"index": "main", "snapshots": [made]}
    earlier = {"moment": "serial-2"}
    assert desk.refused("PUT", "indexes/main/snapshots/spring", earlier) == (409, "snapshot-name-taken")
    assert desk.told("PUT", "indexes/main/snapshots/early", earlier)["serial"] == 2
    assert desk.refused("GET", "indexes/nowhere/snapshots") == (404, "index-unknown")


def test_a_token_for_some_indexes_changes_nothing_elsewhere(desk: Desk) -> None:
    """What a yank or a deletion changes it changes in every index: a token for one is not enough."""
    narrow = desk.token(EVERYTHING, indexes=["main"])
    desk.told("PUT", "projects/tapes/releases/1.0/yank", None, narrow)
    desk.told("POST", "projects/tapes/releases/1.0/promotions", {"from": "main", "to": "shelf"})
    for method, path in (("DELETE", "projects/tapes/releases/1.0/yank"), ("DELETE", "projects/tapes")):
        reply = desk.ask(method, path, None, narrow)
        assert (reply.status_code, reply.json()["code"]) == (403, "token-index")
        assert "shelf" in reply.json()["detail"]


BAD_BODIES = [
    (b"{", 400, "body-unreadable"),
    (b"[]", 400, "body-unreadable"),
    (b'"x"', 400, "body-unreadable"),
    (b"\xff\xfe", 400, "body-unreadable"),
    (b"[" * 20_000, 400, "body-unreadable"),
    (b" " * 65_537, 413, "body-too-large"),
    (b'{"statuses": "archived"}', 400, "field-unknown"),
    (b"{}", 400, "field-missing"),
    (b'{"status": null}', 400, "field-missing"),
    (b'{"status": 1}', 400, "field-type"),
    (b'{"status": ["archived"]}', 400, "field-type"),
    (b'{"status": "a\\u0000b"}', 400, "field-type"),
    (b'{"status": "Archived"}', 400, "field-choice"),
    (b'{"status": "archived", "reason": {"a": 1}}', 400, "field-type"),
    (b'{"status": "archived", "reason": "' + b"x" * 1001 + b'"}', 400, "reason-too-long"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_body_that_makes_no_sense(desk: Desk, body: bytes, status: int, code: str) -> None:
    assert desk.refused("PUT", "projects/tapes/status", body) == (status, code)


def test_all_that_is_wrong_is_said_at_once(desk: Desk) -> None:
    said = desk.ask("PUT", "projects/tapes/status", {"state": "x", "reason": 5}).json()
    assert [(one["field"], one["reason"]) for one in said["errors"]] == [
        ("state", "field-unknown"),
        ("status", "field-missing"),
        ("reason", "field-type"),
    ]


def test_what_is_asked_wrongly(desk: Desk) -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert desk.refused("PUT", "projects/tapes/status", b"status=archived", **form) == (415, "body-type")
    assert desk.refused("POST", "projects/tapes") == (405, "method-unknown")
    assert desk.ask("POST", "projects/tapes")["Allow"] == "DELETE, GET, HEAD"
    assert desk.refused("GET", "nothing/here") == (404, "missing")
    assert desk.refused("GET", "projects/" + "x" * 300) == (404, "project-unknown")
    assert desk.refused("GET", "projects/%00") == (404, "project-unknown")
    assert desk.refused("GET", "projects/tapes/releases/not%20a%20version") == (404, "release-unknown")
    assert desk.refused("PUT", "projects/tapes/releases/%F0%9F%90%99/yank") == (400, "version-invalid")


def test_credentials_are_those_of_every_api(desk: Desk) -> None:
    basic = base64.b64encode(f"__token__:{desk.secret}".encode()).decode()
    assert desk.ask("GET", "projects/tapes", authorization=f"Basic {basic}").status_code == 200
    assert desk.ask("GET", "projects/tapes", authorization=f"token {desk.secret}").status_code == 200
    other = base64.b64encode(b"alice:seven quiet otters").decode()
    assert desk.refused("GET", "projects/tapes", authorization=f"Basic {other}") == (401, "password-refused")
    tokens.delete_token(COMMAND, tokens.find_token(desk.secret), clock=desk.clock)
    reply = desk.ask("GET", "projects/tapes")
    assert (reply.status_code, reply.json()["code"]) == (401, "token-deleted")
    assert reply["WWW-Authenticate"].startswith("Basic ")


def test_another_site_changes_nothing_by_a_persons_browser(desk: Desk) -> None:
    client = Client()
    client.force_login(desk.owner, "packhouse.site.accounts.Backend")
    reply = client.delete(f"/{PREFIX}projects/tapes", headers={"sec-fetch-site": "cross-site"})
    assert reply.status_code == 401
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert desk.told("GET", "projects/tapes")["name"] == "Tapes"


def test_a_token_that_asks_too_often_waits(desk: Desk) -> None:
    pace, now = Pace(), desk.clock()
    for _ in range(PER_MINUTE):
        pace.demand(7, now)
    with pytest.raises(PackhouseError) as refused:
        pace.demand(7, now)
    assert (refused.value.code, refused.value.retry_after) == ("requests-too-many", 61)
    pace.demand(8, now)
    pace.demand(7, now + timedelta(minutes=1))


def test_what_paces_remembers_no_more_than_its_bound(desk: Desk) -> None:
    pace = Pace()
    for token in range(Pace.BOUND + 5):
        pace.demand(token, desk.clock.at)
    assert len(pace._counted) <= Pace.BOUND


def test_a_read_only_server_is_read_only_here_too(desk: Desk) -> None:
    flags.set_flag(COMMAND, flags.READ_ONLY, "Moving", on=True, clock=desk.clock)
    reply = desk.ask("PUT", "projects/tapes/releases/1.0/yank")
    assert (reply.status_code, reply.json()["code"], reply["Retry-After"]) == (503, "flag-read-only", "300")
    assert desk.told("GET", "projects/tapes")["status"] == "active"


def test_a_second_factor_that_is_demanded_is_demanded_here_too(desk: Desk, settings: Any) -> None:
    from dataclasses import replace

    settings.PACKHOUSE = replace(settings.PACKHOUSE, two_factor="owners")
    assert desk.refused("PUT", "projects/tapes/releases/1.0/yank") == (403, "two-factor-missing")
    User.objects.filter(pk=desk.owner.pk).update(is_admin=True)
    assert desk.refused("GET", "indexes/main/snapshots") == (403, "admin-only")
