# SPDX-License-Identifier: Apache-2.0
"""The pages people read: home, project, release, user; and what their owners do with them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from django.core import mail
from tests.infra.clock import TickingClock

from packhouse.domain.listing import Status
from packhouse.domain.permissions import ProjectRole
from packhouse.services import access, collaborators, projects, releases
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now

if TYPE_CHECKING:
    from tests.infra.accounts import Browser
    from tests.infra.publishing import Press


@pytest.fixture
def press(browser: Browser) -> Press:
    """Alice, who is not signed in yet, publishes to `main`."""
    from tests.infra.accounts import make_user
    from tests.infra.publishing import Press, make_resources

    from packhouse.services import tokens
    from packhouse.services.indexes import ensure_main
    from packhouse.web.resources import hold

    ensure_main()
    stock = replace(make_resources(TickingClock()), clock=now)
    hold(stock)
    _, secret = tokens.create_token(COMMAND, make_user(), "press", clock=now)
    return Press(stock, access.authenticate(f"Bearer {secret}", now()))


@pytest.fixture
def project(press: Press) -> Press:
    """Foo.Bar with the releases 1.0 and 2.0rc1."""
    press.wheel("Foo.Bar", "1.0", summary="A <b>bold</b> summary", Requires_Python=">=3.8")
    press.wheel("Foo.Bar", "2.0rc1")
    return press


def page(browser: Browser, address: str, status: int = 200) -> str:
    reply = browser.get(address)
    assert reply.status_code == status, reply.content
    return str(reply.content.decode())


def test_home_teaches_when_there_is_nothing(browser: Browser, press: Press) -> None:
    said = page(browser, "/")
    assert "Nothing is published here yet" in said
    assert "uv publish" in said
    assert "/legacy/" in said


def test_home_shows_the_newest_release_of_each_project(browser: Browser, project: Press) -> None:
    project.wheel("later", "3.0", summary="A <b>bold</b> summary")
    said = page(browser, "/")
    assert said.index("/project/later/") < said.index("/project/foo-bar/") < said.index("2.0rc1")
    assert said.count("/project/foo-bar/") == 1
    assert "A &lt;b&gt;bold&lt;/b&gt; summary" in said


def test_hostile_154_texts_of_strangers_are_encoded_where_they_stand(browser: Browser, press: Press) -> None:
    evil = "</title></script><script>alert(1)</script>\"'&]]>=cmd|' /C calc'!A0"
    press.wheel("foo", "1.0", summary=evil, author=evil, keywords=evil)
    for address in ("/", "/project/foo/", "/project/foo/1.0/", "/search/?q=foo", f"/search/?q={quote(evil)}"):
        said = page(browser, address)
        assert "<script>alert" not in said
        assert said.count("</title>") == 1
        assert "ld+json" not in said, "JSON in a page needs an encoding of its own"
    for address in ("/rss/updates.xml", "/rss/packages.xml", "/rss/project/foo/releases.xml"):
        said = page(browser, address)
        assert "<script>" not in said
        assert ElementTree.fromstring(said).tag == "rss"
    assert browser.get("/pypi/foo/json").json()["info"]["summary"] == evil


def test_hostile_18_151_odd_characters_stay_in_their_place(browser: Browser, press: Press) -> None:
    press.wheel("foo", "1.0", summary="\u202eevil \x1b[31m\x07red", keywords="\u202eword")
    said = page(browser, "/project/foo/")
    assert "\x1b" not in said
    assert "\x07" not in said
    assert '<p class="lead" dir="auto">\u202eevil [31mred</p>' in said
    assert "<bdi>\u202eword</bdi>" in said


def test_the_project_page_prefers_the_final_release(browser: Browser, project: Press) -> None:
    said = page(browser, "/project/foo-bar/")
    assert "Foo.Bar" in said
    assert "foo_bar-1.0-py3-none-any.whl" in said
    assert "foo_bar-2.0rc1-py3-none-any.whl" not in said
    assert "A &lt;b&gt;bold&lt;/b&gt; summary" in said


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("/project/Foo.Bar/", "/project/foo-bar/"),
        ("/project/foo_bar/1.0.0/", "/project/foo-bar/1.0/"),
        ("/user/ALICE/", "/user/alice/"),
    ],
)
def test_other_spellings_are_redirected(browser: Browser, project: Press, asked: str, shown: str) -> None:
    reply = browser.get(asked)
    assert (reply.status_code, reply["Location"]) == (301, shown)


@pytest.mark.parametrize("address", ["/project/nope/", "/project/foo-bar/9.9/", "/user/nobody/", "/project/-a-/"])
def test_what_is_not_there_is_404_with_a_way_on(browser: Browser, project: Press, address: str) -> None:
    assert "<a " in page(browser, address, 404)


def test_a_release_page_says_when_it_is_yanked(browser: Browser, project: Press) -> None:
    releases.yank(COMMAND, "foo-bar", "1.0", reason="<script>broken</script>", clock=now)
    said = page(browser, "/project/foo-bar/1.0/")
    assert "&lt;script&gt;broken" in said
    assert "2.0rc1" in page(browser, "/project/foo-bar/")


def test_a_quarantined_project_shows_no_file(browser: Browser, project: Press) -> None:
    projects.set_status(COMMAND, "foo-bar", Status.QUARANTINED, reason="looked at", clock=now)
    said = page(browser, "/project/foo-bar/")
    assert "Quarantined" in said
    assert ".whl" not in said
    assert "Foo.Bar" not in page(browser, "/")


def test_a_person_and_their_projects(browser: Browser, project: Press) -> None:
    assert "Foo.Bar" in page(browser, "/user/alice/")


@pytest.fixture
def owner(browser: Browser, project: Press) -> Browser:
    browser.sign_in()
    return browser


def fields(reply: Any) -> Any:
    return reply.context["form"].errors


def test_ones_own_projects(owner: Browser) -> None:
    said = page(owner, "/manage/projects/")
    assert "Foo.Bar" in said
    assert "owner" in said


def test_yanking_and_taking_it_back_in_the_browser(owner: Browser, project: Press) -> None:
    where = "/manage/project/foo-bar/release/1.0/"
    assert owner.post(where, action="yank", reason="broken").status_code == 302
    assert "broken" in page(owner, "/simple/foo-bar/")
    assert owner.post(where, action="unyank").status_code == 302
    assert "data-yanked" not in page(owner, "/simple/foo-bar/")
    assert owner.post(where, action="yank", file="foo_bar-1.0-py3-none-any.whl").status_code == 302
    assert page(owner, "/simple/foo-bar/").count("data-yanked") == 1


@pytest.mark.parametrize(
    ("where", "name", "gone"),
    [
        ("/manage/project/foo-bar/delete/", "Foo.Bar", ["foo_bar-1.0", "foo_bar-2.0rc1"]),
        ("/manage/project/foo-bar/release/1.0/delete/", "1.0", ["foo_bar-1.0"]),
        (
            "/manage/project/foo-bar/release/1.0/file/foo_bar-1.0-py3-none-any.whl/delete/",
            "foo_bar-1.0-py3-none-any.whl",
            ["foo_bar-1.0"],
        ),
    ],
)
def test_deleting_wants_the_name_typed(owner: Browser, where: str, name: str, gone: list[str]) -> None:
    refused = owner.post(where, name="something else")
    assert refused.status_code == 400
    assert "exactly" in str(fields(refused))
    before = page(owner, "/simple/foo-bar/")
    assert all(start in before for start in gone)
    assert owner.post(where, name=name).status_code == 302
    after = owner.get("/simple/foo-bar/").content.decode()
    assert not any(start in after for start in gone)


def test_a_status_is_set_with_its_reason(owner: Browser) -> None:
    assert owner.post("/manage/project/foo-bar/", status="archived", reason="moved on").status_code == 302
    assert "moved on" in page(owner, "/project/foo-bar/")
    refused = owner.post("/manage/project/foo-bar/", status="quarantined", reason="")
    assert refused.status_code == 400


def test_collaborators_are_invited_accept_and_leave(owner: Browser, project: Press) -> None:
    from tests.infra.accounts import Browser, make_user

    bob = make_user("bob")
    where = "/manage/project/foo-bar/collaborators/"
    assert owner.post(where, action="invite", username="nobody", role="owner").status_code == 400
    assert owner.post(where, action="invite", username="bob", role="maintainer").status_code == 302
    assert mail.outbox[-1].to == ["bob@example.org"]
    assert "alice invites you to be maintainer of the project Foo.Bar" in str(mail.outbox[-1].body)
    assert re.search(r"^http\S+/manage/projects/$", str(mail.outbox[-1].body), re.MULTILINE)
    other = Browser()
    other.sign_in("bob")
    assert other.get("/manage/project/foo-bar/").status_code == 403
    invitation = bob.invitations.get()
    assert owner.post("/manage/projects/", invitation=str(invitation.pk), answer="accept").status_code == 404
    assert other.post("/manage/projects/", invitation=str(invitation.pk), answer="accept").status_code == 302
    assert other.get("/manage/project/foo-bar/").status_code == 200
    assert other.get("/manage/project/foo-bar/delete/").status_code == 403
    assert other.post(where, action="invite", username="alice", role="owner").status_code == 403
    assert other.post(where, action="remove", username="bob").status_code == 302
    assert other.get("/manage/project/foo-bar/").status_code == 403


def test_the_last_owner_stays(owner: Browser) -> None:
    owner.post("/manage/project/foo-bar/collaborators/", action="remove", username="alice")
    assert "without an owner" in page(owner, "/manage/project/foo-bar/collaborators/")


def test_d267_ones_rights_end_at_ones_own_projects(owner: Browser, project: Press) -> None:
    from tests.infra.accounts import Browser, make_user

    make_user("mallory")
    stranger = Browser()
    stranger.sign_in("mallory")
    for where in ("", "collaborators/", "delete/", "release/1.0/", "release/1.0/delete/"):
        address = f"/manage/project/foo-bar/{where}"
        assert stranger.get(address).status_code == 403
        assert stranger.post(address, name="Foo.Bar", status="archived", action="yank").status_code == 403


def test_nobody_is_flooded_with_invitations(owner: Browser, project: Press) -> None:
    from tests.infra.accounts import make_user

    bob = make_user("bob")
    where = "/manage/project/foo-bar/collaborators/"
    for _ in range(8):
        assert owner.post(where, action="invite", username="bob", role="maintainer").status_code == 302
        owner.post(where, action="withdraw", invitation=str(bob.invitations.latest("pk").pk))
    assert len([one for one in mail.outbox if one.to == ["bob@example.org"]]) == 5


def test_an_invitation_is_listed_and_withdrawn(owner: Browser) -> None:
    from tests.infra.accounts import make_user

    bob = make_user("bob")
    collaborators.invite(
        access.identity_of_user(bob.__class__.objects.get(username="alice")),
        "foo-bar",
        bob,
        ProjectRole.OWNER,
        clock=now,
    )
    where = "/manage/project/foo-bar/collaborators/"
    assert "bob" in page(owner, where)
    owner.post(where, action="withdraw", invitation=str(bob.invitations.get().pk))
    assert bob.invitations.get().state == "withdrawn"


def test_search_finds_by_name_summary_and_slip(browser: Browser, project: Press) -> None:
    from packhouse.services import search

    while search.follow():
        pass
    assert 'href="/project/foo-bar/"' in page(browser, "/search/?q=foo-bar")
    assert 'href="/project/foo-bar/"' in page(browser, "/search/?q=bold+summary")
    assert 'href="/project/foo-bar/"' in page(browser, "/search/?q=fooo-bar")
    assert 'href="/project/foo-bar/"' in page(browser, "/search/")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("q=%27+OR+1%3D1--", id="hostile-245-sql"),
        pytest.param("q=%25_%25", id="hostile-245-like"),
        pytest.param("q=NEAR%28a%20b%29%20%22%20col%3A*", id="hostile-245-fts"),
        pytest.param("q=" + "x" * 10240, id="hostile-246-long"),
        pytest.param("q=" + "a+" * 1000, id="hostile-246-words"),
        pytest.param("q=a&page=1000000000", id="hostile-246-page"),
        pytest.param("q=a&page=-1&sort=__class__", id="hostile-246-negative"),
        pytest.param("q=%3Cscript%3Ealert(1)%3C/script%3E%7B%7B7*7%7D%7D", id="hostile-247"),
        pytest.param("q=%00%ff&c=%00", id="nul"),
    ],
)
def test_whatever_is_searched_is_text(browser: Browser, press: Press, query: str) -> None:
    said = page(browser, f"/search/?{query}")
    assert "<script>alert" not in said
    assert "49" not in said.partition("results-said")[2].partition("</p>")[0]
