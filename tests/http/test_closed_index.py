# SPDX-License-Identifier: Apache-2.0
"""Closed indexes (standards section 11: AU1 to AU10; checks 6 and 7; decision on audiences).

One index `secret` is closed, with one named reader; an index `members` is read by everybody with an account.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from tests.http.client import V1_JSON, Answer, File, Site, basic, fresh, sha256, wheel
from tests.infra.server import Person

from packhouse.storage.sqlite import library as sqlite

INDEX = "/index/secret"
EVERY_WORKER = 6
"""Requests over new connections, enough that both workers are likely to answer some."""


@dataclass
class Closed:
    """The closed index with one project, and somebody who may read it."""

    site: Site
    reader: Person
    token: str
    name: str
    file: File

    @property
    def page(self) -> str:
        return f"{INDEX}/simple/{self.name}/"

    @property
    def path(self) -> str:
        return f"{INDEX}/files/{sha256(self.file[1])}/{self.file[0]}"

    def paths(self) -> list[str]:
        """Everything the index answers."""
        return [f"{INDEX}/simple/", self.page, self.path, f"{self.path}.metadata"]

    def ask(self, path: str, token: str | None = None, method: str = "GET", **headers: Any) -> Answer:
        credentials = {} if token is None else {"authorization": basic(token)}
        return self.site.ask(path, method, **headers, **credentials)

    def statuses(self, path: str, token: str | None) -> set[int]:
        return {self.ask(path, token).status for _ in range(EVERY_WORKER)}


@pytest.fixture(scope="session")
def closed(site: Site) -> Closed:
    name = fresh("hidden")
    site.must("index", "create", "secret", "--read", "closed")
    site.must("index", "create", "members", "--read", "signed-in")
    reader = site.make_user("rita")
    for who in (reader, site.owner):
        site.must("index", "grant", "secret", who.name)
    file = site.publish(wheel(name), path=f"{INDEX}/legacy/")
    site.publish(wheel("for-members"), path="/index/members/legacy/")
    return Closed(site, reader, site.make_token(reader, "--scope", "read"), name, file)


UNKNOWN = ["simple/no-such/", "simple/No.Such/", "simple/no-such", "simple", "files/{0:064}/x-1.0-py3-none-any.whl"]
UNKNOWN += ["simple/a/b/", "files/{0:064}/x.whl.metadata", "simple/-/", "", "files/", "no-such", "search/?q=x"]
UNKNOWN += ["pypi/no-such/json", "pypi/no-such/1.0/json", "pypi/No.Such/json", "rss/project/no-such/releases.xml"]
UNKNOWN += ["legacy/+simple/no-such/", "legacy/+simple/no-such", "integrity/no-such/1.0/x.whl/provenance"]
UNKNOWN += ["packages/source/n/no-such/no-such-1.0.tar.gz"]
DOCUMENTS = ["pypi/{}/json", "pypi/{}/1.0/json", "rss/updates.xml", "rss/packages.xml", "rss/project/{}/releases.xml"]
DOCUMENTS += ["legacy/+simple/{}/"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_AU1_AU6_check_13_6_anonymous_is_challenged_everywhere(closed: Closed, method: str):
    documents = [f"{INDEX}/{path.format(closed.name)}" for path in DOCUMENTS]
    unknown = [f"{INDEX}/{path}".replace("{0:064}", "0" * 64) for path in UNKNOWN]
    for path in [INDEX, *closed.paths(), *documents, *unknown]:
        for headers in ({}, {"range": "bytes=0-3"}, {"accept": "text/html"}, {"if_none_match": "*"}):
            answer = closed.ask(path, None, method, **headers)
            assert answer.status == 401, path
            assert answer["www-authenticate"].startswith('Basic realm="')
            assert answer["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in answer


def test_AU1_upload_and_answers_for_machines_are_challenged_too(closed: Closed):
    for path in (f"{INDEX}/legacy/", f"{INDEX}/legacy"):
        answer = closed.site.upload(wheel(fresh()), path=path, token=None)
        assert answer.status == 401
        assert answer["www-authenticate"].startswith("Basic ")


def test_hostile_238_what_there_is_and_what_not_is_refused_alike(closed: Closed):
    there, not_there = closed.ask(closed.page), closed.ask(f"{INDEX}/simple/{fresh()}/")
    assert (there.status, there.body) == (not_there.status, not_there.body)
    ours = {"date", "x-request-id", "age"}
    assert [p for p in there.pairs if p[0] not in ours] == [p for p in not_there.pairs if p[0] not in ours]


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param(basic("pkh_u" + "0" * 38), id="unknown"),
        pytest.param(basic("x", "rita"), id="password"),
        pytest.param("Basic !!!", id="no-base64"),
        pytest.param("Digest a=b", id="scheme"),
        pytest.param("", id="empty"),
        pytest.param("Bearer " + "x" * 5000, id="long"),
        pytest.param("Bearer \xff\xfe", id="bytes"),
    ],
)
def test_AU3_check_13_7_bad_credentials_are_401(closed: Closed, credentials: str):
    for path in closed.paths():
        answer = closed.site.ask(path, authorization=credentials)
        assert answer.status == 401, path
        assert answer["www-authenticate"].startswith("Basic ")


def test_AU2_check_13_7_good_credentials_without_the_right_are_403(closed: Closed):
    for path in (*closed.paths(), f"{INDEX}/simple/{fresh()}/"):
        answer = closed.ask(path, closed.site.stranger_token)
        assert answer.status == 403, path
        assert "location" not in answer
        assert answer["cache-control"] == "no-store"


@pytest.mark.parametrize("form", ["basic", "Bearer {}", "token {}", "BEARER {}", "basic-newline"])
def test_AU4_a_reader_reads_everything(closed: Closed, form: str):
    credentials = {"basic": basic(closed.token), "basic-newline": basic(closed.token + "\n")}.get(form)
    for path in closed.paths():
        answer = closed.site.ask(path, authorization=credentials or form.format(closed.token))
        assert answer.status == 200, path
        assert "private" in answer["cache-control"]
        assert "authorization" in answer.vary
        assert "public" not in answer["cache-control"]
        assert not any(name in answer for name in ("surrogate-key", "access-control-allow-origin"))
        assert not [name for name, _ in answer.pairs if name.startswith("x-packhouse")]


def test_a_reader_has_head_ranges_conditions_and_both_formats(closed: Closed):
    data = closed.file[1]
    assert closed.ask(closed.path, closed.token).body == data
    part = closed.ask(closed.path, closed.token, range="bytes=5-9")
    assert (part.status, part.body) == (206, data[5:10])
    assert closed.ask(closed.path, closed.token, range=f"bytes={len(data)}-").status == 416
    for path in closed.paths():
        whole, head = closed.ask(path, closed.token), closed.ask(path, closed.token, "HEAD")
        assert (head.status, head.body, head["content-length"]) == (200, b"", str(len(whole.body)))
        assert closed.ask(path, closed.token, if_none_match=whole["etag"]).status == 304
        assert closed.ask(path, None, if_none_match=whole["etag"]).status == 401
    page = closed.ask(closed.page, closed.token, accept=V1_JSON)
    assert [file["filename"] for file in page.json()["files"]] == [closed.file[0]]


def test_a_reader_gets_404_for_what_is_not_there(closed: Closed):
    redirected = ("simple/No.Such/", "simple/no-such", "simple", "pypi/No.Such/json", "legacy/+simple/no-such")
    for path in [path for path in UNKNOWN if path not in redirected]:
        answer = closed.ask(f"{INDEX}/{path}".replace("{0:064}", "0" * 64), closed.token)
        assert answer.status == 404, path
        assert answer["cache-control"] == "no-store"
    assert closed.ask(f"{INDEX}/simple/{closed.name.upper()}/", closed.token).status == 301


def known(closed: Closed, path: str, answer: Answer) -> Answer:
    """What is said to a reader who has this answer."""
    return closed.ask(path, closed.token, accept_encoding="gzip", if_none_match=answer["etag"])


@pytest.mark.parametrize("path", DOCUMENTS)
def test_AU1_AU2_documents_and_feeds_are_the_readers_alone(closed: Closed, path: str):
    address = f"{INDEX}/{path.format(closed.name)}"
    assert closed.ask(address).status == 401
    assert closed.ask(address, closed.site.stranger_token).status == 403
    answer = closed.ask(address, closed.token, accept_encoding="gzip")
    assert answer.status == 200
    assert answer["cache-control"].startswith("private")
    assert {"authorization", "accept-encoding"} <= answer.vary
    assert not any(name in answer for name in ("surrogate-key", "access-control-allow-origin"))
    deadline = time.monotonic() + 60
    again = known(closed, address, answer)
    while again.status != 304 and time.monotonic() < deadline:
        assert again["etag"] != answer["etag"]  # downloads of other tests were written down between the two
        answer, again = again, known(closed, address, again)
    assert (again.status, again.body, again["etag"]) == (304, b"", answer["etag"])


def test_documents_of_an_index_name_addresses_of_that_index(closed: Closed):
    page = closed.ask(f"{INDEX}/pypi/{closed.name}/json", closed.token).json()
    for url in (page["urls"][0]["url"], page["info"]["package_url"], page["info"]["release_url"]):
        assert url.startswith(f"{closed.site.server.url}{INDEX}/")
        assert closed.ask(url.removeprefix(closed.site.server.url), closed.token).status == 200


def test_E6_a_closed_index_has_methods_of_its_own(closed: Closed):
    body = b"<?xml version='1.0'?><methodCall><methodName>list_packages_with_serial</methodName></methodCall>"
    for path in (f"{INDEX}/pypi", f"{INDEX}/pypi/", f"{INDEX}/RPC2"):
        refused = closed.ask(path, None, "POST", body=body, content_type="text/xml")
        assert (refused.status, refused["www-authenticate"][:5]) == (401, "Basic")
        assert closed.name in closed.ask(path, closed.token, "POST", body=body, content_type="text/xml").text


@pytest.mark.parametrize("method", ["package_roles", "user_packages"])
def test_E6_main_tells_nothing_of_it(closed: Closed, method: str):
    asked = closed.name if method == "package_roles" else closed.site.owner.name
    body = f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName><params><param><value><string>{asked}"
    body += "</string></value></param></params></methodCall>"
    told = closed.site.ask("/pypi", "POST", body.encode(), content_type="text/xml").text
    assert (closed.site.owner.name if method == "package_roles" else closed.name) not in told


def test_AU10_root_is_readable_and_says_only_what_is_in_the_index(closed: Closed):
    names = [p["name"] for p in closed.ask(f"{INDEX}/simple/", closed.token, accept=V1_JSON).json()["projects"]]
    assert names == [closed.name]


def test_nothing_of_it_shows_elsewhere(closed: Closed):
    name, (filename, data) = closed.name, closed.file
    site = closed.site
    for path in (f"/simple/{name}/", f"/project/{name}/", f"/pypi/{name}/json", f"/rss/project/{name}/releases.xml"):
        assert site.ask(path).status == 404, path
    for path in (f"/files/{sha256(data)}/{filename}", f"/index/members/files/{sha256(data)}/{filename}"):
        assert site.ask(path, authorization=basic(site.token)).status == 404
    web = (f"/search/?q={name[:6]}", f"/user/{site.owner.name}/", "/", "/search/")
    for path in ("/simple/", "/rss/updates.xml", "/rss/packages.xml", "/index/members/rss/updates.xml", *web):
        for accept in ("text/html", V1_JSON):
            assert name not in site.ask(path, accept=accept, authorization=basic(site.token)).text
    made_up = f"/packages/py3/h/{name}/{filename}"
    assert site.ask(made_up).status == 404
    call = b"<?xml version='1.0'?><methodCall><methodName>changelog_since_serial</methodName><params><param><value>"
    call += b"<int>0</int></value></param></params></methodCall>"
    assert name not in site.ask("/pypi", "POST", call, content_type="text/xml").text


def test_AU9_one_token_serves_several_indexes_and_limits_hold(closed: Closed):
    site = closed.site
    elsewhere = site.make_token(closed.reader, "--index", "members")
    uploader = site.make_token(closed.reader, "--scope", "upload")
    for path in closed.paths():
        assert closed.ask(path, elsewhere).status == 403
        assert closed.ask(path, uploader).status == 403
    assert closed.ask("/index/members/simple/", elsewhere).status == 200
    assert closed.ask("/index/members/simple/", closed.token).status == 200


def test_members_read_what_is_for_members(closed: Closed):
    for path in ("/index/members/simple/", "/index/members/simple/for-members/"):
        assert closed.ask(path).status == 401
        assert closed.ask(path, closed.site.stranger_token).status == 200


def test_check_13_34_a_revoked_token_fails_on_the_very_next_request(closed: Closed):
    site = closed.site
    token = site.make_token(closed.reader)
    for path in closed.paths():
        assert closed.statuses(path, token) == {200}
    site.must("token", "revoke", token)
    for path in closed.paths():
        assert closed.ask(path, token).status == 401
        assert closed.statuses(path, token) == {401}
    assert token[:8] in closed.ask(closed.page, token).text  # AU3: which token
    assert token not in closed.ask(closed.page, token).text


def test_an_ended_grant_holds_at_once_and_a_new_one_too(closed: Closed):
    site = closed.site
    person = site.make_user()
    token = site.make_token(person)
    assert closed.statuses(closed.page, token) == {403}
    site.must("index", "grant", "secret", person.name)
    for path in closed.paths():
        assert closed.statuses(path, token) == {200}
    site.must("index", "grant", "secret", person.name, "--end")
    for path in closed.paths():
        assert closed.statuses(path, token) == {403}


def expire(site: Site, token: str, ends: datetime) -> None:
    """Say in the catalogue when a token ends."""
    database = site.server.extra.get("PACKHOUSE_DATABASE")
    if database is not None:
        with psycopg.connect(database, options="-c search_path=catalogue") as connection:
            statement = "update catalogue_token set expires_at = %s where digest = %s"
            assert connection.execute(statement, [ends, sha256(token.encode())]).rowcount == 1
        return
    with contextlib.closing(sqlite.connect(site.server.data / "catalogue.db", timeout=20)) as catalogue:
        done = catalogue.execute(
            "update catalogue_token set expires_at = ? where digest = ?",
            (ends.replace(tzinfo=None).isoformat(" "), sha256(token.encode())),
        )
        assert done.rowcount == 1
        catalogue.commit()


def test_a_token_that_expires_stops_at_that_moment(closed: Closed):
    site = closed.site
    token = site.make_token(closed.reader, "--expires", "12h")
    ends, before = datetime.now(UTC), [0]
    for seconds in (2, 8, 32):  # a busy machine needs longer to ask for everything
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        expire(site, token, ends)
        before = [closed.ask(path, token).status for path in closed.paths()]
        if datetime.now(UTC) < ends:
            break
    assert set(before) == {200}
    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 0.1)
    for path in closed.paths():
        assert closed.statuses(path, token) == {401}, path


@pytest.fixture
def opened(site: Site) -> str:
    """An index of this test's own, public to begin with, with one project."""
    name = fresh("index")
    site.must("index", "create", name)
    site.publish(wheel("in-and-out-" + name), path=f"/index/{name}/legacy/")
    return name


