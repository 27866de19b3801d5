# SPDX-License-Identifier: Apache-2.0
"""The envelope and the form of an upload (upload-api 2.1, group B; standards L1 to L18; hostile group U)."""

from __future__ import annotations

import contextlib
import hashlib
import select
import socket
import time
from typing import Any

import pytest
from tests.http.client import (
    UV_ERRORS,
    File,
    Site,
    basic,
    file_part,
    fresh,
    make_form,
    sdist,
    sha256,
    text_part,
    wheel,
)
from tests.http.conftest import FILE_LIMIT


def is_absent(site: Site, name: str) -> bool:
    """Whether nothing was published under the name, and no temporary file remains."""
    left = list((site.server.data / "blobs" / "tmp").glob("*"))
    return site.ask(f"/simple/{name}/").status == 404 and left == []


IN_TIME = 60
"""Seconds within which even a busy machine answers what is not made to hang it."""

FORMS = [  # id, fields, status, a piece of the answer
    pytest.param({"action": None}, 200, "published", id="L1-hostile-7-no-action"),
    pytest.param({"action": "submit"}, 410, "", id="L1-submit"),
    pytest.param({"action": "submit_pkg_info"}, 410, "", id="L1-submit_pkg_info"),
    pytest.param({"action": "doc_upload"}, 410, "", id="L1-doc_upload"),
    pytest.param({"action": "nonsense"}, 400, ":action", id="decision-2-unknown-action"),
    pytest.param({"protocol_version": "2"}, 400, "protocol", id="B1-L2-hostile-8"),
    pytest.param({"protocol_version": None}, 200, "", id="B1-default"),
    pytest.param({"name": None}, 400, "name", id="B2-missing"),
    pytest.param({"name": ""}, 400, "name", id="B2-empty"),
    pytest.param({"name": "UNKNOWN"}, 400, "name", id="B2-UNKNOWN"),
    pytest.param({"name": "foo-"}, 400, "name", id="B3"),
    pytest.param({"name": "-a"}, 400, "name", id="B3-U8-a"),
    pytest.param({"name": "\u00e4"}, 400, "name", id="B3-U8-umlaut"),
    pytest.param({"name": "a\n"}, 400, "name", id="B3-U8-newline"),
    pytest.param({"name": "\u212aelvin"}, 400, "name", id="B3-hostile-53-kelvin"),
    pytest.param({"name": "a" * 10_000}, 400, "name", id="B3-hostile-54"),
    pytest.param({"filetype": None}, 400, "filetype", id="B4"),
    *(
        pytest.param({"filetype": kind}, 400, "filetype", id=f"B5-hostile-9-{kind}")
        for kind in ("bdist_egg", "bdist_wininst", "bdist_rpm", "bdist_dumb", "exe", "SDIST")
    ),
    pytest.param({"filetype": "sdist", "pyversion": None}, 400, "filetype", id="E3-hostile-10"),
    pytest.param({"sha256_digest": "0" * 63}, 400, "sha256_digest", id="B6-hostile-13"),
    pytest.param({"sha256_digest": "x" * 64}, 400, "sha256_digest", id="B6-no-hex"),
    pytest.param({"blake2_256_digest": "zz"}, 400, "blake2_256_digest", id="B7"),
    pytest.param({"pyversion": None}, 400, "pyversion", id="B8"),
    pytest.param({"pyversion": ""}, 400, "pyversion", id="B8-empty"),
    pytest.param({"sha256_digest": None}, 200, "digest", id="B10-hostile-12-no-digest-is-a-warning"),
    pytest.param({"version": None}, 400, "version", id="C2"),
    pytest.param({"version": "dog"}, 400, "version", id="C3"),
    pytest.param({"version": "latest"}, 400, "version", id="C3-hostile-52"),
    pytest.param({"version": "1.0.*"}, 400, "version", id="C3-hostile-52-star"),
    pytest.param({"version": "1" * 2000}, 400, "version", id="C3-hostile-51"),
    pytest.param({"name": ["x", "y"]}, 400, "name", id="hostile-4-twice"),
    pytest.param({"version": ["1.0", "1.0"]}, 400, "version", id="hostile-5-same-twice"),
    pytest.param({"summary": ["a", "b"]}, 400, "summary", id="hostile-5-summary"),
    pytest.param({"sha256_digest": ["0" * 64, "1" * 64]}, 400, "sha256_digest", id="hostile-14"),
    pytest.param({"sha256_digest": "0" * 64}, 400, "sha256_digest", id="E8-L17-hostile-13-wrong"),
    pytest.param({"md5_digest": "0" * 32}, 400, "md5_digest", id="E8-md5-beside-a-right-sha256"),
    pytest.param({"blake2_256_digest": "0" * 64}, 400, "blake2_256_digest", id="E8-hostile-13-blake2"),
    pytest.param({"attestations": "nonsense"}, 400, "ttestation", id="E29-hostile-36"),
    pytest.param({"attestations": "[]"}, 400, "ttestation", id="E29-A1-empty"),
    pytest.param({"author": "UNKNOWN", "requires_python": ""}, 200, "", id="L14-hostile-15-UNKNOWN"),
    pytest.param({"summary": "a\x00b"}, 200, "", id="decision-1-hostile-16-NUL-in-a-field-that-is-ignored"),
    pytest.param({"classifiers": ["x", "y"], "requires_dist": ["a", "b"]}, 200, "", id="hostile-5-repeatable"),
    pytest.param(
        {"import_names": ["a"], "import_name": ["a"], "import_namespaces": ["b"]}, 200, "", id="L14-spellings"
    ),
    pytest.param({"gpg_signature": "x"}, 200, "gpg_signature", id="hostile-35"),
    pytest.param({"metadata_version": None}, 200, "", id="decision-1-C1-comes-from-the-file"),
    pytest.param({"unknown": "x", "license_files": ["y"]}, 200, "", id="unknown-fields"),
    pytest.param({"description": "\u202e\ufeff" + "\u00e9\r\n" * 1000}, 200, "", id="check-13.28-hostile-18"),
]


