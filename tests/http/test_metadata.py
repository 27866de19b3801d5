# SPDX-License-Identifier: Apache-2.0
"""Core metadata beside files (standards D1 to D7, check 15; decision 6; hostile-172)."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from tests.http.client import Site, fresh, sdist, sha256, wheel

NAME = "shelf-sample-project"


def inside(filename: str, data: bytes) -> bytes:
    """The METADATA or PKG-INFO in an archive."""
    if filename.endswith(".whl"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read(next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA")))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = tar.extractfile(next(n for n in tar.getnames() if n.count("/") == 1 and n.endswith("/PKG-INFO")))
        assert member
        return member.read()


def test_D1_D2_D3_check_13_15_what_is_advertised_is_served_byte_for_byte(shelf: Site):
    advertised = 0
    for filename, data in shelf.shelf.values():
        entry = shelf.entry(NAME, filename)
        answer = shelf.ask(shelf.file_path(NAME, filename) + ".metadata")
        if entry["core-metadata"]:
            advertised += 1
            assert answer.status == 200
            assert answer.body == inside(filename, data)
            assert entry["core-metadata"] == {"sha256": sha256(answer.body)}
        else:
            assert answer.status == 404
    assert advertised == 3


@pytest.mark.parametrize(
    ("lines", "version", "served"),
    [
        pytest.param([], "2.2", True, id="D6-2.2"),
        pytest.param([], "2.1", False, id="D6-2.1"),
        pytest.param(["Dynamic: Requires-Dist"], "2.3", False, id="D6-requires-dist"),
        pytest.param(["Dynamic: Requires-Python"], "2.3", False, id="D6-requires-python"),
        pytest.param(["Dynamic: Provides-Extra"], "2.3", False, id="D6-provides-extra"),
        pytest.param(["Dynamic: Description"], "2.3", True, id="D6-description"),
    ],
)
def test_metadata_of_an_sdist(site: Site, lines: list[str], version: str, served: bool):
    name = fresh()
    filename, _ = site.publish(sdist(name, lines=lines, metadata_version=version))
    assert bool(site.entry(name, filename)["core-metadata"]) is served
    status = site.ask(site.file_path(name, filename) + ".metadata").status
    assert status == (200 if served else 404)  # hostile-172


def test_D4_no_query_in_any_address(shelf: Site):
    assert not any("?" in file["url"] for file in shelf.json(f"/simple/{NAME}/")["files"])
    assert "?" not in shelf.ask(f"/simple/{NAME}/").text


def test_D5_type_and_caching_of_metadata(shelf: Site):
    filename = next(iter(shelf.shelf))
    answer = shelf.ask(shelf.file_path(NAME, filename) + ".metadata", accept_encoding="gzip, br, zstd")
    assert answer["content-type"] in {"application/octet-stream", "text/plain; charset=utf-8"}
    assert "immutable" in answer["cache-control"]
    assert answer["access-control-allow-origin"] == "*"
    assert answer["etag"] == f'"{sha256(answer.body)}"'
    assert "content-encoding" not in answer


def test_D5_metadata_answers_head_conditions_and_ranges(shelf: Site):
    path = shelf.file_path(NAME, next(iter(shelf.shelf))) + ".metadata"
    whole = shelf.ask(path)
    assert shelf.ask(path, "HEAD")["content-length"] == str(len(whole.body))
    assert shelf.ask(path, if_none_match=whole["etag"]).status == 304
    part = shelf.ask(path, range="bytes=3-9")
    assert (part.status, part.body) == (206, whole.body[3:10])


def test_D1_the_bytes_of_metadata_are_never_written_anew(site: Site):
    name = fresh()
    odd = f"Metadata-Version: 2.1\r\nName: {name}\r\nVersion: 1.0\r\nX-Odd: kept\r\n\r\nBody \u00e9\r\n".encode()
    filename, _ = site.publish(wheel(name, metadata=odd))
    assert site.ask(site.file_path(name, filename) + ".metadata").body == odd
