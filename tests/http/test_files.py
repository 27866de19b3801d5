# SPDX-License-Identifier: Apache-2.0
"""Files (standards F1 to F9, checks 16 to 19; hostile-165, hostile-171)."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest
from tests.http.client import Answer, Site, fresh, sha256, wheel

NAME = "shelf-sample-project"


@pytest.fixture(scope="session")
def big(site: Site) -> tuple[str, bytes]:
    """The path of a wheel of some size, and its bytes."""
    name = fresh("big")
    filename, data = site.publish(wheel(name, files={f"{name}/data.bin": bytes(range(256)) * 400}))
    return site.file_path(name, filename), data


def test_F1_F2_the_address_holds_the_digest_and_ends_with_the_filename(shelf: Site):
    for filename, data in shelf.shelf.values():
        path = shelf.file_path(NAME, filename)
        assert path == f"/files/{sha256(data)}/{filename.replace('+', '%2B')}"
        assert shelf.ask(path).body == data


@pytest.mark.parametrize("encoding", ["identity", "gzip", "gzip, deflate, br, zstd", "*"])
def test_F4_check_13_19_never_encoded(shelf: Site, encoding: str):
    for filename, data in shelf.shelf.values():
        answer = shelf.ask(shelf.file_path(NAME, filename), accept_encoding=encoding)
        assert "content-encoding" not in answer
        assert answer["content-length"] == str(len(data))
        assert answer.body == data


def test_F3_check_13_21_hostile_171_headers_of_a_file(site: Site, big: tuple[str, bytes]):
    answer = site.ask(big[0])
    assert answer["content-type"] == "application/octet-stream"
    assert {"immutable", "public"} <= set(answer["cache-control"].replace(" ", "").split(","))
    assert int(answer["cache-control"].partition("max-age=")[2].partition(",")[0]) >= 31_536_000
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["content-disposition"].startswith("attachment; filename")
    assert "filename*=UTF-8''" in answer["content-disposition"]
    assert {"sandbox", "default-src 'none'"} <= {part.strip() for part in answer["content-security-policy"].split(";")}


def test_F5_check_13_17_head_is_answered_at_once(site: Site, big: tuple[str, bytes]):
    answer = site.ask(big[0], "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer["content-length"] == str(len(big[1]))
    assert answer["accept-ranges"] == "bytes"
    assert answer["etag"].startswith('"')
    assert "last-modified" in answer


def expect(answer: Answer, data: bytes, first: int, last: int) -> None:
    """The answer is the bytes from `first` to `last`, both included."""
    assert answer.status == 206
    assert answer["content-range"] == f"bytes {first}-{last}/{len(data)}"
    assert answer["content-length"] == str(last - first + 1)
    assert answer.body == data[first : last + 1]


def test_F6_check_13_18_ranges(site: Site, big: tuple[str, bytes]):
    path, data = big
    end = len(data) - 1
    expect(site.ask(path, range="bytes=10-19"), data, 10, 19)
    expect(site.ask(path, range="bytes=0-0"), data, 0, 0)
    expect(site.ask(path, range="bytes=-100"), data, end - 99, end)
    expect(site.ask(path, range="bytes=500-"), data, 500, end)
    expect(site.ask(path, range=f"bytes=500-{10**9}"), data, 500, end)
    expect(site.ask(path, range=f"bytes=-{10**9}"), data, 0, end)


@pytest.mark.parametrize("spec", ["{size}-", "99999999999-", "99999999999-99999999999999", "-0", "9" * 60 + "-"])
def test_F6_hostile_165_outside_is_416(site: Site, big: tuple[str, bytes], spec: str):
    path, data = big
    answer = site.ask(path, range="bytes=" + spec.format(size=len(data)))
    assert answer.status == 416
    assert answer["content-range"] == f"bytes */{len(data)}"


@pytest.mark.parametrize(
    "value",
    [
        "bytes=5-2",
        "bytes=0-1,3-4",
        "bytes=" + ",".join(["0-"] * 5000),
        "lines=1-2",
        "bytes=a-b",
        "bytes=--1",
        "bytes=",
        "bytes",
        "bytes=\u00b2-",
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_hostile_165_decision_5_odd_ranges_get_the_whole_file_or_a_refusal(
    site: Site, big: tuple[str, bytes], value: str
):
    path, data = big
    answer = site.ask(path, range=value)
    assert answer.status in {200, 400, 416, 431}
    if answer.status == 200:
        assert answer.body == data


def test_F6_if_range(site: Site, big: tuple[str, bytes]):
    path, data = big
    whole = site.ask(path, "HEAD")
    for value in (whole["etag"], whole["last-modified"]):
        expect(site.ask(path, range="bytes=1-5", if_range=value), data, 1, 5)
    for value in ('"another"', f"W/{whole['etag']}", "Mon, 01 Jan 2001 00:00:00 GMT", "garbage"):
        answer = site.ask(path, range="bytes=1-5", if_range=value)
        assert (answer.status, answer.body) == (200, data)


def test_F6_head_ignores_a_range(site: Site, big: tuple[str, bytes]):
    answer = site.ask(big[0], "HEAD", range="bytes=0-9")
    assert answer.status in {200, 206}
    assert answer.body == b""


def test_F7_a_wheel_is_read_in_pieces_on_one_connection(site: Site, big: tuple[str, bytes]):
    """As lazy readers do: HEAD, then the end, then the middle, without a redirect anywhere."""
    path, data = big
    connection = http.client.HTTPConnection(*site.address, timeout=10)
    for headers, expected in (({"Range": "bytes=-50"}, data[-50:]), ({"Range": "bytes=0-9"}, data[:10]), ({}, data)):
        connection.request("GET", path, headers=headers)
        assert connection.getresponse().read() == expected
    connection.close()


@pytest.mark.parametrize("kind", ["", ".metadata"])
def test_F9_scripts_of_other_sites_may_read_files(site: Site, big: tuple[str, bytes], kind: str):
    for method in ("GET", "OPTIONS"):
        answer = site.ask(big[0] + kind, method, origin="https://app.example", access_control_request_method="GET")
        assert answer.status in {200, 204}
        assert answer["access-control-allow-origin"] == "*"


def test_a_file_is_at_its_own_address_only(site: Site, big: tuple[str, bytes]):
    path, data = big
    filename = urlsplit(path).path.rpartition("/")[2]
    other = "0" * 64
    for wrong in (f"/files/{other}/{filename}", f"/files/{sha256(data)}/other.whl", f"/files/{sha256(data)}/"):
        assert site.ask(wrong).status == 404
    assert site.ask(path.upper().replace("/FILES/", "/files/")).status == 404
    assert site.ask(f"/index/main{path}").body == data


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_files_are_only_read(site: Site, big: tuple[str, bytes], method: str):
    answer = site.ask(big[0], method, b"x")
    assert answer.status == 405
    assert "GET" in answer["allow"]


def test_files_answer_conditions(site: Site, big: tuple[str, bytes]):
    path, _ = big
    first = site.ask(path, "HEAD")
    for headers in ({"if_none_match": first["etag"]}, {"if_none_match": "*"}):
        answer = site.ask(path, **headers)
        assert (answer.status, answer.body) == (304, b"")
        assert answer["etag"] == first["etag"]
    assert site.ask(path, if_none_match='"x"').status == 200
    assert site.ask(path, range="bytes=0-4", if_none_match=first["etag"]).status == 304