@pytest.mark.parametrize(("fields", "status", "piece"), FORMS)
def test_form(site: Site, fields: dict[str, Any], status: int, piece: str):
    name = fresh()
    answer = site.upload(wheel(name), **fields)
    assert answer.status == status, answer.text
    assert piece in answer.text
    assert is_absent(site, name) is (status != 200)


def test_B9_hostile_11_pyversion_of_an_sdist(site: Site):
    name = fresh()
    assert site.upload(sdist(name), pyversion="cp312").status == 400
    for pyversion in ("source", "", None):
        assert site.upload(sdist(name), pyversion=pyversion).status == 200


def test_L17_hostile_13_digests_of_any_case_and_all_kinds(site: Site):
    file = wheel(fresh())
    md5, blake = hashlib.md5(file[1]).hexdigest(), hashlib.blake2b(file[1], digest_size=32).hexdigest()
    given: dict[str, Any] = {
        "sha256_digest": f" {sha256(file[1]).upper()} ",
        "md5_digest": md5,
        "blake2_256_digest": blake,
    }
    assert site.upload(file, **given).status == 200
    assert site.upload(wheel(fresh()), sha256_digest=None, md5_digest="0" * 32).status == 400


def test_several_faults_are_told_together_the_first_by_precedence(site: Site):
    answer = site.upload(wheel(fresh()), accept=UV_ERRORS, protocol_version="2", name="-x", filetype="exe")
    fields = [error["field"] for error in answer.json()["errors"]]
    assert fields[:3] == ["protocol_version", "name", "filetype"]
    assert answer.json()["code"].startswith(answer.json()["errors"][0]["message"])


def test_D1_hostile_1_no_file(site: Site):
    answer = site.upload(None, name="x", version="1.0", filetype="sdist")
    assert answer.status == 400
    assert "does not have a file" in answer.text


BODIES = [
    pytest.param([text_part("content", b"PK")], False, id="hostile-2-content-is-text"),
    pytest.param([file_part(wheel("other"))], True, id="hostile-3-two-contents"),
    pytest.param([text_part("name", "x", '; filename="name.txt"')], True, id="A1-hostile-6-field-is-a-file"),
    pytest.param([text_part("summary", b"\xff\xfe")], True, id="hostile-17-utf8"),
    pytest.param(
        [b'Content-Disposition: form-data; name="summary"\r\nContent-Type: text/plain; charset=utf-16\r\n\r\nx'],
        True,
        id="hostile-17-utf16",
    ),
    pytest.param([text_part(f"x{n}", "y") for n in range(1001)], True, id="hostile-19-1001-fields"),
    pytest.param([b"X-Pad: " + b"a" * 1_000_000 + b"\r\n\r\nx"], True, id="hostile-21-part-header"),
    pytest.param([b"\r\nno disposition"], True, id="hostile-no-disposition"),
]


