# SPDX-License-Identifier: Apache-2.0
"""Reading simple pages: our own back again, and other people's."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.listings import FULL

from packhouse.domain.listing import ListedFile, ProjectListing, Status
from packhouse.domain.negotiation import Representation
from packhouse.domain.simple import one_line, render_project_html, render_project_json
from packhouse.domain.simple_reader import MAX_PAGE, ReadFile, ReadPage, read_project_page
from packhouse.errors import Kind, PackhouseError

URL = "https://index.example/prefix/simple/my-pkg/"
JSON = Representation.V1_JSON.content_type
HTML = Representation.HTML.content_type


def read_json(*files: Any, **changes: Any) -> ReadPage:
    page = {"meta": {"api-version": "1.0"}, "name": "foo", "files": list(files)} | changes
    return read_project_page(json.dumps(page).encode(), JSON, URL)


def read_html(text: str) -> ReadPage:
    return read_project_page(text.encode(), HTML, URL)


def both(listing: ProjectListing) -> tuple[ReadPage, ReadPage]:
    return (
        read_project_page(render_project_html(listing), Representation.V1_HTML.content_type, URL),
        read_project_page(render_project_json(listing), JSON, URL),
    )


def expected(file: ListedFile) -> ReadFile:
    quoted = file.filename.replace("+", "%2B").replace("!", "%21")
    return ReadFile(
        filename=file.filename,
        url=f"https://index.example/prefix/files/{file.sha256}/{quoted}",
        hashes={"sha256": file.sha256},
        size=file.size,
        upload_time=file.upload_time,
        requires_python=file.requires_python,
        core_metadata={"sha256": file.metadata_sha256} if file.metadata_sha256 else None,
        yanked=None if file.yanked is None else one_line(file.yanked),
        provenance=file.provenance if file.provenance and file.provenance.startswith("https://") else None,
    )


def test_J15_our_own_pages_in_both_formats() -> None:
    html, as_json = both(FULL)
    assert html.files == as_json.files == tuple(map(expected, FULL.files))
    assert (html.name, html.status, html.api_version) == ("my-pkg", Status.DEPRECATED, "1.4")
    assert html.status_reason == as_json.status_reason == FULL.status_reason
    assert as_json.versions == FULL.versions
    assert html.dropped == as_json.dropped == 0


HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
LISTED = st.builds(
    ListedFile,
    filename=st.text(string.ascii_letters + string.digits + "_.+!-", min_size=1).map("{}-py3-none-any.whl".format),
    version=st.just("1"),
    sha256=HEX,
    size=st.integers(0, 2**50),
    upload_time=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    requires_python=st.none() | st.text().map(one_line).map(lambda text: text or None),
    metadata_sha256=st.none() | HEX,
    yanked=st.none() | st.text(),
    provenance=st.none() | st.just("https://index.example/p?a=1&b='\""),
)


@given(st.lists(LISTED, max_size=5), st.text(), st.sampled_from([s for s in Status if s is not Status.QUARANTINED]))
def test_J15_any_listing_reads_back_the_same_from_both(files: list[ListedFile], reason: str, status: Status) -> None:
    listing = ProjectListing("foo", "Foo", 1, tuple(files), ("1",), status, reason)
    html, as_json = both(listing)
    assert html.files == as_json.files
    assert [f.filename for f in html.files] == [f.filename for f in files]
    assert [f.yanked for f in html.files] == [expected(f).yanked for f in files]
    assert [f.upload_time for f in html.files] == [f.upload_time for f in files]
    assert html.status_reason == as_json.status_reason == one_line(reason)
    assert html.status is as_json.status is status
    assert html.dropped == as_json.dropped == 0


def test_json_of_others() -> None:
    page = read_json(
        {"filename": "f-1.whl", "url": "/f-1.whl#sha256=ab", "hashes": {"SHA256": "AB", "md5": 3, "x": "zz"}},
        {"filename": "f-2.whl", "url": "f-2.whl", "hashes": None, "dist-info-metadata": True, "yanked": True},
        {"filename": "f-3.whl", "url": "f-3.whl", "core-metadata": False, "yanked": "why", "size": True},
        {"filename": "f-4.whl", "url": "f-4.whl", "size": -1, "upload-time": "2024-01-01T02:00:00+02:00"},
    )
    assert [file.filename for file in page.files] == ["f-1.whl", "f-2.whl", "f-3.whl", "f-4.whl"]
    assert page.files[0].url == "https://index.example/f-1.whl"
    assert page.files[0].hashes == {"sha256": "ab"}
    assert (page.files[1].core_metadata, page.files[1].yanked) == ({}, "")
    assert (page.files[2].core_metadata, page.files[2].yanked, page.files[2].size) == (None, "why", None)
    assert page.files[3].size is None
    assert page.files[3].upload_time == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "entry",
    [None, 3, [], {}, {"filename": "f"}, {"url": "x"}, {"filename": 3, "url": "x"}, {"filename": "f", "url": 3},
     {"filename": "f", "url": "http://["}, {"filename": "f", "url": "file:///etc/passwd"},
     {"filename": "f", "url": "http:///x"}],
)  # fmt: skip
def test_json_entries_that_cannot_be_read_are_counted(entry: object) -> None:
    page = read_json(entry, {"filename": "f-1.whl", "url": "f-1.whl"})
    assert (len(page.files), page.dropped) == (1, 1)


@pytest.mark.parametrize("moment", ["", "yesterday", 3, None, "0001-01-01T00:00:00+14:00", "2024-13-01T00:00:00Z"])
def test_upload_times_that_are_none(moment: object) -> None:
    assert read_json({"filename": "f", "url": "f", "upload-time": moment}).files[0].upload_time is None


def test_upload_time_without_offset_is_utc() -> None:
    (file,) = read_json({"filename": "f", "url": "f", "upload-time": "2024-01-01T00:00:00.5"}).files
    assert file.upload_time == datetime(2024, 1, 1, 0, 0, 0, 500_000, tzinfo=timezone(timedelta(0)))


def test_html_of_others() -> None:
    page = read_html(
        "<html><head><title>Links for Foo</title></head><body><h1>x</h1>"
        "<A HREF='f-1.tar.gz#md5=AB&amp;x'>  another text </A><a href=../>up</a><a name=x>no link</a>"
        '<a href="https://files.example/a%2Bb-1-py3-none-any.whl" data-yanked data-dist-info-metadata="true" '
        'data-size="12x" data-requires-python="&gt;=3">b</a><a data-core-metadata=false href=//h.example/c.zip>'
    )
    assert page.name == "Foo"
    assert page.api_version == "1.0"
    assert page.dropped == 1
    first, second, third = page.files
    assert (first.filename, first.url, first.hashes) == ("f-1.tar.gz", URL + "f-1.tar.gz", {"md5": "ab"})
    assert (second.filename, second.yanked, second.core_metadata) == ("a+b-1-py3-none-any.whl", "", {})
    assert (second.size, second.requires_python) == (None, ">=3")
    assert (third.url, third.core_metadata) == ("https://h.example/c.zip", None)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("/other/", "https://index.example/other/f.whl"),
        ("http://[", URL + "f.whl"),
        ("https://o.example/x/y", "https://o.example/x/f.whl"),
    ],
)
def test_html_base(base: str, url: str) -> None:
    assert read_html(f'<base><base href="{base}"><base href="/second/"><a href="f.whl">').files[0].url == url


def test_Y7_decision_20_a_page_in_quarantine_offers_nothing() -> None:
    entry = {"filename": "f-1.whl", "url": "f-1.whl"}
    page = read_json(entry, **{"project-status": {"status": "quarantined", "reason": "malware"}})
    assert (page.files, page.status, page.status_reason) == ((), Status.QUARANTINED, "malware")
    meta = '<meta name="pypi:project-status" content="quarantined">'
    assert read_html(meta + '<a href="f-1.whl">').files == ()


def test_Y9_an_unknown_status_is_active() -> None:
    assert read_json(**{"project-status": {"status": "frozen"}}).status is Status.ACTIVE
    assert read_json(**{"project-status": "frozen"}).status is Status.ACTIVE


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (b"{}", "application/json", "type 'application/json'"),
        (b"x" * (MAX_PAGE + 1), HTML, "more than"),
        (b"{", JSON, "not JSON"),
        (b"[]", JSON, "`meta` or `files`"),
        (b'{"meta": {}}', JSON, "`meta` or `files`"),
        (b'{"meta": {"api-version": "2.0"}, "files": []}', JSON, "API version '2.0'"),
        (b'{"meta": {"api-version": "x"}, "files": []}', JSON, "API version 'x'"),
        (b'<meta name="pypi:repository-version" content="20.0">', HTML, "API version '20.0'"),
        (b"<html><title>Sign in</title><a href=/login>Sign in</a>", HTML, "names no version"),
        (b"", HTML, "names no version"),
        (b"\xff\xfe\x00", HTML, "names no version"),
    ],
)
def test_N16_decision_20_what_is_no_simple_page(body: bytes, content_type: str, why: str) -> None:
    with pytest.raises(PackhouseError) as caught:
        read_project_page(body, content_type, URL)
    assert caught.value.kind is Kind.UNAVAILABLE
    assert caught.value.code == "upstream-page-invalid"
    assert why in caught.value.message


def test_an_old_page_without_files_is_a_page() -> None:
    assert read_html("<title>Links for foo</title>").files == ()


KEYS = st.sampled_from(["filename", "url", "hashes", "size", "yanked", "core-metadata", "status"])
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
)


@given(st.lists(NESTED, max_size=3), NESTED, NESTED)
def test_total_on_garbage_json(files: list[Any], status: Any, versions: Any) -> None:
    page = read_json(*files, **{"project-status": status, "versions": versions, "name": status})
    assert len(page.files) + page.dropped in {len(files), page.dropped}


@given(st.binary(max_size=200), st.sampled_from([JSON, HTML]))
def test_total_on_garbage_bytes(body: bytes, content_type: str) -> None:
    code = ""
    try:
        read_project_page(body, content_type, URL)
    except PackhouseError as error:
        code = error.code
    assert code in {"", "upstream-page-invalid"}


MANY = b'{"filename":"a","url":"b"},' * 100_001


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"meta":{},"files":[' + MANY[:-1] + b"]}", JSON),
        (b'{"meta":{},"files":[' + b"1," * 4_000_001 + b"1]}", JSON),
        (b'{"meta":{},"files":[' + b"[]," * 1_000_001 + b"[]]}", JSON),
        (b"[" * 1_000_001, JSON),
        (b'<a href="a-1.zip">' * 100_001, "text/html"),
        (b"<a>" * 1_000_001, "text/html"),
        (b"x" * (MAX_PAGE + 1), "text/html"),
    ],
    ids=["files", "numbers", "lists", "nested", "links", "tags", "bytes"],
)
def test_hostile_225_a_page_of_too_many_parts_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(PackhouseError) as caught:
        read_project_page(body, content_type, "https://index.example/simple/a/")
    assert caught.value.code == "upstream-page-invalid"


def test_hostile_225_a_tag_of_many_attributes_is_read_to_a_limit() -> None:
    body = b'<title>Links for a</title><a href="a-1.zip"' + b"".join(b" x%d=1" % n for n in range(300_000)) + b">"
    assert [file.filename for file in read_project_page(body, "text/html", "https://a.example/").files] == ["a-1.zip"]
