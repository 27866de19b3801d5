# SPDX-License-Identifier: Apache-2.0
"""A stored file that the disk has lost or changed (group F, row 12): refused, never half sent, mended by its upload."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.http.client import Answer, File, Site, fresh, sha256, wheel

LARGE = 200_000
"""Bytes of a file that is sent from the disk; smaller ones may be in the edge's memory."""


def blob_of(site: Site, digest: str) -> Path:
    return site.server.data / "blobs" / "sha256" / digest[:2] / digest[2:4] / digest


def set_aside(path: Path) -> None:
    aside = path.parents[3] / "damaged"
    aside.mkdir(exist_ok=True)
    path.replace(aside / path.name)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "set aside": set_aside,
    "cut short": cut_short,
    "emptied": emptied,
}


def published(site: Site, name: str, size: int) -> File:
    return site.publish(wheel(name, files={f"{name}/data.bin": os.urandom(size)}))


def expect_damaged(answer: Answer) -> None:
    assert answer.status == 502, answer.text
    assert answer["cache-control"] == "no-store"
    assert answer.type == "text/plain"
    assert "content-disposition" not in answer
    assert "etag" not in answer
    assert answer.text == "The stored file is missing or damaged; an administrator may run `packhouse verify`.\n"


@pytest.mark.parametrize("damage", ["missing", "set aside", "cut short"])
@pytest.mark.parametrize("size", [LARGE, 1000], ids=["large", "small"])
@pytest.mark.parametrize("asked_before", [False, True], ids=["cold", "warm"])
def test_fault_12_a_damaged_file_is_502_and_the_same_upload_mends_it(
    site: Site, damage: str, size: int, asked_before: bool
):
    name = fresh("rotten")
    file, other = published(site, name, size), published(site, fresh("sound"), size)
    path = site.file_path(name, file[0])
    if asked_before:
        assert site.ask(path).body == file[1]
    DAMAGE[damage](blob_of(site, sha256(file[1])))
    for answer in (site.ask(path), site.ask(path, range="bytes=5-9"), site.ask(path, "HEAD")):
        if asked_before and size < LARGE and answer.status in {200, 206}:
            assert answer.body in {file[1], file[1][5:10], b""}  # a worker that has it in memory
        elif answer.body:
            expect_damaged(answer)
        else:
            assert (answer.status, answer["cache-control"]) == (502, "no-store")
    assert site.ask(site.file_path(other[0].split("-")[0].replace("_", "-"), other[0])).body == other[1]
    assert file[0] in site.ask(f"/simple/{name}/").text
    assert "here already" in site.publish_again(file)
    answer = site.ask(path)
    assert (answer.status, answer.body) == (200, file[1])
    assert site.ask(path, range="bytes=5-9").body == file[1][5:10]


@pytest.mark.parametrize("damage", DAMAGE)
def test_fault_12_damaged_metadata_is_502_and_the_same_upload_mends_it(site: Site, damage: str):
    name = fresh("rotten")
    file = published(site, name, 1000)
    path = site.file_path(name, file[0]) + ".metadata"
    digest = site.entry(name, file[0])["core-metadata"]["sha256"]
    DAMAGE[damage](blob_of(site, digest))
    expect_damaged(site.ask(path))
    expect_damaged(site.ask(path, range="bytes=0-3"))
    answer = site.ask(path, "HEAD")
    assert (answer.status, answer.body) == (502, b"")
    assert site.ask(path.removesuffix(".metadata")).body == file[1]
    site.publish_again(file)
    answer = site.ask(path)
    assert (answer.status, sha256(answer.body)) == (200, digest)


@pytest.mark.parametrize("what", ["file", "metadata"])
def test_fault_12_changed_bytes_of_a_small_file_are_never_sent(site: Site, what: str):
    name = fresh("rotten")
    file = published(site, name, 1000)
    path = site.file_path(name, file[0])
    digest = sha256(file[1])
    if what == "metadata":
        path, digest = path + ".metadata", site.entry(name, file[0])["core-metadata"]["sha256"]
    blob = blob_of(site, digest)
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    expect_damaged(site.ask(path))
    site.publish_again(file)
    assert sha256(site.ask(path).body) == digest
