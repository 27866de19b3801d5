# SPDX-License-Identifier: Apache-2.0
"""The JSON pages (standards J1 to J15, checks 11 to 13)."""

from __future__ import annotations

import re

from tests.http.client import V1_JSON, Site, fresh, sha256, wheel
from tests.http.conftest import SHELF

NAME = "shelf-sample-project"
PAGE = f"/simple/{NAME}/"


def test_J1_objects_with_a_version(shelf: Site):
    for path in ("/simple/", PAGE):
        page = shelf.json(path)
        assert type(page) is dict
        assert re.match(r"^\d+\.\d+$", page["meta"]["api-version"])


def test_J2_root_has_serials_of_whole_numbers(shelf: Site):
    root = shelf.json("/simple/")
    assert type(root["meta"]["_last-serial"]) is int
    assert {(type(p["name"]), type(p["_last-serial"])) for p in root["projects"]} == {(str, int)}


def test_J3_keys_of_a_project(shelf: Site):
    page = shelf.json(PAGE)
    assert page["name"] == NAME
    assert {"meta", "name", "files", "versions", "project-status"} == set(page)


def test_J4_check_13_13_versions_are_those_of_the_files_in_order(shelf: Site):
    assert shelf.json(PAGE)["versions"] == ["1.0", "1.0+cpu", "2.0"]


def test_J4_I18_equal_versions_are_one_release(site: Site):
    name = fresh()
    site.publish(wheel(name, "1.0"))
    site.publish(wheel(name, "1.0.0", tags="py2-none-any"))
    page = site.json(f"/simple/{name}/")
    assert len(page["files"]) == 2
    assert len(page["versions"]) == len(set(page["versions"])) == 1


def test_J5_J6_J9_what_is_said_of_each_file_is_true(shelf: Site):
    for filename, data in shelf.shelf.values():
        entry = shelf.entry(NAME, filename)
        assert entry["hashes"] == {"sha256": sha256(data)}
        assert type(entry["size"]) is int
        assert entry["size"] == len(data)
        assert entry["filename"] == entry["url"].rpartition("/")[2].replace("%2B", "+") == filename


def test_J7_check_13_12_upload_time_has_six_digits(shelf: Site):
    for file in shelf.json(PAGE)["files"]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", file["upload-time"])


def test_J8_requires_python_is_not_escaped_and_absent_where_there_is_none(shelf: Site):
    said = [file.get("requires-python", "absent") for file in shelf.json(PAGE)["files"]]
    assert sorted(said) == [">=3.8,<4", ">=3.8,<4", ">=3.8,<4", "absent"]


def test_J10_check_13_11_no_nulls_where_clients_stumble(shelf: Site):
    for file in shelf.json(PAGE)["files"]:
        assert None not in [file[key] for key in ("size", "yanked", "url", "upload-time", "filename")]
        assert file["yanked"] is False


def test_J11_J13_J14_absent_where_there_is_nothing_to_say(shelf: Site):
    page = shelf.json(PAGE)
    assert "namespaces" not in page
    for file in page["files"]:
        assert file.get("provenance") is None
        assert "gpg-sig" not in file


def test_J12_status_is_an_object_of_its_own(shelf: Site):
    assert shelf.json(PAGE)["project-status"] == {"status": "active"}


def test_J15_the_same_files_in_the_same_order_in_both_formats(shelf: Site):
    listed = [(file["filename"], file["hashes"]["sha256"]) for file in shelf.json(PAGE)["files"]]
    linked = re.findall(r"#sha256=([0-9a-f]{64})[^>]*>([^<]+)</a>", shelf.ask(PAGE).text)
    assert listed == [(filename, digest) for digest, filename in linked]


def test_J15_bytes_are_stable_sorted_and_compact(shelf: Site):
    bodies = {shelf.ask(PAGE, accept=V1_JSON).body for _ in range(4)}
    assert len(bodies) == 1
    body = bodies.pop()
    assert body.endswith(b"}\n")
    assert b": " not in body.partition(b'"yanked"')[0]
    keys = list(shelf.json(PAGE))
    assert keys == sorted(keys)


def test_data_dist_info_metadata_is_no_key_of_json(shelf: Site):
    """Decision 2: as an object it crashes an old pip."""
    for file in shelf.json(PAGE)["files"]:
        assert not {"dist-info-metadata", "data-dist-info-metadata"} & set(file)


def test_the_root_lists_display_names_in_order_of_normalized_ones(shelf: Site):
    names = [p["name"] for p in shelf.json("/simple/")["projects"]]
    assert SHELF in names
    assert names == sorted(names, key=lambda name: re.sub(r"[-_.]+", "-", name).lower())
