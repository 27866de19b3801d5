# SPDX-License-Identifier: Apache-2.0
"""The legacy JSON API: read-apis 3.3, E1 to E4."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from packhouse.domain.project_json import (
    NOT_FOUND,
    Addresses,
    FileFacts,
    ProjectFacts,
    ReleaseFacts,
    find_release,
    latest_release,
    render_project,
    render_release,
)

AT = datetime(2024, 1, 17, 16, 53, 12, 5, tzinfo=UTC)
ADDRESSES = Addresses(site="https://index.example/base", index="https://index.example/base/index/team")
CORE: dict[str, Any] = {
    "author": "A",
    "author_email": "a@index.example",
    "home_page": "https://home.example/",
    "keywords": ["x", "y"],
    "platforms": ["any"],
    "license_expression": "MIT",
    "license_files": ["LICENSE"],
    "classifiers": ["Typing :: Typed"],
    "requires_dist": ["foo>1"],
    "requires_python": ">=3.9",
    "summary": "Does things",
    "project_urls": [["Source", "https://code.example/"], ["Homepage", "https://other.example/"]],
}
WHEEL = FileFacts(
    filename="my_pkg-2.0+cpu-py3-none-any.whl",
    packagetype="bdist_wheel",
    python_version="py3",
    sha256="ab" * 32,
    blake2b_256="cd" * 32,
    md5="ef" * 16,
    size=10,
    upload_time=AT,
    requires_python=">=3.9",
    metadata_sha256="12" * 32,
    core=CORE,
)
SDIST = replace(
    WHEEL,
    filename="my_pkg-2.0.tar.gz",
    packagetype="sdist",
    python_version="source",
    upload_time=AT.replace(year=2023),
    requires_python=None,
    metadata_sha256=None,
    yanked="",
    core={"summary": "of the sdist"},
)


def a_release(version: str, *yanked: str | None) -> ReleaseFacts:
    return ReleaseFacts(version, tuple(replace(WHEEL, yanked=reason) for reason in yanked or (None,)))


PROJECT = ProjectFacts(
    name="my-pkg",
    display_name="My.Pkg",
    serial=42,
    releases=(a_release("1.0", "bad", "worse"), ReleaseFacts("2.0", (WHEEL, SDIST), "# Hé", "text/markdown")),
    roles=(("Owner", "ann"), ("Maintainer", "bob")),
)


MAIN = Addresses(site="https://index.example/base", index="https://index.example/base")


def project(facts: ProjectFacts = PROJECT, addresses: Addresses = ADDRESSES) -> dict[str, Any]:
    body = render_project(facts, addresses)
    assert body is not None
    found = json.loads(body)
    assert isinstance(found, dict)
    return found


def test_E1_keys() -> None:
    document = project()
    assert list(document) == ["info", "last_serial", "ownership", "releases", "urls", "vulnerabilities"]
    assert document["last_serial"] == 42
    roles = [{"role": "Owner", "user": "ann"}, {"role": "Maintainer", "user": "bob"}]
    assert document["ownership"] == {"organization": None, "roles": roles}
    assert list(document["releases"]) == ["1.0", "2.0"]
    assert document["urls"] == document["releases"]["2.0"]
    assert document["vulnerabilities"] == []


def test_E1_a_file() -> None:
    wheel, sdist = project()["urls"]
    assert wheel == {
        "comment_text": "",
        "core-metadata": {"sha256": "12" * 32},
        "digests": {"blake2b_256": "cd" * 32, "md5": "ef" * 16, "sha256": "ab" * 32},
        "downloads": -1,
        "filename": "my_pkg-2.0+cpu-py3-none-any.whl",
        "has_sig": False,
        "md5_digest": "ef" * 16,
        "packagetype": "bdist_wheel",
        "python_version": "py3",
        "requires_python": ">=3.9",
        "size": 10,
        "upload_time": "2024-01-17T16:53:12",
        "upload_time_iso_8601": "2024-01-17T16:53:12.000005Z",
        "url": f"https://index.example/base/index/team/packages/{'ab' * 32}/my_pkg-2.0%2Bcpu-py3-none-any.whl",
        "yanked": False,
        "yanked_reason": None,
    }
    assert (sdist["yanked"], sdist["yanked_reason"], sdist["core-metadata"]) == (True, None, False)
    assert sdist["requires_python"] is None


def test_addresses_of_another_index_lead_to_its_simple_page() -> None:
    info = project()["info"]
    page = "https://index.example/base/index/team/simple/my-pkg/"
    assert [info[key] for key in ("package_url", "project_url", "release_url")] == [page, page, page]


def test_E1_E4_info_is_that_of_the_first_wheel() -> None:
    info = project(addresses=MAIN)["info"]
    assert info == {
        "author": "A",
        "author_email": "a@index.example",
        "bugtrack_url": None,
        "classifiers": ["Typing :: Typed"],
        "description": "# Hé",
        "description_content_type": "text/markdown",
        "docs_url": None,
        "download_url": None,
        "downloads": {"last_day": -1, "last_month": -1, "last_week": -1},
        "dynamic": None,
        "home_page": "https://home.example/",
        "keywords": "x,y",
        "license": None,
        "license_expression": "MIT",
        "license_files": ["LICENSE"],
        "maintainer": None,
        "maintainer_email": None,
        "name": "My.Pkg",
        "package_url": "https://index.example/base/project/my-pkg/",
        "platform": "any",
        "project_url": "https://index.example/base/project/my-pkg/",
        "project_urls": {"Homepage": "https://other.example/", "Source": "https://code.example/"},
        "provides_extra": None,
        "release_url": "https://index.example/base/project/my-pkg/2.0/",
        "requires_dist": ["foo>1"],
        "requires_python": ">=3.9",
        "summary": "Does things",
        "version": "2.0",
        "yanked": False,
        "yanked_reason": None,
    }


def test_info_of_a_release_with_little_to_say() -> None:
    facts = replace(PROJECT, releases=(ReleaseFacts("1", (replace(SDIST, core={"keywords": "a b"}),)),))
    info = project(facts)["info"]
    assert (info["keywords"], info["platform"], info["project_urls"]) == ("a b", None, None)
    assert (info["description"], info["description_content_type"]) == ("", None)
    assert ReleaseFacts("1", ()).core == {}
    assert ReleaseFacts("1", ()).yanked is None


@pytest.mark.parametrize("version", ["1.0", "1", "1.0.0", "v1.0"])
def test_E2_a_release_in_any_spelling_and_without_releases(version: str) -> None:
    body = render_release(PROJECT, version, ADDRESSES)
    assert body is not None
    document = json.loads(body)
    assert "releases" not in document
    assert document["info"]["version"] == "1.0"
    assert (document["info"]["yanked"], document["info"]["yanked_reason"]) == (True, "bad")
    assert len(document["urls"]) == 2


@pytest.mark.parametrize("version", ["3.0", "latest", "", "1.0+local"])
def test_E2_unknown_release(version: str) -> None:
    assert render_release(PROJECT, version, ADDRESSES) is None


def test_E1_nothing_to_show_is_a_404() -> None:
    assert render_project(replace(PROJECT, releases=()), ADDRESSES) is None
    assert json.loads(NOT_FOUND) == {"message": "Not Found"}


@pytest.mark.parametrize(
    ("releases", "latest"),
    [
        pytest.param([("1.0",), ("2.0",), ("1.10",)], "2.0", id="E3-highest"),
        pytest.param([("1.9",), ("1.10",)], "1.10", id="E3-by-number"),
        pytest.param([("1.0",), ("2.0rc1",), ("2.0.dev1",)], "1.0", id="E3-final-first"),
        pytest.param([("1.0a1",), ("1.0b1",)], "1.0b1", id="E3-only-pre-releases"),
        pytest.param([("1.0",), ("2.0", "bad")], "1.0", id="E3-yanked-last"),
        pytest.param([("1.0rc1",), ("2.0", "")], "1.0rc1", id="E3-pre-release-before-yanked"),
        pytest.param([("1.0", "x"), ("2.0", "x")], "2.0", id="E3-all-yanked"),
        pytest.param([("1.0",), ("2.0", "bad", None)], "2.0", id="E3-one-file-left"),
        pytest.param([("2004d",), ("0.1.dev1",)], "0.1.dev1", id="E3-before-pep-440"),
    ],
)
def test_E3_latest(releases: list[tuple[str, ...]], latest: str) -> None:
    found = latest_release([a_release(*release) for release in releases])
    assert found is not None
    assert found.version == latest


def test_a_version_from_before_pep_440_is_found_exactly() -> None:
    releases = [a_release("2004d"), a_release("1.0")]
    assert find_release(releases, "2004d") is releases[0]
    assert find_release(releases, "2004e") is None


def test_bytes_are_sorted_compact_utf_8() -> None:
    body = render_project(PROJECT, ADDRESSES)
    assert body is not None
    again = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert body == again.encode() + b"\n"


def test_half_a_surrogate_pair_is_no_error() -> None:
    broken = replace(PROJECT, releases=(replace(PROJECT.releases[1], description="a\ud800b"),))
    assert project(broken)["info"]["description"] == "a?b"