@pytest.mark.parametrize(("parts", "with_file"), BODIES)
def test_body_is_400(site: Site, parts: list[bytes], with_file: bool):
    name = fresh()
    began = time.monotonic()
    file = wheel(name)
    more: dict[str, Any] = {} if with_file else {"name": name}
    answer = site.upload(file if with_file else None, parts=parts, **more)
    assert answer.status == 400, answer.text
    assert time.monotonic() - began < IN_TIME
    assert is_absent(site, name)


@pytest.mark.parametrize(
    ("field", "size", "status"),
    [
        ("comment", 70_000, 413),
        ("description", 11 * 1024 * 1024, 413),
        ("description", 1_000_000, 200),  # check 28: a README of 1 MB
    ],
)
def test_hostile_20_fields_have_limits(site: Site, field: str, size: int, status: int):
    fields: dict[str, Any] = {field: "x" * size}
    assert site.upload(wheel(fresh()), **fields).status == status


@pytest.mark.parametrize(
    ("content_type", "statuses"),
    [
        pytest.param("application/x-www-form-urlencoded", {400, 415}, id="hostile-32-form"),
        pytest.param("application/json", {400, 415}, id="hostile-32-json"),
        pytest.param("multipart/form-data", {400}, id="hostile-21-no-boundary"),
        pytest.param("multipart/form-data; boundary=" + "x" * 300, {400}, id="hostile-21-long-boundary"),
        pytest.param("multipart/form-data; boundary=other", {400}, id="wrong-boundary"),
        pytest.param("", {400, 415}, id="none"),
    ],
)
def test_content_type(site: Site, content_type: str, statuses: set[int]):
    body, _ = make_form([text_part("name", "x")], wheel(fresh()))
    answer = site.ask("/legacy/", "POST", body, content_type=content_type, authorization=basic(site.token))
    assert answer.status in statuses


def test_hostile_26_encoded_bodies_are_415(site: Site):
    body, kind = make_form([], wheel(fresh()))
    headers = {"content_type": kind, "authorization": basic(site.token), "content_encoding": "gzip"}
    assert site.ask("/legacy/", "POST", body, **headers).status == 415


def raw_upload(site: Site, body: bytes, kind: str, *lines: str) -> bytes:
    """Send a body with hand-made headers; the reply as it came."""
    head = ["POST /legacy/ HTTP/1.1", "Host: 127.0.0.1", f"Authorization: {basic(site.token)}", f"Content-Type: {kind}"]
    return site.raw("\r\n".join([*head, *lines, "Connection: close", "", ""]).encode() + body)


def form_of(file: File, **fields: str) -> tuple[bytes, str]:
    name, version = file[0].split("-")[:2]
    said = {"name": name, "version": version, "filetype": "bdist_wheel", "pyversion": "py3"} | fields
    return make_form([text_part(key, value) for key, value in said.items()], file)


def test_hostile_22_megabytes_before_the_first_boundary(site: Site):
    body, kind = form_of(wheel(fresh()))
    for odd in (b"\r\n" * 1_000_000 + body, body + b"\r\n" * 1_000_000):
        began = time.monotonic()
        reply = raw_upload(site, odd, kind, f"Content-Length: {len(odd)}")
        assert reply.split(b" ", 2)[1] == b"400"
        assert time.monotonic() - began < IN_TIME


def test_hostile_23_a_body_that_ends_early_leaves_nothing(site: Site):
    name = fresh()
    body, kind = form_of(wheel(name))
    with socket.create_connection(site.address, timeout=30) as connection:
        head = f"POST /legacy/ HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(site.token)}\r\nContent-Type: {kind}\r\n"
        connection.sendall(head.encode().replace(b"Host: x", b"Host: 127.0.0.1"))
        connection.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:-200])
    until = time.monotonic() + 60
    while not is_absent(site, name):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_hostile_24_more_bytes_than_announced_are_not_part_of_the_body(site: Site):
    name = fresh()
    body, kind = form_of(wheel(name))
    reply = raw_upload(site, body + b"EXTRA /x HTTP/9\r\n\r\n", kind, f"Content-Length: {len(body)}")
    assert reply.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("chunk", [1000, 1_000_000])
def test_L27_hostile_25_chunked(site: Site, chunk: int):
    name = fresh()
    body, kind = form_of(wheel(name))
    pieces = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    coded = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"
    assert raw_upload(site, coded, kind, "Transfer-Encoding: chunked").startswith(b"HTTP/1.1 200")
    assert site.ask(f"/simple/{name}/").status == 200


