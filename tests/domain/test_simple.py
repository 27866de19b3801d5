# SPDX-License-Identifier: Apache-2.0
"""The simple pages: golden bytes, and the lines of the contract about them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import html5lib
import pytest
from tests.domain.listings import BROKEN, EMPTY, FULL, ROOT, SDIST, WHEEL

from packhouse.domain.listing import ListedFile, ProjectListing, RootListing
from packhouse.domain.simple import (
    one_line,
    render_project_html,
    render_project_json,
    render_root_html,
    render_root_json,
)

GOLDEN = Path(__file__).with_name("golden")
HATCH = re.compile(r"<a [^>]+>([^<]+)</a>")
ANCHOR = re.compile(r'^<a href="([^"#]+)#sha256=([0-9a-f]{64})"([^<>]*)>([^<>\s]+)</a><br />$', re.MULTILINE)


def project_page(*files: ListedFile) -> str:
    return render_project_html(replace(FULL, files=files)).decode()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("project.html", render_project_html(FULL)),
        ("project.json", render_project_json(FULL)),
        ("empty.html", render_project_html(EMPTY)),
        ("empty.json", render_project_json(EMPTY)),
        ("root.html", render_root_html(ROOT)),
        ("root.json", render_root_json(ROOT)),
    ],
)
def test_golden_bytes(name: str, body: bytes) -> None:
    assert body == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("body", [render_project_html(FULL), render_project_html(EMPTY), render_root_html(ROOT)])
def test_H1_valid_html5_by_a_strict_parser(body: bytes) -> None:
    html5lib.HTMLParser(strict=True).parse(body.decode())
    assert body.startswith(b"<!DOCTYPE html>\n")


def test_H2_U1_root_has_one_relative_link_for_each_project() -> None:
    links = re.findall(r'<a href="([^"]*)">([^<]*)</a>', render_root_html(ROOT).decode())
    assert links == [("a-b/", "A.b"), ("my-pkg/", "My.Pkg"), ("zope/", "zope")]


def test_H3_H4_text_is_the_basename_and_every_link_has_its_sha256() -> None:
    anchors = ANCHOR.findall(render_project_html(FULL).decode())
    assert [text for *_, text in anchors] == [file.filename for file in FULL.files]
    for (url, digest, _, text), file in zip(anchors, FULL.files, strict=True):
        assert text == unquote(urlsplit(url).path.rpartition("/")[2])
        assert digest == file.sha256
        assert url.startswith(f"../../files/{file.sha256}/")


def test_H5_no_gpg_attribute() -> None:
    assert "gpg" not in project_page(WHEEL, SDIST)


def test_H6_requires_python_is_escaped() -> None:
    assert 'data-requires-python="&gt;=3.8,&lt;4"' in project_page(WHEEL)
    assert "requires-python" not in project_page(SDIST)


def test_H7_yanked_by_presence_with_the_reason_escaped_on_one_line() -> None:
    assert "data-yanked" not in project_page(WHEEL)
    assert ' data-yanked="" ' in project_page(SDIST)
    reason = "broken &quot;wheel&quot; &lt;on&gt; Windows &amp; elsewhere – ’twas bad"
    assert f'data-yanked="{reason}"' in project_page(BROKEN)


def test_H8_both_metadata_attributes_or_none() -> None:
    digest = f"sha256={WHEEL.metadata_sha256}"
    assert f'data-dist-info-metadata="{digest}" data-core-metadata="{digest}"' in project_page(WHEEL)
    assert "metadata" not in project_page(SDIST)


def test_H9_J11_provenance_only_when_absolute_https() -> None:
    assert f'data-provenance="{WHEEL.provenance}"' in project_page(WHEEL)
    assert "data-provenance" not in project_page(BROKEN)
    files = json.loads(render_project_json(FULL))["files"]
    assert [file.get("provenance") for file in files] == [None, None, WHEEL.provenance]


def test_H10_status_and_reason_as_metas() -> None:
    page = render_project_html(FULL).decode()
    assert '<meta name="pypi:project-status" content="deprecated">' in page
    assert 'name="pypi:project-status-reason" content="use &quot;other&quot; &lt;now&gt; &amp; here"' in page
    assert "project-status-reason" not in render_project_html(EMPTY).decode()


def test_H11_size_and_upload_time() -> None:
    page = project_page(WHEEL)
    assert 'data-size="1234" data-upload-time="2024-01-17T16:53:12.779164Z"' in page


def test_H12_regexes_of_clients_find_the_files_and_nothing_else() -> None:
    page = render_project_html(FULL).decode()
    assert HATCH.findall(page) == [file.filename for file in FULL.files]
    assert len(re.findall(r"<a\b", page)) == len(re.findall(r"(?m)^<a [^>]+>[^<]+</a><br />$", page)) == 3
    assert len(re.findall(r"<a\b", render_root_html(ROOT).decode())) == 3
    assert "<base" not in page
    assert not re.search(r"<!--[^>]*<a", page)


def test_the_note_for_the_curious_has_no_links() -> None:
    for page in (render_project_html(EMPTY), render_root_html(RootListing(0, ()))):
        assert b"This page is for installers" in page
        assert b"<a" not in page.replace(b"<article", b"")
        assert b"href" not in page


def test_serial_is_the_last_line_of_project_pages() -> None:
    assert render_project_html(FULL).decode().splitlines()[-1] == "<!--SERIAL 4711-->"
    assert b"SERIAL" not in render_root_html(ROOT)


def test_N14_N16_version_in_both() -> None:
    for listing in (FULL, EMPTY):
        assert b'<meta name="pypi:repository-version" content="1.4">' in render_project_html(listing)
        assert json.loads(render_project_json(listing))["meta"]["api-version"] == "1.4"
    assert b'<meta name="pypi:repository-version" content="1.4">' in render_root_html(ROOT)


def test_J1_J2_root_json() -> None:
    root = json.loads(render_root_json(ROOT))
    assert root["meta"] == {"api-version": "1.4", "_last-serial": 4712}
    assert root["projects"][0] == {"name": "A.b", "_last-serial": 3}
    assert all(type(entry["_last-serial"]) is int for entry in root["projects"])


def test_J3_J4_N15_keys_of_a_project() -> None:
    page = json.loads(render_project_json(FULL))
    assert list(page) == ["files", "meta", "name", "project-status", "versions"]
    assert page["name"] == "my-pkg"
    assert page["versions"] == ["0.8", "0.9", "1.0+cpu"]


def test_J5_to_J10_J13_a_file() -> None:
    wheel = json.loads(render_project_json(FULL))["files"][2]
    assert wheel == {
        "core-metadata": {"sha256": "cd" * 32},
        "filename": "my_pkg-1.0+cpu-py3-none-any.whl",
        "hashes": {"sha256": "ab" * 32},
        "provenance": WHEEL.provenance,
        "requires-python": ">=3.8,<4",
        "size": 1234,
        "upload-time": "2024-01-17T16:53:12.779164Z",
        "url": f"../../files/{'ab' * 32}/my_pkg-1.0%2Bcpu-py3-none-any.whl",
        "yanked": False,
    }


def test_J6_J7_J8_J9_J10_never_null() -> None:
    broken, sdist, _ = json.loads(render_project_json(FULL))["files"]
    assert sdist["yanked"] is True
    assert sdist["core-metadata"] is False
    assert sdist["upload-time"] == "2023-12-31T23:59:59.000000Z"
    assert type(broken["size"]) is int
    assert broken["yanked"] == 'broken "wheel" <on> Windows & elsewhere – ’twas bad'
    for file in (broken, sdist):
        assert None not in file.values()
        datetime.fromisoformat(file["upload-time"])
        assert not {"requires-python", "gpg-sig", "dist-info-metadata", "data-dist-info-metadata"} & set(file)


def test_J10_a_blank_reason_is_true() -> None:
    listing = replace(FULL, files=(replace(SDIST, yanked=" \n\x00 "),))
    assert json.loads(render_project_json(listing))["files"][0]["yanked"] is True


def test_J12_status_with_reason_only_when_there_is_one() -> None:
    status = {"status": "deprecated", "reason": 'use "other" <now> & here'}
    assert json.loads(render_project_json(FULL))["project-status"] == status
    assert json.loads(render_project_json(EMPTY))["project-status"] == {"status": "active"}


def test_J14_no_namespaces_before_1_5() -> None:
    assert b"namespaces" not in render_project_json(FULL)


def test_json_is_compact_sorted_utf_8() -> None:
    body = render_project_json(FULL).decode()
    again = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert body == again + "\n"


def test_D4_U13_no_query_and_no_bare_plus() -> None:
    for body in (render_project_html(FULL), render_project_json(FULL)):
        for url in re.findall(rb'(?:href|url)"?[=:]"([^"]+)"', body):
            assert b"?" not in url
            assert b"+" not in url


@pytest.mark.parametrize("bad", ["\ud800", "\x85", "\ufffe", "\U0001ffff", "\x00\x1b[31m", "\u2028"])
def test_no_character_of_a_reason_breaks_a_page(bad: str) -> None:
    listing = replace(FULL, status_reason=f"a{bad}b", files=(replace(SDIST, yanked=f"a{bad}b"),))
    html5lib.HTMLParser(strict=True).parse(render_project_html(listing).decode())
    assert json.loads(render_project_json(listing))["project-status"]["reason"] == one_line(f"a{bad}b")
    assert len(one_line(f"a{bad}b").splitlines()) == 1


def test_equal_listings_give_equal_bytes() -> None:
    copy = ProjectListing(**{name: getattr(FULL, name) for name in FULL.__slots__})
    assert render_project_html(copy) == render_project_html(FULL)
    assert render_project_json(copy) == render_project_json(FULL)