def test_closing_an_index_holds_at_once(site: Site, opened: str):
    page = f"/index/{opened}/simple/in-and-out-{opened}/"
    filename = site.json(page)["files"][0]["filename"]
    paths = [page, f"/index/{opened}/simple/", site.file_path(f"in-and-out-{opened}", filename, f"/index/{opened}")]
    paths.append(f"/index/{opened}/simple/unknown/")
    for mode, expected in (("public", {200, 404}), ("closed", {401}), ("signed-in", {401}), ("public", {200, 404})):
        site.must("index", "read", opened, mode)
        assert {site.ask(path).status for path in paths for _ in range(EVERY_WORKER)} == expected, mode


def test_L26_check_13_23_a_check_that_ends_in_401_and_then_the_same_upload(closed: Closed):
    """`uv publish --check-url` of a closed index: asks without credentials, then uploads what is there already."""
    assert closed.ask(closed.page).status == 401
    assert closed.site.upload(closed.file, path=f"{INDEX}/legacy/").status == 200


def test_who_may_not_read_may_not_upload(closed: Closed):
    answer = closed.site.upload(wheel(fresh()), path=f"{INDEX}/legacy/", token=closed.site.stranger_token)
    assert answer.status == 403


def test_an_unknown_index_is_404(site: Site):
    for path in ("/index/no-such/simple/", "/index/no-such/simple/x/", f"/index/no-such/files/{'0' * 64}/x.whl"):
        assert site.ask(path).status == 404
    assert site.upload(wheel(fresh()), path="/index/no-such/legacy/").status == 404


