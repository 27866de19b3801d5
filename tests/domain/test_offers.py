# SPDX-License-Identifier: Apache-2.0
"""Files: header sets and answers (F3 to F6, F9, D5, hostile-171)."""

from __future__ import annotations

import pytest

from packhouse.domain.headers import document_headers, error_headers, file_headers, preflight_headers, redirect_headers
from packhouse.domain.offers import FileAnswer, FileOffer, answer_file

SHA = "ab" * 32
MODIFIED = 1_700_000_000
NAME = "my_pkg-1.0+cpu-py3-none-any.whl"


def an_offer(*, public: bool = True, metadata: bool = False) -> FileOffer:
    headers = file_headers(
        filename=NAME, sha256=SHA, modified=MODIFIED, keys="index/main", public=public, metadata=metadata
    )
    return FileOffer(SHA, 1000, f'"{SHA}"', MODIFIED, headers, public)


def ask(offer: FileOffer, method: str = "GET", **headers: str) -> tuple[FileAnswer, dict[str, str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = answer_file(offer, method, named, now=MODIFIED + 100)
    sent = dict(answer.headers)
    assert len(sent) == len(answer.headers), "a header twice"
    return answer, sent


def test_F3_F4_F5_F9_hostile_171_a_whole_file() -> None:
    answer, headers = ask(an_offer(), accept_encoding="gzip, br")
    assert (answer.status, answer.start, answer.end) == (200, 0, 1000)
    assert headers["content-length"] == "1000"
    assert headers["content-type"] == "application/octet-stream"
    assert headers["cache-control"] == "max-age=31536000, immutable, public"
    assert headers["etag"] == f'"{SHA}"'
    assert headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    expected = f"attachment; filename=\"{NAME}\"; filename*=UTF-8''my_pkg-1.0%2Bcpu-py3-none-any.whl"
    assert headers["content-disposition"] == expected
    assert headers["access-control-allow-origin"] == "*"
    assert "content-encoding" not in headers
    assert "vary" not in headers


def test_hostile_171_no_filename_breaks_the_header() -> None:
    headers = dict(file_headers(filename='a"\r\n\\é;b', sha256=SHA, modified=0, keys="", public=True))
    expected = "attachment; filename=\"a______b\"; filename*=UTF-8''a%22%0D%0A%5C%C3%A9%3Bb"
    assert headers["content-disposition"] == expected


def test_D5_metadata_is_text_and_immutable() -> None:
    _, headers = ask(an_offer(metadata=True))
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert "immutable" in headers["cache-control"]
    assert "content-disposition" not in headers


def test_F3_hostile_169_a_file_not_everybody_may_read() -> None:
    _, headers = ask(an_offer(public=False))
    assert headers["cache-control"] == "private, max-age=31536000, immutable"
    assert headers["vary"] == "Authorization"
    assert not [name for name in headers if name.startswith(("access-control", "surrogate"))]


def test_F5_head_ignores_range() -> None:
    answer, headers = ask(an_offer(), "HEAD", range="bytes=0-9")
    assert (answer.status, answer.start, answer.end) == (200, 0, 0)
    assert headers == ask(an_offer())[1]


def test_F6_a_part() -> None:
    answer, headers = ask(an_offer(), range="bytes=10-19", if_range=f'"{SHA}"')
    assert (answer.status, answer.start, answer.end) == (206, 10, 20)
    assert headers["content-length"] == "10"
    assert headers["content-range"] == "bytes 10-19/1000"
    assert headers["etag"] == f'"{SHA}"'


@pytest.mark.parametrize("public", [True, False])
def test_F6_outside_is_kept_by_nobody(public: bool) -> None:
    answer, headers = ask(an_offer(public=public), range="bytes=1000-")
    assert (answer.status, answer.start, answer.end) == (416, 0, 0)
    assert headers["content-range"] == "bytes */1000"
    assert headers["cache-control"] == "no-store"
    assert ("access-control-allow-origin" in headers) is public


def test_304_comes_before_range() -> None:
    answer, headers = ask(an_offer(), if_none_match=f'"{SHA}"', range="bytes=0-9")
    assert (answer.status, answer.start, answer.end) == (304, 0, 0)
    assert headers["cache-control"] == "max-age=31536000, immutable, public"
    assert headers["etag"] == f'"{SHA}"'
    assert "content-length" not in headers
    assert ask(an_offer(), if_modified_since=headers["last-modified"])[0].status == 304


def test_C9_N13_F9_errors_and_redirects() -> None:
    error = dict(error_headers(13))
    assert error["cache-control"] == "no-store"
    assert error["vary"] == "Accept, Accept-Encoding"
    assert error["access-control-allow-origin"] == "*"
    assert error["content-length"] == "13"
    assert "vary" not in dict(error_headers(0, accept=False))
    redirect = dict(redirect_headers("/simple/foo-bar/?x=1"))
    assert redirect["location"] == "/simple/foo-bar/?x=1"
    assert redirect["access-control-allow-origin"] == "*"
    closed = dict(error_headers(0, public=False))
    assert closed["vary"].endswith("Authorization")
    assert "access-control-allow-origin" not in closed


def test_F9_preflight() -> None:
    assert dict(preflight_headers())["access-control-allow-methods"] == "GET"
    assert "Range" in dict(preflight_headers(files=True))["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("public", "control", "varied"),
    [
        (True, "max-age=900, must-revalidate", "Accept-Encoding"),
        (False, "private, max-age=900, must-revalidate", "Accept-Encoding, Authorization"),
    ],
)
def test_headers_of_documents(public: bool, control: str, varied: str) -> None:
    made = document_headers(
        "application/json", 5, encoding="gzip", etag='"x"', serial=3, max_age=900, keys="project/foo", public=public
    )
    headers = dict(made)
    assert headers["content-encoding"] == "gzip"
    assert headers["cache-control"] == control
    assert headers.get("vary") == varied
    assert headers["x-pypi-last-serial"] == "3"
    assert ("access-control-allow-origin" in headers) is public
