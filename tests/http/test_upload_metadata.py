# SPDX-License-Identifier: Apache-2.0
"""Metadata of an uploaded file (upload-api group C; standards I8 to I13, I17, I19; hostile group M), index `private`.

The truth is in the file: each case here is a METADATA whose lines a build tool might have written.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.corpus import make_metadata
from tests.http.client import UV_ERRORS, Site, fresh, sdist, wheel

REFUSED = [  # id, lines, metadata version, piece of the sentence
    pytest.param([], "9.9", "etadata", id="C1-hostile-136-9.9"),
    pytest.param([], "3.0", "etadata", id="C1-I8-3.0"),
    pytest.param([], "2.0", "etadata", id="C1-2.0"),
    pytest.param([], "-1", "etadata", id="C1-odd"),
    pytest.param(["Requires-Dist: foo bar"], "2.4", "equires", id="C12-requires-dist"),
    pytest.param(["Requires-Python: abc"], "2.4", "equires", id="C12-requires-python"),
    pytest.param(['Requires-Python: >=3.6"><script>'], "2.4", "equires", id="C12-hostile-139"),
    pytest.param(["Provides-Extra: a b"], "2.4", "xtra", id="C12-provides-extra"),
    pytest.param(["Requires-Dist: a @ file:///etc/passwd"], "2.4", "a @ file", id="C13-hostile-137-file"),
    pytest.param(["Requires-Dist: a @ git+ssh://h/x"], "2.4", "git+ssh", id="C13-hostile-137-git"),
    pytest.param(["Dynamic: Foo"], "2.4", "ynamic", id="C15-unknown"),
    pytest.param(["Dynamic: Name"], "2.4", "ynamic", id="C15-I11-name"),
    pytest.param(["License-Expression: MIT"], "2.3", "icense", id="C16-license-expression"),
    pytest.param(["Dynamic: Summary"], "2.1", "ynamic", id="C16-dynamic"),
    pytest.param(["Provides-Extra: x"], "1.2", "xtra", id="C16-provides-extra"),
    pytest.param(["License: MIT", "License-Expression: MIT"], "2.4", "icense", id="C17-I9"),
    pytest.param(["License-Expression: Foo-1.0"], "2.4", "icense", id="C18"),
    pytest.param(["License-Expression: GPL-99"], "2.4", "icense", id="C18-I9"),
    pytest.param(["License-File: /LICENSE"], "2.4", "icense", id="C19-absolute"),
    pytest.param(["License-File: ../L"], "2.4", "icense", id="C19-up"),
    pytest.param(["License-File: LICEN*"], "2.4", "icense", id="C19-glob"),
    pytest.param(["License-File: a\\b"], "2.4", "icense", id="C19-backslash"),
    pytest.param(["License-File: LICENSE"], "2.4", "LICENSE", id="E19-I10-hostile-119"),
    pytest.param(["Description-Content-Type: text/html"], "2.4", "ontent", id="C20-type"),
    pytest.param(["Description-Content-Type: text/markdown; charset=latin-1"], "2.4", "ontent", id="C20-hostile-142"),
    pytest.param(["Description-Content-Type: text/markdown; variant=Foo"], "2.4", "ontent", id="C20-variant"),
    pytest.param(["Import-Name: foo bar"], "2.5", "mport", id="C21"),
    pytest.param(["Name: other"], "2.4", "ame", id="hostile-135-two-names"),
    pytest.param(["Requires-Dist: a;" + "(" * 20_000], "2.4", "equires", id="decision-9-hostile-138-parentheses"),
    pytest.param(["Requires-Python: " + ",".join([">=3"] * 10_000)], "2.4", "equires", id="hostile-138-clauses"),
]


@pytest.mark.parametrize(("lines", "version", "piece"), REFUSED)
@pytest.mark.parametrize("make", [wheel, sdist], ids=["wheel", "sdist"])
def test_refused(site: Site, make: Any, lines: list[str], version: str, piece: str):
    name = fresh()
    answer = site.upload(make(name, lines=lines, metadata_version=version), accept=UV_ERRORS)
    assert answer.status == 400, answer.text
    assert piece in answer.json()["message"]
    assert site.ask(f"/simple/{name}/").status == 404


ACCEPTED = [  # id, lines, metadata version
    *(pytest.param([], version, id=f"I8-{version}") for version in ("1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4")),
    *(pytest.param([], version, id=f"I8-{version}") for version in ("2.5", "2.6")),
    pytest.param(["Dynamic: Requires-Dist"], "2.4", id="I11"),
    pytest.param(["License-Expression: mit"], "2.4", id="I9-case"),
    pytest.param(["License-Expression: LicenseRef-Own"], "2.4", id="I9-own"),
    pytest.param(["Import-Name: foo", "Import-Namespace: bar"], "2.5", id="C21-right"),
]


@pytest.mark.parametrize(("lines", "version"), ACCEPTED)
def test_accepted(site: Site, lines: list[str], version: str):
    assert site.upload(wheel(fresh(), lines=lines, metadata_version=version)).status == 200


WARNED = [  # what `strict` refuses and `private` takes with a warning (decision 4)
    pytest.param(["Classifier: Foo :: Bar"], "lassifier", id="C5-hostile-140-unknown"),
    pytest.param(["Requires-Dist: a @ https://x.example/a-1.0-py3-none-any.whl"], "", id="C13-I12-direct"),
    pytest.param(["Author-email: nobody"], "mail", id="C11"),
    pytest.param(["Home-page: ftp://x.example"], "ftp://x.example", id="C9"),
    pytest.param(["Project-URL: nolabel"], "", id="C10"),
]


@pytest.mark.parametrize(("lines", "piece"), WARNED)
def test_decision_4_taken_with_a_warning(site: Site, lines: list[str], piece: str):
    answer = site.upload(wheel(fresh(), lines=lines), accept=UV_ERRORS)
    assert answer.status == 200, answer.text
    warnings = " ".join(warning["message"] for warning in answer.json()["warnings"])
    assert warnings
    assert piece in warnings


def test_C7_I13_private_classifiers_are_welcome_here(site: Site):
    answer = site.upload(wheel(fresh(), lines=["Classifier: Private :: Do Not Upload"]), accept=UV_ERRORS)
    assert (answer.status, answer.json()["warnings"]) == (200, [])


def test_L20_hostile_133_the_file_is_right_and_the_form_is_warned_of(site: Site):
    name = fresh()
    file = wheel(name, lines=["Requires-Python: >=3.9", "Requires-Dist: good"], summary="The file's")
    answer = site.upload(file, requires_dist="evil", summary="The form's", requires_python=">=2")
    assert answer.status == 200
    assert answer.text.count("warning: ") == 3
    assert site.entry(name, file[0])["requires-python"] == ">=3.9"
    info = site.ask(f"/pypi/{name}/json").json()["info"]
    assert (info["summary"], info["requires_dist"]) == ("The file's", ["good"])
    assert "evil" not in site.ask(site.file_path(name, file[0]) + ".metadata").text


@pytest.mark.parametrize("field", ["name", "version"])
def test_hostile_133_form_and_file_agree_on_name_and_version(site: Site, field: str):
    name = fresh()
    inside = {"name": name, "version": "1.0", field: {"name": "another", "version": "6.6"}[field]}
    metadata = make_metadata(inside["name"], inside["version"])
    for file in (wheel(name, metadata=metadata), sdist(name, pkg_info=metadata)):
        answer = site.upload(file)
        assert answer.status == 400
        assert inside[field] in answer.text


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00", id="binary"),
        pytest.param(b"Metadata-Version: 2.4\nName: {n}\n\n", id="C2-no-version"),
        pytest.param(b"Metadata-Version: 2.4\nVersion: 1.0\n\n", id="no-name"),
        pytest.param(b"Name: {n}\nVersion: 1.0\n\n", id="C1-none"),
        pytest.param(
            b"Metadata-Version: 2.4\nName: {n}\nVersion: 1.0\nSummary: x\n Requires-Dist: evil\n", id="folded"
        ),
        pytest.param(b"Metadata-Version: 2.4\nName: {n}\nVersion: 1.0\n\n" + b"x" * 2_100_000, id="decision-5-2-MiB"),
    ],
)
def test_hostile_135_decision_5_metadata_that_is_none(site: Site, metadata: bytes):
    name = fresh()
    answer = site.upload(wheel(name, metadata=metadata.replace(b"{n}", name.encode())))
    assert answer.status == 400, answer.text
    assert site.ask(f"/simple/{name}/").status == 404


def test_hostile_134_each_file_has_metadata_of_its_own(site: Site):
    name = fresh()
    one = site.publish(wheel(name, lines=["Requires-Python: >=3.8"]))
    two = site.publish(wheel(name, tags="py2-none-any", lines=["Requires-Python: <3"]))
    assert site.entry(name, one[0])["requires-python"] == ">=3.8"
    assert site.entry(name, two[0])["requires-python"] == "<3"


def test_all_faults_of_a_file_are_told_at_once(site: Site):
    lines = ["Requires-Python: abc", "Requires-Dist: foo bar", "Dynamic: Name"]
    errors = site.upload(wheel(fresh(), lines=lines), accept=UV_ERRORS).json()["errors"]
    assert len(errors) >= 3


def test_hostile_18_odd_characters_of_a_summary_are_kept(site: Site):
    name = fresh()
    odd = "\u202eevil\u202c \u00e9 <b>&amp;"
    site.publish(wheel(name, summary=odd))
    assert site.ask(f"/pypi/{name}/json").json()["info"]["summary"] == odd
    assert "<b>" not in site.ask(f"/simple/{name}/").text
