# SPDX-License-Identifier: Apache-2.0
"""Who may upload, and how refusals are told (upload-api groups A and D; standards L3, L4, L9 to L11, checks 26, 34)."""

from __future__ import annotations

import base64
import socket

import pytest
from tests.http.client import UV_ERRORS, Site, basic, fresh, make_form, sha256, text_part, wheel


def credentials(site: Site, kind: str) -> str:
    """The Authorization header of a kind."""
    token = site.token
    flipped = token[:-1] + ("x" if token[-1] != "x" else "y")
    return {
        "basic": basic(token),
        "basic-newline": basic(token + "\n"),
        "basic-blanks": basic(f" {token} "),
        "basic-lower-case": basic(token).replace("Basic", "basic"),
        "bearer": f"Bearer {token}",
        "bearer-upper-case": f"BEARER {token}",
        "token": f"token {token}",
        "flipped": basic(flipped),
        "cut": basic(token[:-1]),
        "prefix": basic("pypi-" + token[4:]),
        "other-user": basic(token, "olga"),
        "password": basic(site.owner.password, site.owner.name),
        "no-colon": "Basic " + base64.b64encode(token.encode()).decode(),
        "no-base64": "Basic !!!",
        "no-utf8": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "long": "Bearer " + "x" * 5000,
        "digest": 'Digest username="x"',
        "negotiate": "Negotiate abc",
        "empty": "",
        "basic-alone": "Basic",
    }[kind]


def post(site: Site, authorization: str | None, **headers: str) -> tuple[int, str, str]:
    """Upload a fresh wheel; status, challenge, body."""
    name = fresh()
    fields = {"name": name, "version": "1.0", "filetype": "bdist_wheel", "pyversion": "py3"}
    body, kind = make_form([text_part(key, value) for key, value in fields.items()], wheel(name))
    given = {} if authorization is None else {"authorization": authorization}
    answer = site.ask("/legacy/", "POST", body, content_type=kind, **given, **headers)
    assert site.ask(f"/simple/{name}/").status == (200 if answer.status == 200 else 404)
    return answer.status, answer["www-authenticate"], answer.text


GOOD = ["basic", "basic-newline", "basic-blanks", "basic-lower-case", "bearer", "bearer-upper-case", "token"]
BAD = ["flipped", "cut", "prefix", "other-user", "password", "no-colon", "no-base64", "no-utf8", "long", "digest"]
BAD += ["negotiate", "empty", "basic-alone"]


@pytest.mark.parametrize("kind", GOOD)
def test_L3_decision_6_hostile_179_181_credentials_that_are_taken(site: Site, kind: str):
    assert post(site, credentials(site, kind))[0] == 200


@pytest.mark.parametrize("kind", BAD)
def test_A4_A5_L4_hostile_179_to_181_credentials_that_are_not(site: Site, kind: str):
    status, challenge, text = post(site, credentials(site, kind))
    assert status == 401
    assert challenge.startswith('Basic realm="')
    assert site.owner.password not in text
    assert site.token not in text


def test_A5_L4_no_credentials(site: Site):
    status, challenge, _ = post(site, None)
    assert (status, challenge[:6]) == (401, "Basic ")


def test_A4_hostile_180_a_password_gets_a_hint(site: Site):
    assert "__token__" in post(site, credentials(site, "password"))[2]


def test_hostile_179_unknown_tokens_are_told_the_same(site: Site):
    assert len({post(site, credentials(site, kind))[2] for kind in ("flipped", "cut", "prefix")}) == 1


def test_hostile_185_no_token_in_an_address(site: Site):
    name = fresh()
    answer = site.upload(wheel(name), path=f"/legacy/?token={site.token}", token=None)
    assert answer.status == 401
    assert site.token not in site.server.output()


def test_credentials_are_judged_before_the_body(site: Site):
    """The answer comes while hardly anything of the body was sent."""
    if site.mode == "nginx":
        pytest.skip("nginx says 100 before it asks us")
    head = "POST /legacy/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    head += "Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(site.address, timeout=15) as connection:
        connection.sendall(head.encode())
        reply = connection.recv(4000)
    assert reply.startswith(b"HTTP/1.1 401"), reply[:60]


def test_D12_L4_the_project_of_another_is_403(site: Site):
    name = fresh()
    site.publish(wheel(name))
    answer = site.upload(wheel(name, "2.0"), token=site.stranger_token)
    assert answer.status == 403
    assert "www-authenticate" not in answer
    assert site.stranger.name in answer.text
    assert name in answer.text


