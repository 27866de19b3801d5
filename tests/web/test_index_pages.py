# SPDX-License-Identifier: Apache-2.0
"""The pages on which administrators make indexes, change their layers, keep snapshots and go back; promotion."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources

if TYPE_CHECKING:
    from tests.infra.accounts import Browser

    from packhouse.services.resources import Resources


@pytest.fixture
def house(db: None) -> Resources:
    """A server with `main` whose clock moves by hand."""
    from packhouse.services.indexes import ensure_main
    from packhouse.web.resources import hold

    ensure_main()
    made = make_resources(TickingClock())
    hold(made)
    return made


@pytest.fixture
def admin(browser: Browser, house: Resources) -> Browser:
    """The browser of alice, an administrator, who gave her password just now."""
    from tests.infra.accounts import make_user

    make_user(admin=True)
    browser.sign_in()
    browser.reauthenticate()
    return browser


def press(house: Resources, name: str = "alice", index: str = "main") -> Press:
    from packhouse.services import access, tokens
    from packhouse.services.journal import COMMAND
    from packhouse.services.people import find_user

    _, secret = tokens.create_token(COMMAND, find_user(name), f"press {secrets.token_hex(4)}", clock=house.clock)
    return Press(house, access.authenticate(f"Bearer {secret}", house.clock()), index)


def layers(name: str) -> list[str]:
    from packhouse.services.indexes import layers_of

    return [layer.spelled for layer in layers_of(name)]


def text(answer: Any) -> str:
    return str(answer.content.decode())


def make(admin: Browser, name: str, made_of: str = "own", read: str = "public") -> Any:
    return admin.post("/admin/indexes/", name=name, read=read, layers=made_of)


def test_an_index_is_made_in_the_browser(admin: Browser) -> None:
    from packhouse.catalogue.models import JournalEntry

    assert make(admin, "low")["Location"] == "/admin/index/low/"
    assert make(admin, "top", "own, index:low", "closed")["Location"] == "/admin/index/top/"
    assert layers("top") == ["own", "index:low"]
    said = text(admin.get("/admin/index/top/"))
    assert "Read by: closed" in said
    assert "index created" in said
    assert "index:low" in text(admin.get("/admin/indexes/"))
    assert JournalEntry.objects.filter(kind="index created", actor="alice", via="web").count() == 2
    for wrong, words in (("Top!", "is invalid"), ("top", "There is an index"), ("x", "There is no index")):
        answer = make(admin, wrong, "index:nowhere" if wrong == "x" else "own")
        assert words in text(answer)


def test_layers_are_changed_in_the_browser(admin: Browser) -> None:
    page = "/admin/index/top/"
    make(admin, "low")
    make(admin, "top")
    admin.post(page, action="add", layer="index:low", place="")
    admin.post(page, action="add", layer="index:main", place="1")
    assert layers("top") == ["index:main", "own", "index:low"]
    admin.post(page, action="up", layer="index:low")
    assert layers("top") == ["index:main", "index:low", "own"]
    admin.post(page, action="remove", layer="index:main")
    assert layers("top") == ["index:low", "own"]
    assert "has no layer" in text(admin.get(admin.post(page, action="remove", layer="index:main")["Location"]))
    assert "is made of" in text(admin.post("/admin/index/low/", action="add", layer="index:top", place=""))
    assert "no action" in text(admin.get(admin.post(page, action="explode", layer="own")["Location"]))
    admin.post(page, action="read", read="signed-in")
    assert "Read by: signed-in" in text(admin.get(page))
    assert "index layers set" in text(admin.get(page))


def test_serving_rules_are_set_on_the_page_and_hidden_files_are_told(admin: Browser, house: Resources) -> None:
    from tests.web.test_administration import fields

    press(house).wheel("foo", "1.0")
    press(house).wheel("foo", "2.0")
    admin.post("/admin/index/main/", action="rules", **fields(deny="foo>=2", minimum_age="7d", minimum_age_mode="warn"))
    said = text(admin.get("/admin/index/main/"))
    assert said.count("set here") == 3
    page = text(admin.get("/project/foo/"))
    assert "1 file hidden" in page
    assert "2.0" not in page.partition("<h1")[2].partition("</h1>")[0]
    assert admin.get("/project/foo/2.0/").status_code == 404
    explained = text(admin.get("/project/foo/explain/"))
    assert "foo-2.0-py3-none-any.whl" in explained
    assert "warning only" in explained
    assert "1 file served, 1 hidden for the reasons below" in explained
    admin.post("/admin/index/main/", action="rules", **fields(deny="foo"))
    assert "No file of this project is served now." in text(admin.get("/project/foo/"))
    assert "0 files served, 2 hidden for the reasons below" in text(admin.get("/project/foo/explain/"))
    assert admin.get("/project/Foo/explain/")["Location"] == "/project/foo/explain/"
    assert admin.get("/project/nobody/explain/").status_code == 404


def test_hostile_238_explaining_tells_nothing_to_whoever_may_not_read(admin: Browser, house: Resources) -> None:
    from tests.infra.accounts import Browser, make_user

    make(admin, "vault", read="closed")
    from packhouse.catalogue.models import User
    from packhouse.services.indexes import grant_read
    from packhouse.services.journal import COMMAND

    grant_read(COMMAND, "vault", User.objects.get(username="alice"), clock=house.clock)
    press(house, index="vault").wheel("hidden", "1.0")
    make_user("bob")
    bob, nobody = Browser(), Browser()
    bob.sign_in("bob")
    for name in ("hidden", "no-such"):
        path = f"/project/{name}/explain/?index=vault"
        assert nobody.get(path)["Location"].startswith("/account/login/")
        assert bob.get(path).status_code == 403
        assert bob.get(f"/project/{name}/explain/").status_code == 404
        assert bob.get(f"/manage/project/{name}/").status_code == 404
    assert "own files of" not in text(bob.get("/project/hidden/explain/"))
    assert admin.get("/project/hidden/explain/?index=vault").status_code == 200
    assert admin.get("/manage/project/hidden/release/1.0/").status_code == 200


def test_snapshots_in_the_browser(admin: Browser, house: Resources) -> None:
    page = "/admin/index/main/snapshots/"
    press(house).wheel("foo", "1.0")
    admin.post(page, action="make", name="before", moment="", note="the launch")
    press(house).wheel("foo", "2.0")
    said = text(admin.get(page))
    assert "the launch" in said
    compared = text(admin.get(page + "?from=before"))
    assert "foo-2.0-py3-none-any.whl" in compared
    assert "1 difference" in compared
    assert "There is no snapshot" in text(admin.get(page + "?from=nothing"))
    assert "is none: expected a day" in text(admin.get(page + "?from=@1e309"))
    admin.post(page, action="protect", snapshot="before")
    assert "is protected" in text(admin.get(admin.post(page, action="delete", snapshot="before")["Location"]))
    admin.post(page, action="unprotect", snapshot="before")
    assert "is invalid" in text(admin.post(page, action="make", name="No!", moment="", note=""))

    lock = admin.get("/admin/index/main/lock/?state=before")
    assert lock["Content-Disposition"] == 'attachment; filename="main-before.lock.json"'
    assert [file["version"] for file in json.loads(lock.getvalue())["projects"][0]["files"]] == ["1.0"]
    assert admin.get("/admin/index/main/lock/?state=nothing").status_code == 404
    assert admin.get("/admin/index/main/lock/?state=@1e309").status_code == 400
    assert len(json.loads(admin.get("/admin/index/main/lock/").getvalue())["projects"][0]["files"]) == 2

    back = "/admin/index/main/rollback/?to=before"
    assert "foo-2.0-py3-none-any.whl" in text(admin.get(back))
    assert "type &#x27;main&#x27; exactly" in text(admin.post(back, name="mine", reason=""))
    assert admin.post(back, name="main", reason="it broke")["Location"] == page
    assert "undoes it" in text(admin.get(page))
    assert admin.get("/project/foo/2.0/").status_code == 404
    assert "shows that state already" in text(admin.get(back))
    assert admin.get("/admin/index/main/rollback/?to=none").status_code == 404
    admin.post(page, action="delete", snapshot="before")
    assert "No snapshots yet" in text(admin.get(page))


def test_promotion_in_the_browser(admin: Browser, house: Resources) -> None:
    make(admin, "staging")
    press(house, index="staging").wheel("foo", "1.0")
    page = "/manage/project/foo/release/1.0/"
    assert "Promote release" in text(admin.get(page))
    assert admin.get("/project/foo/").status_code == 404
    assert admin.post(page, action="promote", source="staging", target="main", why="tested")["Location"] == page
    assert admin.get("/project/foo/").status_code == 200
    said = text(admin.get(page))
    assert "tested" in said
    serial = said.partition('name="serial" value="')[2].partition('"')[0]
    assert admin.post(page, action="undo", serial=serial)["Location"] == page
    assert admin.get("/project/foo/").status_code == 404
    assert "undone" in text(admin.get(page))
    admin.post("/admin/index/main/", action="rules", **_denying())
    refused = admin.post(page, action="promote", source="staging", target="main", why="")
    assert "denies foo==1.0" in text(refused)
    assert "has no files" in text(admin.post(page, action="promote", source="main", target="staging", why=""))


def _denying() -> dict[str, str]:
    from tests.web.test_administration import fields

    return fields(deny="foo")
