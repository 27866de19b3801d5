# SPDX-License-Identifier: Apache-2.0
"""Which addresses are the edge's."""

from __future__ import annotations

import pytest

from packhouse.edge.routes import FileTarget, PageTarget, PastTarget, target_of

SHA256 = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/simple/", PageTarget("main", "")),
        ("/simple/foo/", PageTarget("main", "foo")),
        ("/simple/foo-bar-2/", PageTarget("main", "foo-bar-2")),
        ("/index/dev/simple/", PageTarget("dev", "")),
        ("/index/dev/simple/foo/", PageTarget("dev", "foo")),
        (f"/files/{SHA256}/foo-1.0.tar.gz", FileTarget("main", SHA256, "foo-1.0.tar.gz")),
        (f"/files/{SHA256}/foo-1.0+x-py3-none-any.whl", FileTarget("main", SHA256, "foo-1.0+x-py3-none-any.whl")),
        ("/@2026-11-01/simple/", PastTarget("main", "", "2026-11-01")),
        ("/index/dev/@serial-7/simple/foo/", PastTarget("dev", "foo", "serial-7")),
        (f"/index/dev/files/{SHA256}/f.metadata", FileTarget("dev", SHA256, "f.metadata")),
    ],
)
def test_the_edges_own(path: str, target: PageTarget | PastTarget | FileTarget) -> None:
    assert target_of(path) == target


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/simple",
        "/simple/foo",
        "/simple/Foo/",
        "/simple/foo_bar/",
        "/simple/foo--bar/",
        "/simple/foo/\n",
        "/simple/-foo/",
        "/simple/foo/x/",
        "/simple/\u212aelvin/",
        "/@2026-11-01/simple",
        "/index/dev/@serial-7/simple/Foo/",
        "/index/Dev/simple/",
        "/index/dev",
        f"/files/{SHA256[1:]}/x.whl",
        f"/files/{SHA256.upper()}/x.whl",
        f"/files/{SHA256}/a/b",
        f"/files/{SHA256}/.hidden",
        f"/files/{SHA256}/",
        "/legacy/",
    ],
)
def test_the_origins(path: str) -> None:
    assert target_of(path) is None