def test_L21_the_first_uploader_owns_the_project(site: Site):
    name = fresh()
    site.publish(wheel(name), token=site.stranger_token)
    assert site.upload(wheel(name, "2.0")).status == 403
    roles = site.ask(f"/pypi/{name}/json").json()["ownership"]["roles"]
    assert roles == [{"role": "Owner", "user": site.stranger.name}]


def test_D14_check_13_34_hostile_184_a_token_for_one_project(site: Site):
    mine, other = fresh(), fresh()
    site.publish(wheel(mine))
    site.publish(wheel(other))
    token = site.make_token(site.owner, "--project", mine)
    assert site.upload(wheel(mine, "2.0"), token=token).status == 200
    for name in (other, fresh()):
        answer = site.upload(wheel(name, "2.0"), token=token)
        assert answer.status == 403
        assert name in answer.text


@pytest.mark.parametrize("options", [("--scope", "read"), ("--index", "elsewhere")], ids=["scope", "index"])
def test_D14_hostile_182_a_token_for_something_else(site: Site, options: tuple[str, ...]):
    if options[1] not in site.must("index", "list"):
        site.must("index", "create", "elsewhere")
    assert site.upload(wheel(fresh()), token=site.make_token(site.owner, *options)).status == 403


def test_check_13_34_a_deleted_token_is_401_at_once(site: Site):
    token = site.make_token(site.owner)
    site.publish(wheel(fresh()), token=token)
    site.must("token", "revoke", token)
    for _ in range(4):
        answer = site.upload(wheel(fresh()), token=token)
        assert answer.status == 401
        assert token[:8] in answer.text  # AU3
        assert token not in answer.text


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        pytest.param(UV_ERRORS, "application/json", id="L9-uv"),
        pytest.param("application/json", "application/json", id="L9-json"),
        pytest.param("text/plain", "text/plain; charset=utf-8", id="text"),
        pytest.param("*/*", "text/plain; charset=utf-8", id="L11-twine"),
        pytest.param("", "text/plain; charset=utf-8", id="none"),
        pytest.param("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8", id="browser"),
    ],
)
def test_check_13_26_refusals_in_the_form_the_client_reads(site: Site, status: int, accept: str, kind: str):
    name = fresh()
    site.publish(wheel(name))
    token = {400: "", 401: None, 403: site.stranger_token}[status]
    version = "dog" if status == 400 else "2.0"
    answer = site.upload(wheel(name, "2.0"), token=token, version=version, accept=accept)
    assert (answer.status, answer["content-type"]) == (status, kind)
    assert answer["cache-control"] == "no-store"
    if kind == "application/json":
        body = answer.json()
        assert set(body) == {"code", "message", "reason", "errors"}
        assert "\n" not in body["code"]
        sentence, _, link = body["code"].partition(" See ")
        assert body["message"].startswith(sentence)
        assert link == body["errors"][0]["help"] == f"{site.server.url}/help/upload-errors/#{body['reason']}"
        assert all(set(error) == {"field", "message", "reason", "help"} for error in body["errors"])
    else:
        assert answer.text.strip()


def test_L10_problem_json_is_never_sent_here(site: Site):
    file = site.publish(wheel(fresh()))
    changed = (file[0], wheel(file[0].split("-")[0], description="other")[1])
    answer = site.upload(changed, accept="application/problem+json, application/json;q=0.5")
    assert answer.status == 400
    assert answer.type != "application/problem+json"


def test_L5_success_is_200_with_warnings_in_the_body(site: Site):
    answer = site.upload(wheel(fresh()), sha256_digest=None)
    assert answer.status == 200
    assert answer.text.splitlines()[1].startswith("warning: ")
    answer = site.upload(wheel(fresh()), sha256_digest=None, accept=UV_ERRORS)
    assert answer["content-type"] == "application/json"
    assert [warning["field"] for warning in answer.json()["warnings"]] == ["sha256_digest"]


def test_hostile_37_user_agents_are_cut_and_escaped(site: Site):
    for agent in ("x" * 6000, "a\tb\x1b[31mred"):
        status, *_ = post(site, basic(site.token), user_agent=agent)
        assert status in {200, 400, 431}
    assert "\x1b[31mred" not in site.server.output()


def test_hostile_160_methods_are_not_overridden(site: Site):
    name = fresh()
    file = site.publish(wheel(name))
    for headers in ({"x_http_method_override": "DELETE"}, {"x_method_override": "DELETE"}):
        site.ask(f"/simple/{name}/?_method=DELETE", "GET", authorization=basic(site.token), **headers)
    assert site.entry(name, file[0])["hashes"]["sha256"] == sha256(file[1])
