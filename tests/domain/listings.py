# SPDX-License-Identifier: Apache-2.0
"""Listings for the tests of what is rendered from them."""

from __future__ import annotations

from datetime import UTC, datetime

from packhouse.domain.listing import ListedFile, ProjectListing, RootEntry, RootListing, Status

UPLOADED = datetime(2024, 1, 17, 16, 53, 12, 779164, tzinfo=UTC)

WHEEL = ListedFile(
    filename="my_pkg-1.0+cpu-py3-none-any.whl",
    version="1.0+cpu",
    sha256="ab" * 32,
    size=1234,
    upload_time=UPLOADED,
    requires_python=">=3.8,<4",
    metadata_sha256="cd" * 32,
    provenance="https://index.example/integrity/my-pkg/1.0/my_pkg-1.0-py3-none-any.whl/provenance",
)
SDIST = ListedFile(
    filename="my_pkg-0.9.tar.gz",
    version="0.9",
    sha256="01" * 32,
    size=99,
    upload_time=datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC),
    yanked="",
)
BROKEN = ListedFile(
    filename="my_pkg-0.8-py2.py3-none-any.whl",
    version="0.8",
    sha256="23" * 32,
    size=0,
    upload_time=UPLOADED,
    yanked='broken "wheel" <on>\nWindows & elsewhere – ’twas\x00 bad',
    provenance="http://index.example/not-https",
)

FULL = ProjectListing(
    name="my-pkg",
    display_name="My.Pkg",
    serial=4711,
    files=(BROKEN, SDIST, WHEEL),
    versions=("0.8", "0.9", "1.0+cpu"),
    status=Status.DEPRECATED,
    status_reason='use "other" <now> & here',
)
EMPTY = ProjectListing(name="foo", display_name="Foo", serial=7, files=(), versions=())

ROOT = RootListing(
    serial=4712,
    projects=(RootEntry("a-b", "A.b", 3), RootEntry("my-pkg", "My.Pkg", 4711), RootEntry("zope", "zope", 9)),
)
