# SPDX-License-Identifier: Apache-2.0
"""The reason of each row of the upload contract, by its tag (groups A to E), on an index with the profile `private`."""

from __future__ import annotations

from typing import Any

import pytest
from tests.corpus import make_metadata
from tests.http.client import UV_ERRORS, File, Site, file_part, fresh, sdist, text_part, wheel

pytestmark = pytest.mark.once  # both servers judge by the same code

FORMS: dict[str, tuple[dict[str, Any], int, str]] = {
    "A1": ({}, 400, "field-is-file"),
    "B1": ({"protocol_version": "2"}, 400, "protocol-unknown"),
    "B2": ({"name": None}, 400, "name-missing"),
    "B3": ({"name": "foo-"}, 400, "name-invalid"),
    "B4": ({"filetype": None}, 400, "filetype-missing"),
    "B5": ({"filetype": "bdist_egg"}, 400, "filetype-unknown"),
    "B6": ({"sha256_digest": "0" * 63}, 400, "digest-invalid"),
    "B7": ({"blake2_256_digest": "x" * 64}, 400, "digest-invalid"),
    "B8": ({"pyversion": None}, 400, "pyversion-missing"),
    "C2": ({"version": None}, 400, "version-missing"),
    "C3": ({"version": "dog"}, 400, "version-invalid"),
    "C6": ({"summary": ["a", "b"]}, 400, "field-repeated"),
    "E3": ({"filetype": "sdist", "pyversion": "source"}, 400, "extension-mismatch"),
    "E8": ({"sha256_digest": "0" * 64}, 400, "digest-mismatch"),
    "E17": ({"name": "another"}, 400, "name-mismatch"),
    "E23": ({"version": "6.6"}, 400, "version-mismatch"),
    "E29-not-JSON": ({"attestations": "nonsense"}, 400, "attestations-unsupported"),
    "E29-JSON": ({"attestations": '[{"version": 1}]'}, 400, "attestations-unsupported"),
    "L1-submit": ({"action": "submit"}, 410, "action-gone"),
    "decision-2": ({"action": "nonsense"}, 400, "action-unknown"),
    "decision-5": ({"comment": "x" * 70_000}, 413, "field-too-large"),
    "hostile-17": ({"summary": b"\xff"}, 400, "field-not-utf8"),
}


@pytest.mark.parametrize("row", FORMS)
def test_form(site: Site, row: str):
    fields, status, reason = FORMS[row]
    parts = [text_part("author", "x", '; filename="x"')] if row == "A1" else []
    parts += [text_part(name, value) for name, value in fields.items() if isinstance(value, bytes)]
    texts: dict[str, Any] = {name: value for name, value in fields.items() if not isinstance(value, bytes)}
    name = fresh()
    answer = site.upload(wheel(name), accept=UV_ERRORS, parts=parts, **texts)
    assert (answer.status, answer.json()["reason"]) == (status, reason), answer.text
    assert answer.json()["errors"][0]["help"].endswith(f"#{reason}")
    assert site.ask(f"/simple/{name}/").status == 404


def test_B9(site: Site):
    assert site.upload(sdist(fresh()), accept=UV_ERRORS, pyversion="py3").json()["reason"] == "pyversion-invalid"


def test_D1(site: Site):
    answer = site.upload(None, accept=UV_ERRORS, name="x", version="1.0", filetype="bdist_wheel", pyversion="py3")
    assert [error["reason"] for error in answer.json()["errors"]] == ["file-missing"]


def test_hostile_2_and_3(site: Site):
    name = fresh()
    twice = site.upload(wheel(name), accept=UV_ERRORS, parts=[file_part(wheel(name))])
    assert (twice.status, twice.json()["reason"]) == (400, "field-repeated")
    plain = site.upload(None, accept=UV_ERRORS, name=name, parts=[text_part("content", "x")])
    assert (plain.status, plain.json()["reason"]) == (400, "content-not-a-file")


METADATA: dict[str, tuple[list[str], str, str]] = {
    "C1": ([], "9.9", "metadata-version-invalid"),
    "C5": (["Summary: " + "x" * 513], "2.4", "summary-invalid"),
    "C6": (["Author: a", "Author: b"], "2.4", "metadata-field-repeated"),
    "C6-label": (["Project-URL: a, https://a", "Project-URL: a, https://b"], "2.4", "metadata-field-repeated"),
    "C12-requires-dist": (["Requires-Dist: foo bar"], "2.4", "requirement-invalid"),
    "C12-requires-python": (["Requires-Python: abc"], "2.4", "requires-python-invalid"),
    "C12-provides-extra": (["Provides-Extra: a b"], "2.4", "extra-invalid"),
    "C13-file": (["Requires-Dist: a @ file:///x"], "2.4", "direct-url-forbidden"),
    "C14": (["Provides-Dist: foo bar"], "2.4", "requirement-invalid"),
    "C14-url": (["Obsoletes-Dist: a @ https://x.example/a.whl"], "2.4", "direct-url-forbidden"),
    "C15": (["Dynamic: Foo"], "2.4", "dynamic-invalid"),
    "C16": (["License-Expression: MIT"], "2.3", "metadata-field-too-new"),
    "C17": (["License: MIT", "License-Expression: MIT"], "2.4", "license-twice"),
    "C18": (["License-Expression: Foo-1.0"], "2.4", "license-expression-invalid"),
    "C19": (["License-File: ../L"], "2.4", "license-file-invalid"),
    "C20": (["Description-Content-Type: text/html"], "2.4", "description-content-type-invalid"),
    "C21": (["Import-Name: foo bar"], "2.5", "import-name-invalid"),
    "E19": (["License-File: LICENSE"], "2.4", "license-file-missing"),
    "hostile-135-MIME": (["Content-Transfer-Encoding: base64"], "2.4", "metadata-malformed"),
    "hostile-138": (["Requires-Dist: a;" + "(" * 3000], "2.4", "metadata-field-too-complex"),
    "hostile-141": (["Author-Email: " + ",".join(["a@b.cd"] * 300)], "2.4", "people-too-many"),
}