def test_a_token_for_other_addresses_is_refused_and_one_for_ours_is_asked_about_each_time(closed: Closed):
    here = closed.site.make_token(closed.reader, "--scope", "read", "--from", "127.0.0.0/8", "--from", "::1")
    away = closed.site.make_token(closed.reader, "--scope", "read", "--from", "192.0.2.0/24")
    for path in closed.paths():
        assert closed.statuses(path, here) == {200}
        assert closed.statuses(path, away) == {403}
    forged = {"x_forwarded_for": "192.0.2.1"}
    believed = closed.ask(closed.page, away, **forged)  # our own machine is a trusted proxy
    assert believed.status == 200
    assert closed.ask(closed.page, here, **forged).status == 403
    assert closed.ask(closed.path, here, **forged).status == 403


def test_a_rotated_token_fails_on_the_very_next_request(closed: Closed):
    old = closed.site.make_token(closed.reader, "--scope", "read")
    assert closed.statuses(closed.page, old) == {200}
    new = closed.site.must("token", "rotate", old, "--grace", "0")
    assert closed.statuses(closed.page, old) == {401}
    assert closed.statuses(closed.page, new) == {200}


def test_a_team_reads_every_path_and_its_loss_is_felt_at_the_very_next_request_in_every_process(closed: Closed):
    site, member = closed.site, closed.site.make_user()
    organization = fresh("org")
    site.must("organization", "create", organization, "--owner", site.owner.name)
    site.must("organization", "member", organization, member.name)
    site.must("organization", "team", organization, "core", "--add", member.name)
    token = site.make_token(member, "--scope", "read")
    documents = [f"{INDEX}/{path.format(closed.name)}" for path in DOCUMENTS]
    paths = [*closed.paths(), *documents]
    assert {status for path in paths for status in closed.statuses(path, token)} == {403}
    site.must("index", "grant", "secret", f"{organization}/core")
    assert {status for path in paths for status in closed.statuses(path, token)} == {200}
    assert closed.ask(closed.path, token, "HEAD").status == 200
    assert closed.ask(f"{INDEX}/simple/{fresh()}/", token).status == 404
    for way in (
        ("team", organization, "core", "--remove", member.name),
        ("member", organization, member.name, "--end"),
    ):
        site.must("organization", *way)
        assert {status for path in paths for status in closed.statuses(path, token)} == {403}
        site.must("organization", "member", organization, member.name)
        site.must("organization", "team", organization, "core", "--add", member.name)
        assert closed.statuses(closed.page, token) == {200}
    site.must("organization", "team", organization, "core", "--end")
    assert {status for path in paths for status in closed.statuses(path, token)} == {403}


def test_a_token_of_an_organization_reads_what_the_organization_was_named_for(closed: Closed):
    site, organization = closed.site, fresh("org")
    site.must("organization", "create", organization, "--owner", site.owner.name)
    token = site.must("token", "create", organization, "--name", "ci", "--scope", "read")
    assert closed.statuses(closed.page, token) == {403}
    site.must("index", "grant", "secret", organization)
    assert {status for path in closed.paths() for status in closed.statuses(path, token)} == {200}
    site.must("index", "grant", "secret", organization, "--end")
    assert {status for path in closed.paths() for status in closed.statuses(path, token)} == {403}
