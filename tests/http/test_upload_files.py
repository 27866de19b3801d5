# SPDX-License-Identifier: Apache-2.0
"""Filenames, versions, duplicates and archives (upload-api group E; standards I1 to I7, I16 to I18, L6 to L8, L19 to
L23; hostile group F and the first of Z and T), on an index with the profile `private`."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from tests.corpus import make_metadata, make_zip, tar_member
from tests.http.client import UV_ERRORS, File, Site, fresh, sdist, sha256, wheel

WHEEL = wheel("some-thing")[1]
SDIST = sdist("some-thing")[1]

FILENAMES = [
    *(
        pytest.param(f"some_thing-1.0{end}", id=f"E4-I1-hostile-44{end}")
        for end in (".tar.bz2", ".tgz", ".egg", ".exe")
    ),
    pytest.param("some_thing-1.0.rpm", id="E4-I1.rpm"),
    pytest.param("some_thing-1.0.zip", id="E18-I1-hostile-44.zip"),
    pytest.param("some_thing-1.0.TAR.GZ", id="E3-hostile-44.TAR.GZ"),
    pytest.param("some_thing-1.0-py3-none-any.WHL", id="E3-hostile-47.WHL"),
    pytest.param("Some.Thing-1.0.tar.gz", id="E18-I2-hostile-44"),
    pytest.param("some-thing-1.0.tar.gz", id="E18-hostile-46"),
    pytest.param("some_thing-1.0.0-1.tar.gz", id="hostile-45-dash"),
    pytest.param("some_thing-v1.0.tar.gz", id="hostile-45-v"),
    pytest.param("some_thing-1.0.post01.tar.gz", id="hostile-45-post01"),
    pytest.param("some_thing-1.0.whl", id="E20-parts"),
    pytest.param("some_thing-1.0-q-py3-none-any.whl", id="E20-hostile-47-build"),
    pytest.param("some_thing-dog-py3-none-any.whl", id="E20-version"),
    pytest.param("Some_Thing-1.0-py3-none-any.whl", id="E22-hostile-47-case"),
    pytest.param("other-1.0-py3-none-any.whl", id="E17-hostile-43"),
    pytest.param("some_thing-6.6-py3-none-any.whl", id="E23-hostile-43"),
    pytest.param("../../etc/cron.d/x-1.0-py3-none-any.whl", id="E2-hostile-38-up"),
    pytest.param("..%2f..%2fx-1.0-py3-none-any.whl", id="hostile-38-quoted"),
    pytest.param("C:x-1.0-py3-none-any.whl", id="hostile-38-drive"),
    pytest.param("/etc/x-1.0-py3-none-any.whl", id="E2-hostile-38-absolute"),
    pytest.param("some_thing-1.0-py3-none-any.whl\x01", id="E1-hostile-39-control"),
    pytest.param("some_thing-1.0\x7f-py3-none-any.whl", id="E1-hostile-39-DEL"),
    pytest.param("some_thing-1.0-py3-none-any.whl ", id="hostile-42-blank"),
    pytest.param("some_thing-1.0-py3-none-any.whl.", id="hostile-42-dot"),
    pytest.param("CON.whl", id="hostile-42-CON"),
    pytest.param("some_thing-1.0-py3-none-" + "a" * 300 + ".whl", id="E28-hostile-41"),
    pytest.param(f"some_thing-1.0-{'.'.join(f'py{n}' for n in range(40))}-none-any.whl", id="hostile-48-tags"),
    pytest.param("", id="empty"),
]


@pytest.mark.parametrize("filename", FILENAMES)
def test_filename_is_refused(site: Site, filename: str):
    kind: dict[str, Any] = {"filetype": "bdist_wheel", "pyversion": "py3"}
    kind = {"filetype": "sdist", "pyversion": "source"} if ".tar" in filename.lower() or "zip" in filename else kind
    file = (filename, SDIST if kind["filetype"] == "sdist" else WHEEL)
    if filename.startswith("some_thing-1.0-py0."):
        file = (filename, wheel("some-thing", tags=filename[15:-4])[1])
        assert site.upload(file, name="some-thing", version="1.0").status in {200, 400}  # 40 tags are no attack
        return
    answer = site.upload(file, name="some-thing", version="1.0", **kind)
    assert answer.status == 400, answer.text
    assert site.ask("/simple/some-thing/").status in {200, 404}
    assert answer.text.count("\n") == len(answer.text.splitlines())


def test_hostile_40_filenames_in_two_spellings(site: Site):
    file = wheel(fresh())
    part = f'Content-Disposition: form-data; name="content"; filename="{file[0]}"; filename*=utf-8\'\'..%2fx\r\n\r\n'
    name = file[0].split("-")[0]
    fields: dict[str, Any] = {"name": name, "version": "1.0", "filetype": "bdist_wheel", "pyversion": "py3"}
    assert site.upload(None, parts=[part.encode() + file[1]], **fields).status == 400


def test_I2_E18_the_right_filename_is_named(site: Site):
    data = sdist("some-thing")[1]
    answer = site.upload(("Some.Thing-1.0.tar.gz", data), name="some-thing", version="1.0", filetype="sdist")
    assert "some_thing-1.0.tar.gz" in answer.text


PLATFORMS = (
    "any linux_x86_64 win_amd64 manylinux_2_28_aarch64 musllinux_1_2_x86_64 macosx_11_0_arm64 ios_13_0_arm64_iphoneos"
)
PLATFORMS += " android_21_arm64_v8a pyemscripten_2024_0_wasm32 linux_armv7l"


@pytest.mark.parametrize("platform", PLATFORMS.split())
def test_E21_I5_I6_hostile_120_well_formed_platforms_are_taken(site: Site, platform: str):
    assert site.upload(wheel(fresh(), tags=f"cp312-cp312-{platform}")).status == 200


@pytest.mark.parametrize("tags", ["cp315-abi3.abi3t-any", "cp315t-cp315t-any", "pp311-none-any", "py2.py3-none-any"])
def test_I7_python_and_abi_tags_are_free(site: Site, tags: str):
    assert site.upload(wheel(fresh(), tags=tags)).status == 200


def test_L22_I18_hostile_49_hostile_50_local_versions_and_equal_ones(site: Site):
    name = fresh()
    assert site.upload(wheel(name, "1.0+cpu")).status == 200
    site.publish(wheel(name, "1.0"))
    assert site.upload(wheel(name, "1.0.0", tags="py2-none-any")).status == 200
    assert len(site.ask(f"/pypi/{name}/1.0/json").json()["urls"]) == 2


def test_L22_check_13_32_a_local_version_is_read_back(site: Site):
    name = fresh()
    file = site.publish(wheel(name, "1.0+cpu"))
    assert site.ask(site.file_path(name, file[0])).body == file[1]


def test_E9_L6_check_13_24_hostile_59_the_same_file_again_is_200(site: Site):
    name = fresh()
    file = site.publish(wheel(name))
    before = site.json(f"/simple/{name}/")
    for _ in range(3):
        assert site.upload(file).status == 200
    assert site.json(f"/simple/{name}/") == before


@pytest.mark.parametrize("accept", ["", "text/plain", UV_ERRORS, "text/html"])
def test_E10_L7_check_13_25_hostile_60_other_bytes_under_a_taken_filename(site: Site, accept: str):
    name = fresh()
    file = site.publish(wheel(name))
    answer = site.upload(wheel(name, description="other"), accept=accept)
    assert answer.status == 400
    said = answer.json()["code"] if answer.type == "application/json" else answer.text
    assert "File already exists" in said
    if accept != "text/html":
        assert said.startswith("File already exists")
    assert site.ask(site.file_path(name, file[0])).body == file[1]


def test_E10_decision_3_hostile_61_same_bytes_under_another_filename(site: Site):
    name = fresh()
    file = wheel(name, tags="py2.py3-none-any")
    other = (file[0].replace("py2.py3", "py3.py2"), file[1])
    site.publish(file)
    answer = site.upload(other)
    assert answer.status in {200, 400}  # taken, unless the two names mean one thing (hostile-63)
    assert answer.status == 200 or "means the same" in answer.text


@pytest.mark.parametrize("second", ["1.0.0", "1.0"])
def test_hostile_63_filenames_that_mean_the_same(site: Site, second: str):
    name = fresh()
    site.publish(wheel(name, "1.0"))
    answer = site.upload(wheel(name, second, description="other"))
    assert answer.status == 400
    assert "already" in answer.text or "means the same" in answer.text


def test_E13_L23_hostile_64_one_sdist_a_release(site: Site):
    name = fresh()
    site.publish(sdist(name, "1.0"))
    answer = site.upload(sdist(name, "1.0.0"))
    assert answer.status == 400
    site.publish(sdist(name, "2.0"))


def test_E7_hostile_28_the_quota_of_a_project(site: Site):
    name = fresh()
    noise = bytes((n * 7919) % 251 for n in range(1000))
    for number in range(2):
        stored = make_big(name, f"1.{number}", noise * 2400)
        assert site.upload(stored).status == 200
    answer = site.upload(make_big(name, "1.9", noise * 2400))
    assert answer.status in {400, 413}
    assert "5000000" in answer.text
    assert site.upload(wheel(name, "2.0")).status == 200


def make_big(name: str, version: str, payload: bytes) -> File:
    """A wheel of about the size of its payload: nothing in it is compressed."""
    filename, data = wheel(name, version, files={f"{name.replace('-', '_')}/data.bin": payload})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    return filename, make_zip(members, zipfile.ZIP_STORED)


def broken(name: str) -> dict[str, File]:
    """Archives that must not be published, by what is wrong with them."""
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    filename, data = wheel(name)
    source, source_data = sdist(name)
    device = (tar_member(f"{name.replace('-', '_')}-1.0/dev", b"3"), b"")
    link = (tar_member(f"{name.replace('-', '_')}-1.0/link", b"2", "/etc/passwd"), b"")
    outside = (tar_member("../evil"), b"x")
    return {
        "E14-no-zip": (filename, b"not a zip"),
        "E14-no-gzip": (source, b"not a gzip"),
        "E14-hostile-111-polyglot-prefix": (filename, b"#!/bin/sh\n" + data),
        "E15-suffix": (filename, data + b"trailing"),
        "E14-a-zip-in-tar-clothes": (source, data),
        "E14-a-tar-in-wheel-clothes": (filename, source_data),
        "E24-I4-no-RECORD": wheel(name, without=["RECORD"]),
        "E27-I4-no-METADATA": wheel(name, without=["METADATA"]),
        "E14-I4-no-WHEEL": wheel(name, without=["WHEEL"]),
        "E24-hostile-114-RECORD-empty": wheel(name, record=b""),
        "E25-hostile-114-RECORD-no-csv": wheel(name, record=b'"\xff'),
        "E26-hostile-116-entry-points": wheel(
            name, files={f"{info}/entry_points.txt": b"[console_scripts]\na b/c = x"}
        ),
        "hostile-103-absolute": wheel(name, files={"/etc/x": b""}),
        "hostile-103-up": wheel(name, files={"a/../../x": b""}),
        "hostile-112-two-dist-infos": wheel(name, files={"other-1.0.dist-info/METADATA": b"x"}),
        "hostile-115-WHEEL-2.0": wheel(name, wheel=b"Wheel-Version: 2.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        "hostile-115-tags": wheel(name, wheel=b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2-none-any\n"),
        "I3-hostile-129-no-PKG-INFO": sdist(name, without=["PKG-INFO"]),
        "I3-hostile-129-two-tops": sdist(name, members=[(tar_member("other/x"), b"x")]),
        "hostile-126-device": sdist(name, members=[device]),
        "hostile-125-link": sdist(name, members=[link]),
        "hostile-124-up": sdist(name, members=[outside]),
        "hostile-122-truncated": (source, source_data[:-20]),
        "hostile-121-trailing": (source, source_data + b"garbage"),
        "hostile-132-other-name": sdist(name, pkg_info=make_metadata("other", "1.0")),
        "hostile-106-bomb": wheel(name, files={f"{name.replace('-', '_')}/zeros": bytes(70 * 1024 * 1024)}),
    }


@pytest.mark.parametrize("kind", sorted(broken("x")))
def test_check_13_31_I16_broken_archives_are_400_and_leave_nothing(site: Site, kind: str):
    name = fresh()
    file = broken(name)[kind]
    answer = site.upload(file, accept=UV_ERRORS)
    assert answer.status == 400, answer.text
    assert answer.json()["message"]
    assert site.ask(f"/simple/{name}/").status == 404
    assert not site.server.data.joinpath(
        "blobs", "sha256", sha256(file[1])[:2], sha256(file[1])[2:4], sha256(file[1])
    ).exists()
    assert not list((site.server.data / "blobs" / "tmp").glob("*"))


def test_I17_RECORD_signatures_are_exempt(site: Site):
    name = fresh()
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    filename, data = wheel(name)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    assert site.upload((filename, make_zip(members | {f"{info}/RECORD.jws": b"{}"}))).status == 200


def test_I15_unknown_boms_are_taken(site: Site):
    name = fresh()
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    assert site.upload(wheel(name, files={f"{info}/sboms/x.unknown": b"?"})).status == 200


def test_hostile_55_one_project_whatever_the_spelling(site: Site):
    stem = fresh("a--b")
    site.publish(wheel(stem, "1.0"), name=stem)
    site.publish(wheel(stem, "2.0"), name=stem.replace("--", "._-"))
    name = stem.replace("--", "-")
    assert len(site.json(f"/simple/{name}/")["files"]) == 2


@pytest.mark.parametrize("name", ["simple", "legacy", "files", "admin", "index", "con", "json"])
def test_hostile_57_names_that_look_like_addresses_are_projects_like_others(site: Site, name: str):
    answer = site.upload(wheel(name))
    assert answer.status in {200, 400}
    assert site.ask(f"/simple/{name}/").status == (200 if answer.status == 200 else 404)
    assert site.ask("/simple/").status == 200


def test_every_refusal_leaves_the_server_as_it_was(site: Site):
    """hostile: no row, no reachable blob, no temporary file, never a 5xx."""
    assert not list((site.server.data / "blobs" / "tmp").glob("*"))
    assert " 500 " not in site.server.output()
    assert "Traceback" not in site.server.output()