@pytest.mark.parametrize("row", METADATA)
@pytest.mark.parametrize("make", [wheel, sdist], ids=["wheel", "sdist"])
def test_metadata(site: Site, make: Any, row: str):
    lines, version, reason = METADATA[row]
    summary = "" if lines and lines[0].startswith("Summary") else "x"
    file = make(fresh(), lines=lines, metadata_version=version, summary=summary)
    answer = site.upload(file, accept=UV_ERRORS)
    assert answer.status == 400, answer.text
    assert [error["reason"] for error in answer.json()["errors"]] == [reason]


FILENAMES: dict[str, tuple[str, str]] = {
    "E1": ("some_thing-1.0\x7f-py3-none-any.whl", "filename-control-character"),
    "E2": ("../some_thing-1.0-py3-none-any.whl", "filename-with-path"),
    "E4": ("some_thing-1.0.egg", "extension-unknown"),
    "E16": ("some_thing-dog.tar.gz", "sdist-filename-invalid"),
    "E18": ("Some_Thing-1.0.tar.gz", "sdist-filename-not-normalized"),
    "E20": ("some_thing-1.0.whl", "wheel-filename-invalid"),
    "E22": ("Some_Thing-1.0-py3-none-any.whl", "wheel-filename-not-normalized"),
    "E28": (f"some_thing-1.0-py3-none-{'a' * 300}.whl", "filename-too-long"),
    "hostile-48": (f"some_thing-1.0-{'.'.join(['p'] * 50)}-{'.'.join(['a'] * 50)}-any.whl", "wheel-filename-invalid"),
}


@pytest.mark.parametrize("row", FILENAMES)
def test_filenames(site: Site, row: str):
    filename, reason = FILENAMES[row]
    whole = wheel("some-thing")[1]
    kind = {"filetype": "sdist", "pyversion": "source"} if ".tar" in filename else {"filetype": "bdist_wheel"}
    fields: dict[str, Any] = {"pyversion": "py3"} | kind
    answer = site.upload((filename, whole), accept=UV_ERRORS, name="some-thing", version="1.0", **fields)
    assert answer.status == 400, answer.text
    assert answer.json()["reason"] == reason, answer.text


def files(name: str) -> dict[str, tuple[File, str]]:
    """What is wrong with the file as a whole: row of the contract -> the file, the reason."""
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    filename, data = wheel(name)
    source, packed = sdist(name)
    return {
        "E14-no-zip": ((filename, b"not a zip" * 9), "archive-unreadable"),
        "E14-no-tarfile": ((source, b"not a tar" * 9), "archive-unreadable"),
        "E14-WHEEL": (wheel(name, without=["WHEEL"]), "wheel-missing"),
        "E14-PKG-INFO": (sdist(name, without=["PKG-INFO"]), "pkg-info-missing"),
        "E15-trailing": ((filename, data + b"x"), "zip-trailing-data"),
        "E17-inside": (wheel(name, metadata=make_metadata("another", "1.0")), "filename-name-mismatch"),
        "E23-inside": (wheel(name, metadata=make_metadata(name, "6.6")), "filename-version-mismatch"),
        "E24": (wheel(name, without=["RECORD"]), "record-missing"),
        "E26": (wheel(name, files={f"{info}/entry_points.txt": b"[gui_scripts]\na/b = x\n"}), "entry-points-invalid"),
        "E27": (wheel(name, without=["METADATA"]), "metadata-missing"),
        "hostile-29": ((filename, b""), "file-empty"),
        "hostile-122": ((source, packed[:-9]), "gzip-truncated"),
    }  # fmt: skip


@pytest.mark.parametrize("row", files("x"))
def test_files(site: Site, row: str):
    name = fresh()
    file, reason = files(name)[row]
    answer = site.upload(file, accept=UV_ERRORS)
    assert (answer.status, answer.json()["reason"]) == (400, reason), answer.text
    assert site.ask(f"/simple/{name}/").status == 404


def test_E10_E11_E13_hostile_63(site: Site):
    name = fresh()
    site.publish(wheel(name))
    site.publish(sdist(name))
    for file, reason in (
        (wheel(name, description="other"), "file-exists"),
        (wheel(name, "1.0.0", description="other"), "filename-clash"),
        (sdist(name, "1.0.0"), "filename-clash"),
    ):
        answer = site.upload(file, accept=UV_ERRORS)
        assert (answer.status, answer.json()["reason"]) == (400, reason)
    site.must("delete", f"{name}==1.0", "--yes")
    answer = site.upload(wheel(name), accept=UV_ERRORS)
    assert (answer.status, answer.json()["reason"]) == (400, "filename-used")


def test_A4_A5_D12_D14(site: Site):
    """Without credentials, with bad ones, with somebody else's, with a token of another project."""
    name = fresh()
    site.publish(wheel(name))
    narrow = site.make_token(site.owner, "--project", "elsewhere")
    for token, status, reason in (
        (None, 401, "unauthenticated"),
        ("pkh_nonsense", 401, "token-unknown"),
        (site.stranger_token, 403, "project-forbidden"),
        (narrow, 403, "token-project"),
    ):
        answer = site.upload(wheel(name, "2.0"), accept=UV_ERRORS, token=token)
        assert (answer.status, answer.json()["reason"]) == (status, reason), answer.text
        assert answer.json()["errors"][0]["help"].endswith(f"/help/upload-errors/#{reason}")
