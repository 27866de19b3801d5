# SPDX-License-Identifier: Apache-2.0
"""XML-RPC for mirrors (standards E6; read-apis 3.5; hostile-250)."""

from __future__ import annotations

import time
import xmlrpc.client
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from tests.http.client import Site, fresh, wheel


def call(site: Site, method: str, *arguments: Any, path: str = "/pypi", **headers: str) -> Any:
    """Call a method; its result, or the Fault."""
    body = xmlrpc.client.dumps(arguments, method, allow_none=True).encode()
    answer = site.ask(path, "POST", body, content_type="text/xml", **headers)
    assert (answer.status, answer.type) == (200, "text/xml")
    try:
        return xmlrpc.client.loads(answer.body)[0][0]
    except xmlrpc.client.Fault as fault:
        return fault


def test_E6_changelog(site: Site):
    name = fresh()
    before = call(site, "changelog_last_serial") or 0
    site.publish(wheel(name, "1.0"))
    site.publish(wheel(name, "2.0"))
    changes = call(site, "changelog_since_serial", before)
    serials = [serial for *_, serial in changes]
    assert serials == sorted(set(serials))
    assert serials[0] > before
    assert serials[-1] <= call(site, "changelog_last_serial")
    ours = [(version, action) for changed, version, _, action, _ in changes if changed == name]
    assert [action for version, action in ours if version == "1.0"] == [
        "new release",
        f"add py3 file {name.replace('-', '_')}-1.0-py3-none-any.whl",
    ]
    assert (None, "create") in ours
    assert all(abs(at - time.time()) < 120 for _, _, at, _, _ in changes)
    assert call(site, "changelog_since_serial", serials[-1]) == []


def test_E6_serials_agree_with_the_simple_pages(shelf: Site):
    serials = call(shelf, "list_packages_with_serial")
    listed = {p["name"] for p in shelf.json("/simple/")["projects"]}
    assert set(serials) >= set(map(canonicalize_name, listed))
    assert int(shelf.ask("/simple/shelf-sample-project/")["x-pypi-last-serial"]) in serials.values()


def test_E6_serials_are_those_of_quarantined_projects_too(site: Site):
    name = fresh()
    site.publish(wheel(name))
    site.must("status", name, "quarantined")
    serial = int(site.ask(f"/simple/{name}/")["x-pypi-last-serial"])
    assert call(site, "list_packages_with_serial")[name] == serial
    assert call(site, "changelog_since_serial", serial - 1)[0][3] == "quarantined project"


def test_E6_roles(shelf: Site):
    for spelling in ("shelf-sample-project", "Shelf.Sample_Project"):
        assert call(shelf, "package_roles", spelling) == [["Owner", shelf.owner.name]]
    assert call(shelf, "package_roles", "no-such-project") == []
    assert ["Owner", "Shelf.Sample_Project"] in call(shelf, "user_packages", shelf.owner.name)
    assert call(shelf, "user_packages", "nobody-of-this-name") == []


def test_E6_roles_of_an_organization(site: Site):
    """It is the owner of its projects for mirrors and in the documents; its people are its members' to know."""
    name, acme, member = fresh(), fresh("acme"), site.make_user()
    site.publish(wheel(name, "1.0"))
    site.must("organization", "create", acme, "--owner", site.owner.name)
    site.must("organization", "member", acme, member.name, "--role", "manager")
    site.must("organization", "transfer", name, "--to", acme)
    assert call(site, "package_roles", name)[0] == ["Owner", acme]
    assert member.name not in str(call(site, "package_roles", name))
    assert call(site, "user_packages", acme.upper()) == [["Owner", name]]
    assert call(site, "user_packages", member.name) == []
    for path in (f"/pypi/{name}/json", f"/pypi/{name}/1.0/json"):
        said = site.ask(path).json()["ownership"]
        assert said["organization"] == acme
        assert acme not in [role["user"] for role in said["roles"]]
    assert name in site.ask(f"/org/{acme}/", accept="text/html").text
    assert name not in site.ask(f"/user/{member.name}/", accept="text/html").text


