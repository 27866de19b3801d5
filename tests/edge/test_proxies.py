# SPDX-License-Identifier: Apache-2.0
"""Where a request comes from."""

from __future__ import annotations

import pytest

from packhouse.domain.forwarding import Source
from packhouse.edge.http import Direct, Request
from packhouse.edge.proxies import Proxies

PROXIES = Proxies(("127.0.0.1", "::1", "10.1.0.0/16"))


def source(client: str = "127.0.0.1:5000", **forwarded: str) -> Source:
    items = [("host", "own.example:8000"), *((f"x-forwarded-{name}", value) for name, value in forwarded.items())]
    return PROXIES.source(Request("GET", "/", "", items, None, Direct(client, "http")))


def test_hostile_158_a_trusted_proxy_is_believed() -> None:
    forwarded = {"for": "192.0.2.7", "proto": "HTTPS", "host": "index.example:8443", "prefix": "/py/"}
    assert source(**forwarded) == Source("192.0.2.7", "5000", "https", "index.example:8443", "/py")


@pytest.mark.parametrize("client", ["192.0.2.9:1", "[2001:db8::1]:1", "10.2.0.1:1", "nonsense"])
def test_hostile_158_nobody_else_is(client: str) -> None:
    found = source(client, **{"for": "1.2.3.4", "proto": "https", "host": "evil.example", "prefix": "/evil"})
    assert (found.scheme, found.host, found.prefix) == ("http", "own.example:8000", "")
    assert found.address != "1.2.3.4"


@pytest.mark.parametrize("client", ["127.0.0.1:1", "[::1]:1", "10.1.2.3:1", "[::ffff:127.0.0.1]:1"])
def test_trusted_peers_in_every_spelling(client: str) -> None:
    assert source(client, proto="https").scheme == "https"


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("192.0.2.1, 192.0.2.2", "192.0.2.2"),
        ("6.6.6.6, 192.0.2.2, 10.1.0.5, 127.0.0.1", "192.0.2.2"),
        ("10.1.0.5", "10.1.0.5"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::2]:4711", "2001:db8::2"),
        ("2001:db8::2", "2001:db8::2"),
        ("", "127.0.0.1"),
        ("unknown", "127.0.0.1"),
        ("fe80::1%eth0", "127.0.0.1"),
        ("192.0.2.1, <script>", "127.0.0.1"),
        ("1.2.3.4, " * 2000, "127.0.0.1"),
    ],
)
def test_hostile_158_the_last_address_that_is_no_proxy_of_ours(header: str, address: str) -> None:
    assert source(**{"for": header}).address == address


@pytest.mark.parametrize("value", ["", "ftp", "https, http", "https\t;", "x" * 5000])
def test_a_scheme_that_is_none_is_ignored(value: str) -> None:
    assert source(proto=value).scheme == "http"


@pytest.mark.parametrize("value", ["", "a, b", "a/b", "a@b", "x" * 300, "a:b", "[::1"])
def test_a_host_that_is_none_is_ignored(value: str) -> None:
    assert source(host=value).host == "own.example:8000"


@pytest.mark.parametrize("value", ["", "/", "no", "//evil.example", "/a//b", "/a b", "/../x\r\n", "/a?b"])
def test_a_prefix_that_is_none_is_ignored(value: str) -> None:
    assert source(prefix=value).prefix == ""
