# SPDX-License-Identifier: Apache-2.0
"""Pages as ready bytes, and the answers made of them."""

from __future__ import annotations

import gzip
from typing import Any

import brotli
import pytest
import zstandard

from packhouse.domain.headers import CacheRules
from packhouse.domain.negotiation import Representation
from packhouse.domain.page import Page, answer_page, make_page

BODY = b"<a href='x'>a long enough page</a>\n" * 40
MODIFIED = 1_700_000_000
NOW = MODIFIED + 3600.0


def a_page(body: bytes = BODY, **changes: Any) -> Page:
    values: dict[str, Any] = {"index": "main", "project": "foo", "kind": "html", "serial": 7, "modified": MODIFIED}
    return make_page(body, **(values | changes))


def ask(
    page: Page, representation: Representation = Representation.HTML, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status, sent, body = answer_page(page, method, named, representation, now=NOW)
    assert len(dict(sent)) == len(sent), "a header twice"
    return status, dict(sent), body


def test_variants_unpack_to_the_body_and_are_the_same_every_time() -> None:
    page = a_page()
    assert page.gzip is not None
    assert page.zstd is not None
    assert page.br is not None
    assert gzip.decompress(page.gzip) == BODY
    assert zstandard.ZstdDecompressor().decompress(page.zstd) == BODY
    assert brotli.decompress(page.br) == BODY
    assert a_page() == page
    assert page.size == len(BODY) + len(page.gzip) + len(page.zstd) + len(page.br)


def test_a_variant_that_is_not_smaller_is_left_out() -> None:
    page = a_page(b"x")
    assert (page.gzip, page.zstd, page.br, page.encodings) == (None, None, None, ())
    status, headers, body = ask(page, accept_encoding="gzip, zstd, br")
    assert (status, body) == (200, b"x")
    assert "content-encoding" not in headers
    assert page.encoded("gzip") == b"x"


def test_C2_C7_strong_etags_differ_by_representation_and_encoding() -> None:
    page = a_page()
    tags = set()
    for representation in (Representation.HTML, Representation.V1_HTML):
        for coding in ("identity", "gzip", "zstd", "br"):
            status, headers, body = ask(page, representation, accept_encoding=coding)
            assert (status, body) == (200, page.encoded(coding))
            assert headers.get("content-encoding", "identity") == coding
            assert headers["content-length"] == str(len(body))
            assert not headers["etag"].startswith("W/")
            tags.add(headers["etag"])
    assert len(tags) == 8


def test_C2_N13_a_known_etag_gives_304_with_what_a_cache_needs() -> None:
    page = a_page()
    _, full, _ = ask(page, accept_encoding="gzip")
    status, headers, body = ask(page, accept_encoding="gzip", if_none_match=f'"x", {full["etag"]}')
    assert (status, body) == (304, b"")
    for name in ("etag", "vary", "cache-control", "last-modified", "x-pypi-last-serial", "access-control-allow-origin"):
        assert headers[name] == full[name]
    assert not {"content-length", "content-type", "content-encoding"} & set(headers)
    assert ask(page, accept_encoding="identity", if_none_match=full["etag"])[0] == 200


def test_U11_hostile_166_head_has_the_headers_of_get_and_no_body() -> None:
    page = a_page()
    _, get, _ = ask(page, accept_encoding="zstd")
    assert ask(page, method="HEAD", accept_encoding="zstd") == (200, get, b"")


def test_C3_if_modified_since() -> None:
    page = a_page()
    _, full, _ = ask(page)
    assert ask(page, if_modified_since=full["last-modified"])[0] == 304
    assert ask(page, if_modified_since="Tue, 14 Nov 2023 22:13:19 GMT")[0] == 200
    young, _, _ = answer_page(
        page, "GET", {"if-modified-since": full["last-modified"]}, Representation.HTML, now=MODIFIED + 1.9
    )
    assert young == 200


def test_C1_C8_N1_headers_of_a_public_page() -> None:
    _, headers, _ = ask(a_page())
    assert headers["content-type"] == "text/html; charset=UTF-8"
    assert headers["cache-control"] == "max-age=0, must-revalidate"
    assert headers["vary"] == "Accept, Accept-Encoding"
    assert headers["x-pypi-last-serial"] == "7"
    assert headers["surrogate-key"] == "index/main project/main/foo"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert "sandbox" in headers["content-security-policy"]
    assert "surrogate-control" not in headers


def test_hostile_169_a_page_not_everybody_may_read_is_private() -> None:
    _, headers, _ = ask(a_page(audience="readers"))
    assert headers["cache-control"] == "private, max-age=0, must-revalidate"
    assert headers["vary"] == "Accept, Accept-Encoding, Authorization"
    assert not [name for name in headers if name.startswith(("access-control", "surrogate"))]


@pytest.mark.parametrize(("valid_until", "expected"), [(None, 60), (NOW + 5, 0)])
def test_rules_lengthen_what_may_be_kept_unless_policy_will_change_it(valid_until: float | None, expected: int) -> None:
    page = a_page(valid_until=valid_until)
    rules = CacheRules(max_age=60, cdn_max_age=86400)
    headers = dict(answer_page(page, "GET", {}, Representation.HTML, now=NOW, rules=rules)[1])
    assert headers["cache-control"] == f"max-age={expected}, must-revalidate"
    assert ("surrogate-control" in headers) == (valid_until is None)


def test_a_page_is_valid_until_policy_changes_it() -> None:
    assert a_page().is_valid(NOW)
    assert a_page(valid_until=NOW + 1).is_valid(NOW)
    assert not a_page(valid_until=NOW).is_valid(NOW)