def test_E6_browse_finds_releases_with_all_of_the_classifiers(site: Site):
    one, two = fresh(), fresh()
    robots, linux = "Topic :: Games/Entertainment :: Turn Based Strategy", "Operating System :: POSIX :: Linux"
    site.publish(wheel(one, "1.0", lines=[f"Classifier: {robots}", f"Classifier: {linux}"]))
    site.publish(wheel(two, "2.0", lines=[f"Classifier: {robots}"]))
    found = call(site, "browse", [robots])
    assert [one, "1.0"] in found
    assert [two, "2.0"] in found
    both = call(site, "browse", [robots, linux])
    assert [one, "1.0"] in both
    assert [two, "2.0"] not in both
    assert call(site, "browse", []) == []


def test_E6_who_became_an_owner_is_told(site: Site):
    name = fresh()
    site.publish(wheel(name))
    assert [name, None, f"add Owner {site.owner.name}"] in [
        [changed, version, action] for changed, version, _, action, _ in call(site, "changelog_since_serial", 0)
    ]


@pytest.mark.parametrize("serial", ["9" * 40, "-" + "9" * 40, "2147483648"])
def test_E6_serials_beyond_reason_are_no_error(site: Site, serial: str):
    head = "<?xml version='1.0'?><methodCall><methodName>changelog_since_serial</methodName><params><param><value>"
    body = f"{head}<int>{serial}</int></value></param></params></methodCall>"
    answer = site.ask("/pypi", "POST", body.encode(), content_type="text/xml")
    assert answer.status == 200
    assert b"<methodResponse>" in answer.body


@pytest.mark.parametrize("path", ["/pypi", "/pypi/", "/RPC2"])
def test_E6_addresses(site: Site, path: str):
    assert isinstance(call(site, "changelog_last_serial", path=path), int | None)


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        ("changelog", (0,), -32500),
        ("system.multicall", ([],), -32500),
        ("search", ({"name": "x"},), -32500),
        ("list_packages", (), -32500),
        ("package_releases", ("x",), -32500),
        ("release_data", ("x", "1"), -32500),
        ("top_packages", (), -32500),
        ("no.such.method", (), -32601),
        ("changelog_since_serial", ("x",), -32602),
        ("changelog_since_serial", (True,), -32602),
        ("changelog_since_serial", (), -32602),
        ("browse", ("x",), -32602),
        ("browse", ([1],), -32602),
        ("package_data", ("x", "1"), -32500),
        ("release_urls", ("x", "1"), -32500),
    ],
)
def test_E6_faults(site: Site, method: str, arguments: tuple[Any, ...], code: int):
    fault = call(site, method, *arguments)
    assert isinstance(fault, xmlrpc.client.Fault)
    assert fault.faultCode == code
    assert fault.faultString


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]>'
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
METHOD = (
    b"<methodCall><methodName>package_roles</methodName><params><param><value>&a;</value></param></params></methodCall>"
)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(LAUGHS + METHOD, id="laughs"),
        pytest.param(OUTSIDE + METHOD, id="external"),
        pytest.param(b"", id="empty"),
        pytest.param(b"<methodCall>", id="cut"),
        pytest.param(b"{}", id="json"),
        pytest.param(b"<a>" * 10_000, id="deep"),
        pytest.param(b"<methodCall><methodName>" + b"x" * 100_000, id="long"),
        pytest.param(b"<methodCall><methodName></methodName></methodCall>", id="no-method"),
    ],
)
def test_hostile_250_bodies_that_are_no_calls(site: Site, body: bytes):
    answer = site.ask("/pypi", "POST", body, content_type="text/xml")
    assert answer.status == 400
    assert b"root:" not in answer.body


def test_E6_only_posted_to(site: Site):
    answer = site.ask("/RPC2")
    assert (answer.status, answer["allow"]) == (405, "POST")
