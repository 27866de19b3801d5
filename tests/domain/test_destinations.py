# SPDX-License-Identifier: Apache-2.0
"""Where this server connects to when a stranger chose the address (hostile-217)."""

from __future__ import annotations

import pytest

from packhouse.domain.destinations import is_permitted, read_destination, read_networks
from packhouse.domain.pictures import media_type_of


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0",
        "fd00::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "::ffff:7f00:1",
        "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1",
        "2001:0:1::1", "100::1", "nonsense", "", "127.1", "2130706433",
    ],
)  # fmt: skip
def test_hostile_217_addresses_that_are_not_asked(address: str) -> None:
    assert not is_permitted(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert is_permitted(address)


def test_hostile_217_unless_allow_listed() -> None:
    allowed = read_networks(["10.1.0.0/16", "::1"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "::1"):
        assert is_permitted(address, allowed)
    for address in ("10.2.0.1", "127.0.0.1", "::2"):
        assert not is_permitted(address, allowed)


@pytest.mark.parametrize(
    "url",
    [
        "gopher://x.example/", "file:///etc/passwd", "ftp://x.example/", "unix:///run/x.sock", "http+unix://x/y",
        "//x.example/",         "http://user:pw@x.example/", "http://a@b@c/", "http://x.example:0/",
        "http://x.example:99999/", "http://x.example:x/",
        "http://", "http:///x", "http://a b/", "http://x\n.example/", "http://x.example/\r\nHost: y", "http://[::1",
        "http://x_\u0000/", "https:x.example", "http://" + "a" * 3000, "", "http://x.example\\@127.0.0.1/", "http://%31/",
    ],
)  # fmt: skip
def test_hostile_217_urls_that_are_not_asked(url: str) -> None:
    assert read_destination(url) is None


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://x.example", ("http", "x.example", 80, "/")),
        ("HTTPS://X.Example:8443/a%20b?c=d&e#f", ("https", "x.example", 8443, "/a%20b?c=d&e")),
        ("http://b\u00fccher.example/\u00fc", ("http", "xn--bcher-kva.example", 80, "/%C3%BC")),
        ("http://[::1]/x", ("http", "::1", 80, "/x")),
        ("http://2130706433/", ("http", "2130706433", 80, "/")),
        ("http://x.example//evil.example/y", ("http", "x.example", 80, "//evil.example/y")),
    ],
)
def test_urls_in_parts(url: str, parts: tuple[str, str, int, str]) -> None:
    assert read_destination(url) == parts


@pytest.mark.parametrize(
    ("beginning", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0 ftypavif", "image/avif"),
        (b"RIFF\x10\0\0\0WAVE", None),
        (b"\0\0\0 ftypmp42", None),
        (b"<svg xmlns=", None),
        (b"<?xml version='1.0'?><svg", None),
        (b"<!doctype html>", None),
        (b" \x89PNG\r\n\x1a\n", None),
        (b"BM", None),
        (b"", None),
    ],
)
def test_hostile_149_pictures_by_their_first_bytes(beginning: bytes, media_type: str | None) -> None:
    assert media_type_of(beginning) == media_type
