# SPDX-License-Identifier: Apache-2.0
"""The JSON API of `main` (standards E1 to E4, check 38; read-apis 3.3)."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urlsplit

import pytest
from tests.http.client import Site, fresh, sdist, sha256, wheel

NAME = "shelf-sample-project"
INFO = """author author_email bugtrack_url classifiers description description_content_type docs_url download_url
downloads dynamic home_page keywords license license_expression license_files maintainer maintainer_email name
package_url platform project_url project_urls provides_extra release_url requires_dist requires_python summary version
yanked yanked_reason"""
FILE = """comment_text core-metadata digests downloads filename has_sig md5_digest packagetype python_version
requires_python size upload_time upload_time_iso_8601 url yanked yanked_reason"""


def test_E1_keys(shelf: Site):
    page = shelf.ask(f"/pypi/{NAME}/json").json()
    assert set(page) == {"info", "urls", "releases", "vulnerabilities", "last_serial", "ownership"}
    assert set(page["info"]) == set(INFO.split())
    assert {key for files in page["releases"].values() for file in files for key in file} == set(FILE.split())
    assert page["vulnerabilities"] == []
    assert page["ownership"] == {"organization": None, "roles": [{"role": "Owner", "user": shelf.owner.name}]}


def test_E1_each_file(shelf: Site):
    page = shelf.ask(f"/pypi/{NAME}/json").json()
    files = {file["filename"]: file for release in page["releases"].values() for file in release}
    assert set(files) == set(shelf.shelf)
    for filename, data in shelf.shelf.values():
        file = files[filename]
        blake = hashlib.blake2b(data, digest_size=32).hexdigest()
        md5 = hashlib.md5(data).hexdigest()
        assert file["digests"] == {"md5": md5, "sha256": sha256(data), "blake2b_256": blake}
        assert (file["md5_digest"], file["size"], file["downloads"], file["has_sig"]) == (md5, len(data), -1, False)
        assert file["packagetype"] == ("bdist_wheel" if filename.endswith(".whl") else "sdist")
        assert file["python_version"] == ("py3" if filename.endswith(".whl") else "source")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", file["upload_time"])
        assert file["upload_time_iso_8601"] == shelf.entry(NAME, filename)["upload-time"]
        assert (file["yanked"], file["yanked_reason"]) == (False, None)
        assert shelf.ask(urlsplit(file["url"]).path).body == data


@pytest.mark.parametrize("path", ["json", "json/", "2.0/json", "2.0/json/", "2/json", "v2.0.0/json"])
def test_E1_E2_slashes_and_spellings_of_versions(shelf: Site, path: str):
    answer = shelf.ask(f"/pypi/{NAME}/{path}")
    assert (answer.status, answer["content-type"]) == (200, "application/json")
    assert answer.json()["info"]["version"] == "2.0"
    assert ("releases" in answer.json()) is path.startswith("json")


@pytest.mark.parametrize("name", ["Shelf.Sample_Project", "SHELF--SAMPLE--PROJECT"])
@pytest.mark.parametrize("rest", ["json", "json/", "1.0/json", "1.0/json/"])
def test_E1_check_13_38_any_spelling_of_the_name(shelf: Site, name: str, rest: str):
    answer = shelf.ask(f"/pypi/{name}/{rest}")
    assert (answer.status, answer.leads_to()) == (301, f"/pypi/{NAME}/{rest}")


@pytest.mark.parametrize("path", ["no-such/json", f"{NAME}/9.9/json", f"{NAME}/nonsense/json", "-/json", "a/1/json"])
def test_E1_unknown_is_404_in_json(shelf: Site, path: str):
    answer = shelf.ask(f"/pypi/{path}")
    assert (answer.status, answer.type, answer.body) == (404, "application/json", b'{"message": "Not Found"}')


def test_E3_the_latest_is_final_before_pre_release_and_not_yanked(site: Site):
    name = fresh()
    for version in ("1.0", "2.0", "3.0rc1"):
        site.publish(wheel(name, version))
    latest = [site.ask(f"/pypi/{name}/json").json()["info"]["version"]]
    site.must("yank", f"{name}==2.0", "--reason", "broken")
    page = site.ask(f"/pypi/{name}/json").json()
    latest.append(page["info"]["version"])
    assert latest == ["2.0", "1.0"]
    assert [(f["yanked"], f["yanked_reason"]) for f in page["releases"]["2.0"]] == [(True, "broken")]
    info = site.ask(f"/pypi/{name}/2.0/json").json()["info"]
    assert (info["yanked"], info["yanked_reason"]) == (True, "broken")


def test_E4_urls_of_a_project(site: Site):
    name = fresh()
    lines = ["Home-page: https://home.example", "Project-URL: Source, https://src.example"]
    site.publish(sdist(name, lines=lines))
    info = site.ask(f"/pypi/{name}/json").json()["info"]
    assert info["project_urls"] == {"Homepage": "https://home.example", "Source": "https://src.example"}
    assert info["home_page"] == "https://home.example"


def test_headers(site: Site):
    name = fresh()  # whose files nobody downloads, which would change the document
    site.publish(wheel(name))
    answer = site.ask(f"/pypi/{name}/json")
    assert answer["etag"].startswith('"')
    assert answer["access-control-allow-origin"] == "*"
    assert int(answer["x-pypi-last-serial"]) == answer.json()["last_serial"]
    assert "max-age" in answer["cache-control"]
    again = site.ask(f"/pypi/{name}/json", if_none_match=answer["etag"])
    assert (again.status, again.body, again["etag"]) == (304, b"", answer["etag"])


def test_C6_current_after_each_upload(site: Site):
    name = fresh()
    for number in range(4):
        site.publish(wheel(name, f"1.{number}"))
        assert len(site.ask(f"/pypi/{name}/json").json()["releases"]) == number + 1


def test_E5_pip_asks_for_itself(site: Site):
    assert site.ask("/simple/pip/").status == 404