def test_L27_expect_100_continue(site: Site):
    body, kind = form_of(wheel(fresh()))
    with socket.create_connection(site.address, timeout=10) as connection:
        head = f"POST /legacy/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {basic(site.token)}\r\n"
        head += (
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_E6_L18_hostile_27_too_large_is_told_before_the_body_is_read(site: Site):
    if site.mode == "nginx":
        pytest.skip("nginx says 100 before it asks us")
    name = fresh()
    head = f"POST /legacy/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {basic(site.token)}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000000\r\n"
    with socket.create_connection(site.address, timeout=20) as connection:
        connection.sendall((head + "Expect: 100-continue\r\n\r\n").encode())
        reply = connection.recv(4000)
        assert reply.startswith((b"HTTP/1.1 413", b"HTTP/1.1 417")), reply[:100]
        assert str(FILE_LIMIT).encode() in (reply if b"bytes" in reply else reply + connection.recv(4000))
    with socket.create_connection(site.address, timeout=20) as connection:
        connection.sendall((head + "\r\n").encode())
        assert sent_until_answered(connection) < 20_000_000
        with contextlib.suppress(ConnectionResetError):  # a client that sends on may find the door shut
            assert connection.recv(4000).startswith(b"HTTP/1.1 413")
    assert is_absent(site, name)


def sent_until_answered(connection: socket.socket) -> int:
    """Send a body until the server answers or takes no more; how many bytes went out."""
    sent = 0
    while not select.select([connection], [], [], 0)[0]:
        if not select.select([connection], [connection], [], 20)[1]:
            break
        try:
            sent += connection.send(b"x" * 65536)
        except (BrokenPipeError, ConnectionResetError):
            break
    return sent


def test_E6_a_file_over_the_limit_is_413_and_says_it(site: Site):
    name = fresh()
    file = wheel(name, files={f"{name}/big": bytes(FILE_LIMIT + 1)})
    large = (file[0], file[1] + bytes(FILE_LIMIT))
    answer = site.upload(large)
    assert answer.status == 413
    assert str(FILE_LIMIT) in answer.text
    assert is_absent(site, name)


def test_hostile_25_chunked_over_the_limit_is_cut(site: Site):
    name = fresh()
    body, kind = form_of((wheel(name)[0], bytes(FILE_LIMIT + 100_000)))
    coded = b"".join(b"10000\r\n" + body[at : at + 65536].ljust(65536) + b"\r\n" for at in range(0, len(body), 65536))
    assert raw_upload(site, coded + b"0\r\n\r\n", kind, "Transfer-Encoding: chunked").startswith(b"HTTP/1.1 413")
    assert is_absent(site, name)


@pytest.mark.parametrize("path", ["/legacy/", "/legacy", "/index/main/legacy/", "/index/main/legacy"])
def test_L12_hostile_30_check_13_27_both_spellings_without_a_redirect(site: Site, path: str):
    assert site.upload(wheel(fresh()), path=path).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/legacy/", "/legacy"])
def test_decision_5_hostile_31_other_methods_are_405(site: Site, method: str, path: str):
    answer = site.ask(path, method)
    assert (answer.status, answer["allow"]) == (405, "POST")


def test_L28_there_is_no_second_upload_protocol(site: Site):
    for path in ("/legacy/validate", "/legacy/reserve", "/legacy/finalize"):
        assert site.ask(path, "POST", b"{}").status in {404, 405}


@pytest.mark.parametrize("head", ["", "Content-Type: application/octet-stream\r\n", "Content-Type: image/png\r\n"])
def test_L13_hostile_33_decision_2_type_of_the_part_is_ignored(site: Site, head: str):
    name = fresh()
    file = wheel(name)
    fields = [text_part("name", name), text_part("version", "1.0"), text_part("filetype", "bdist_wheel")]
    body, kind = make_form([*fields, text_part("pyversion", "py3"), file_part(file, head=head)])
    answer = site.ask("/legacy/", "POST", body, content_type=kind, authorization=basic(site.token))
    assert answer.status == 200


def test_L1_the_action_may_stand_in_the_address(site: Site):
    assert site.upload(wheel(fresh()), path="/legacy/?:action=file_upload", action=None).status == 200
    assert site.upload(wheel(fresh()), path="/legacy/?:action=submit", action=None).status == 410


def test_hostile_29_an_empty_file(site: Site):
    answer = site.upload((wheel(fresh())[0], b""))
    assert answer.status == 400
    assert "empty" in answer.text
