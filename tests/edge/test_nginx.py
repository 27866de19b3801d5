# SPDX-License-Identifier: Apache-2.0
"""What our replies say to an nginx in front, and the marks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from packhouse.edge.http import FileRange, Reply
from packhouse.edge.nginx import FILL_SECONDS, KEPT_SECONDS, Place, configuration, for_nginx
from packhouse.storage.marks import LASTING, ROOT, Marks, names_of

PUBLIC = (("etag", '"x"'), ("surrogate-key", "index/main"))


@pytest.mark.parametrize("path", ["/simple/", "/simple/a/", "/index/dev/simple/a/", "/files/00/a-1.0.tar.gz.metadata"])
@pytest.mark.parametrize("status", [200, 304])
def test_public_pages_and_metadata_may_be_kept_for_a_while(path: str, status: int) -> None:
    kept = dict(for_nginx(Reply(status, PUBLIC, b"x"), path, "/blobs/sha256/").headers)
    assert kept["x-accel-expires"] == str(KEPT_SECONDS)


@pytest.mark.parametrize(
    ("status", "headers", "path"),
    [
        (200, (("cache-control", "private"),), "/simple/a/"),
        (404, PUBLIC, "/simple/a/"),
        (401, PUBLIC, "/simple/a/"),
        (200, PUBLIC, "/pypi/a/json"),
        (200, PUBLIC, "/files/00/a-1.0.tar.gz"),
    ],
)
def test_nothing_else_may(status: int, headers: tuple[tuple[str, str], ...], path: str) -> None:
    assert for_nginx(Reply(status, headers, b"x"), path, "/blobs/sha256/") == Reply(status, headers, b"x")


def test_a_whole_blob_is_named_and_a_part_of_one_is_sent() -> None:
    headers = (("etag", '"x"'), ("content-length", "5"))
    whole = Reply(200, headers, FileRange("/blobs/sha256/ab/cd/abcd", 0, 5))
    assert for_nginx(whole, "/files/x", "/blobs/sha256/") == Reply(
        200, (("etag", '"x"'), ("x-accel-redirect", "/_blob/ab/cd/abcd")), None
    )
    part = Reply(206, headers, FileRange("/blobs/sha256/ab/cd/abcd", 1, 5))
    assert for_nginx(part, "/files/x", "/blobs/sha256/") == part
    other = Reply(200, headers, FileRange("/proc/self/fd/9", 0, 5))
    assert for_nginx(other, "/files/x", "/blobs/sha256/") == other


def test_marks_outlast_whatever_may_be_kept() -> None:
    assert LASTING >= KEPT_SECONDS + 3 * FILL_SECONDS


def test_marks_are_made_new_and_end(tmp_path: Path) -> None:
    marks = Marks(tmp_path)
    marks.mark(names_of("a-b"))
    assert {path.name for path in tmp_path.iterdir()} == {"a-b", "a_b", ROOT}
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    marks.mark(["a-b"])
    assert marks.sweep() == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a-b"]


def test_without_a_folder_nothing_is_marked(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "none")
    marks.mark(["a"])
    assert marks.sweep() == 0
    assert not (tmp_path / "none").exists()


def test_the_secret_and_the_addresses_are_in_the_configuration(tmp_path: Path) -> None:
    place = Place(
        tmp_path, tmp_path, tmp_path, tmp_path, "127.0.0.1:1", "127.0.0.1:2", "s3cret", 3, ("10.0.0.0/8",), as_root=True
    )
    text = configuration(place)
    assert "proxy_set_header x-packhouse-front s3cret;" in text
    assert "listen 127.0.0.1:1;" in text
    assert "server 127.0.0.1:2;" in text
    assert "10.0.0.0/8 1;" in text
    assert "worker_processes 3;" in text
