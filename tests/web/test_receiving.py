# SPDX-License-Identifier: Apache-2.0
"""The body of an upload: every line of group U of hostile-inputs.md that concerns its shape."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packhouse.errors import Kind, PackhouseError
from packhouse.storage.blobs import MemoryBlobs
from packhouse.web.receiving import (
    MAX_DESCRIPTION,
    MAX_FIELD,
    MAX_PARTS,
    Received,
    boundary_of,
    receive,
)

BOUNDARY = "frontier"
FILE = b'--frontier\r\nContent-Disposition: form-data; name="content"; filename="a-1.0.tar.gz"\r\n\r\nBYTES\r\n'
END = b"--frontier--\r\n"


def text(name: str, value: bytes, header: bytes = b"") -> bytes:
    return b'--frontier\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name.encode(), header, value)


def read(body: bytes, *, length: int | None = -1, limit: int = 1000) -> Received:
    size = len(body) if length == -1 else length
    return receive(io.BytesIO(body), BOUNDARY, size, MemoryBlobs().incoming, limit)


def refusal(action: Callable[[], object]) -> PackhouseError:
    with pytest.raises(PackhouseError) as caught:
        action()
    return caught.value


def test_a_sound_body_is_read_in_order() -> None:
    body = (
        text("name", b"a") + text("classifiers", b"X") + text("classifiers", b"Y") + FILE + text("version", b"1") + END
    )
    received = read(body)
    assert received.fields == {"name": ["a"], "classifiers": ["X", "Y"], "version": ["1"]}
    assert received.filename == "a-1.0.tar.gz"
    assert received.incoming is not None
    assert received.incoming.size == 5


def test_u25_a_chunked_body_without_length_is_read() -> None:
    assert read(text("name", b"a") + END, length=None).fields == {"name": ["a"]}


def test_u1_without_content_there_is_no_file() -> None:
    assert read(text("name", b"a") + END).incoming is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(text("content", b"x") + END, "content-not-a-file", id="hostile-2"),
        pytest.param(FILE + FILE + END, "field-repeated", id="hostile-3"),
        pytest.param(text("name", b"a") + text("name", b"b") + END, "field-repeated", id="hostile-4-different"),
        pytest.param(text("name", b"a") + text("name", b"a") + END, "field-repeated", id="hostile-4-equal"),
        pytest.param(text("summary", b"a") + text("summary", b"a") + END, "field-repeated", id="hostile-5"),
        pytest.param(text("summary", b"a", b'; filename="x"') + END, "field-is-file", id="hostile-6"),
        pytest.param(
            text("sha256_digest", b"a" * 64) + text("sha256_digest", b"b" * 64) + END, "field-repeated", id="hostile-14"
        ),
        pytest.param(text("summary", b"\xff\xfe") + END, "field-not-utf8", id="hostile-17-bytes"),
        pytest.param(
            text("summary", b"a", b"\r\nContent-Type: text/plain; charset=utf-16") + END,
            "body-malformed",
            id="hostile-17-charset",
        ),
        pytest.param(
            text("x", b"", b"\r\nX-Long: " + b"a" * 9000) + END, "body-malformed", id="hostile-21-header-block"
        ),
        pytest.param(text("name", b"a"), "body-malformed", id="hostile-23-ends-early"),
        pytest.param(text("name", b"a") + END + b"x" * 300_000, "body-malformed", id="hostile-24-goes-on"),
        pytest.param(
            FILE.replace(b'filename="', b"filename*=utf-8''..%2f; filename=\"") + END,
            "filename-extended",
            id="hostile-40",
        ),
        pytest.param(b"", "body-malformed", id="empty"),
        pytest.param(b"no boundary here at all, only words", "body-malformed", id="garbage"),
    ],
)
def test_what_is_refused_and_why(body: bytes, code: str) -> None:
    error = refusal(lambda: read(body))
    assert (error.kind, error.code) == (Kind.INVALID, code)


def test_hostile_19_too_many_parts() -> None:
    started = time.process_time()
    error = refusal(lambda: read(text("classifiers", b"x") * (MAX_PARTS + 1) + END))
    assert error.code == "body-malformed"
    assert time.process_time() - started < 2


def test_hostile_20_a_huge_field_is_413() -> None:
    error = refusal(lambda: read(text("summary", b"x" * (MAX_FIELD + 1)) + END))
    assert (error.kind, error.code) == (Kind.TOO_LARGE, "field-too-large")
    assert read(text("description", b"x" * MAX_DESCRIPTION) + END).fields["description"][0].startswith("xxx")


def test_hostile_22_line_breaks_before_and_after_are_cut_short() -> None:
    for body in (b"\r\n" * 5_000_000 + text("name", b"a") + END, text("name", b"a") + END + b"\r\n" * 5_000_000):
        started = time.process_time()
        assert refusal(lambda body=body: read(body)).code == "body-malformed"  # type: ignore[misc]
        assert time.process_time() - started < 1


def test_hostile_27_the_file_is_cut_at_the_limit() -> None:
    error = refusal(lambda: read(FILE + END, limit=4))
    assert (error.kind, error.code) == (Kind.TOO_LARGE, "file-too-large")
    assert read(FILE + END, limit=5).incoming is not None


@pytest.mark.parametrize(
    ("content_type", "encoding", "kind"),
    [
        pytest.param("application/json", "", Kind.UNSUPPORTED, id="hostile-32-json"),
        pytest.param("application/x-www-form-urlencoded", "", Kind.UNSUPPORTED, id="hostile-32-form"),
        pytest.param("", "", Kind.UNSUPPORTED, id="none"),
        pytest.param("multipart/form-data", "", Kind.INVALID, id="hostile-21-no-boundary"),
        pytest.param(f"multipart/form-data; boundary={'b' * 300}", "", Kind.INVALID, id="hostile-21-long-boundary"),
        pytest.param("multipart/form-data; boundary=b", "gzip", Kind.UNSUPPORTED, id="hostile-26"),
    ],
)
def test_types_of_body_that_are_refused(content_type: str, encoding: str, kind: Kind) -> None:
    assert refusal(lambda: boundary_of(content_type, encoding)).kind is kind


def test_the_boundary_is_found_in_quotes_too() -> None:
    assert boundary_of('multipart/form-data; boundary="a b"', "") == "a b"


@settings(max_examples=200)
@given(st.binary(max_size=400), st.sampled_from([b"", FILE, text("name", b"a")]))
def test_any_bytes_are_read_or_refused(noise: bytes, start: bytes) -> None:
    kind = Kind.INVALID
    try:
        received = read(start + noise)
    except PackhouseError as error:
        kind = error.kind
    else:
        received.discard()
    assert kind in {Kind.INVALID, Kind.TOO_LARGE}
