# SPDX-License-Identifier: Apache-2.0
"""Links a project gives of itself (hostile-152, 153): http and https alone, the host in ASCII, nothing vouched for."""

from __future__ import annotations

import pytest

from packhouse.domain.links import Link, ascii_host, project_links


def one(url: str, label: str = "A") -> Link:
    (link,) = project_links({"project_urls": [(label, url)]})
    return link


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", " JaVaScRiPt:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil.example/x",
        "https://index.example@evil.example", "https://user:password@evil.example/", "ftp://x.example", "https:evil",
        "https:\\\\evil.example", "https://", "https://[::1", "https://a b/", "nonsense",
        "https://\u2100.example\u2024x\ud800/",
    ],
)  # fmt: skip
def test_hostile_152_what_is_text_and_never_a_link(url: str) -> None:
    link = one(url)
    assert (link.url, link.host) == ("", "")
    assert link.text


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.org/a?b#c", "example.org"),
        ("HTTP://Example.ORG:8080", "example.org"),
        ("https://\u0430pple.com/", "xn--pple-43d.com"),
        ("https://b\u00fccher.example/", "xn--bcher-kva.example"),
        ("https://\uff45\uff56\uff49\uff4c.example/", "evil.example"),
        ("https://[2001:db8::1]/", "2001:db8::1"),
    ],
)
def test_hostile_152_hosts_are_shown_in_ascii(url: str, host: str) -> None:
    assert one(url) == Link("A", url, host)
    assert ascii_host(url) == host


def test_hostile_152_labels_are_short_and_stand_once() -> None:
    assert one("https://a.example", "x" * 40).label == "x" * 31 + "\u2026"
    core = {"home_page": "https://a.example", "project_urls": [("Homepage", "https://b.example")], "download_url": ""}
    assert [link.url for link in project_links(core)] == ["https://a.example"]


def test_hostile_18_control_characters_are_left_out() -> None:
    assert one("x\x1b[31m", "a\x07b") == Link("ab", text="x[31m")
