# SPDX-License-Identifier: Apache-2.0
"""Content negotiation: lines N1 to N16, decision 1, hostile-167."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhouse.domain.negotiation import (
    ENCODINGS,
    MAX_ACCEPT,
    SUPPORTED,
    Representation,
    choose_encoding,
    choose_representation,
    etag_of,
)

HTML, V1_HTML, V1_JSON = Representation.HTML, Representation.V1_HTML, Representation.V1_JSON
JSON = "application/vnd.pypi.simple.v1+json"
VHTML = "application/vnd.pypi.simple.v1+html"
LATEST_JSON = "application/vnd.pypi.simple.latest+json"
LATEST_HTML = "application/vnd.pypi.simple.latest+html"
PIP = f"{JSON}, {VHTML}; q=0.1, text/html; q=0.01"
UV = f"{JSON}, {VHTML};q=0.2, text/html;q=0.01"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param(None, HTML, id="N2-absent"),
        pytest.param("", HTML, id="N2-empty"),
        pytest.param("*/*", HTML, id="N2-anything"),
        pytest.param("*", HTML, id="N2-star-of-old-java"),
        pytest.param("text/*", HTML, id="N9-text-wildcard"),
        pytest.param("TEXT/*", HTML, id="N9-wildcard-case"),
        pytest.param("application/*", V1_JSON, id="N9-application-wildcard"),
        pytest.param("text/html", HTML, id="N5-dependabot"),
        pytest.param(BROWSER, HTML, id="N4-browser"),
        pytest.param(PIP, V1_JSON, id="N4-pip"),
        pytest.param(UV, V1_JSON, id="N4-uv"),
        pytest.param(f"{JSON};q=0.1, text/html;q=0.9", HTML, id="N3-quality"),
        pytest.param(f"text/html;q=0.01, {JSON}", V1_JSON, id="N3-order"),
        pytest.param(VHTML, V1_HTML, id="N5-v1+html"),
        pytest.param(JSON, V1_JSON, id="N5-v1+json"),
        pytest.param(LATEST_JSON, V1_JSON, id="N6-latest+json"),
        pytest.param(LATEST_HTML, V1_HTML, id="N6-latest+html"),
        pytest.param("application/vnd.pypi.simple.v2+json", None, id="N7-v2"),
        pytest.param("application/vnd.pypi.simple.v9+json", None, id="hostile-167-v9"),
        pytest.param("application/json", None, id="N12-never-application/json"),
        pytest.param("text/plain", None, id="N7-unknown"),
        pytest.param("image/*", None, id="N7-unknown-wildcard"),
        pytest.param(f"application/vnd.pypi.simple.v2+json, {JSON};q=0.1", V1_JSON, id="N7-one-known"),
        pytest.param(f"{JSON};q=0", None, id="N8-only-refused"),
        pytest.param(f"{JSON};q=0, */*", HTML, id="N8-json-refused"),
        pytest.param("text/html;q=0, */*", V1_JSON, id="N8-html-refused"),
        pytest.param("text/*;q=0, application/*;q=0, */*", None, id="N8-all-refused"),
        pytest.param(f"text/html;q=0, {JSON};q=0.0, */*", V1_HTML, id="N8-two-refused"),
        pytest.param("*/*;q=0", None, id="N8-everything-refused"),
        pytest.param("application/*, application/vnd.pypi.simple.v1+json;q=0", V1_HTML, id="N8-specific-wins"),
        pytest.param("Application/VND.pypi.simple.V1+JSON; q=0.5", V1_JSON, id="N9-case"),
        pytest.param(f"  {JSON}  ;  Q = 0.5 ", V1_JSON, id="N9-spaces"),
        pytest.param(f"{JSON};charset=utf-8;q=.7, text/html;q=0.6", V1_JSON, id="N9-parameters-ignored"),
        pytest.param(f'text/html;x="a,b;q=0", {JSON};q=0.5', HTML, id="N9-quoted-comma"),
        pytest.param(f"{JSON}, {VHTML}, text/html", V1_JSON, id="decision-1-equal-json"),
        pytest.param(f"text/html, {VHTML}", V1_HTML, id="decision-1-equal-html"),
        pytest.param("text/html, */*", HTML, id="decision-1-named-before-anything"),
        pytest.param(f"*/*, {VHTML}", V1_HTML, id="decision-1-named-after-anything"),
        pytest.param(f"*/*, {JSON};q=0.5", HTML, id="decision-1-anything-preferred"),
        pytest.param(f"{JSON};q=0.5, {LATEST_JSON};q=0.9, text/html;q=0.7", HTML, id="first-of-equal-counts"),
        pytest.param(f"{JSON};q=nan", HTML, id="hostile-167-nan"),
        pytest.param(f"{JSON};q=2", HTML, id="q-above-one"),
        pytest.param(f"{JSON};q=-1", HTML, id="q-negative"),
        pytest.param(f"{JSON};q=", HTML, id="q-empty"),
        pytest.param(f"{JSON};q=.", HTML, id="q-point"),
        pytest.param(f"{JSON};q=1e3", HTML, id="q-exponent"),
        pytest.param(f"{JSON};q=1.9", HTML, id="q-one-and-more"),
        pytest.param(f"{JSON};q=nan, {VHTML};q=0.1", V1_HTML, id="bad-element-left-out"),
        pytest.param(";;;,,,///", HTML, id="garbage"),
        pytest.param("text", HTML, id="no-slash"),
        pytest.param("\x00\xff\u0661", HTML, id="bytes"),
        pytest.param(JSON + " " * MAX_ACCEPT, HTML, id="hostile-167-10KiB"),
        pytest.param(f'"{JSON}', HTML, id="unclosed-quote"),
    ],
)
def test_accept(accept: str | None, expected: Representation | None) -> None:
    assert choose_representation(accept) is expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("format=application/vnd.pypi.simple.v1%2Bjson", V1_JSON),
        ("format=application/vnd.pypi.simple.v1+json", V1_JSON),
        ("x=1&format=application%2Fvnd.pypi.simple.LATEST%2Bhtml&format=text/html", V1_HTML),
        ("format=text/html", HTML),
        ("format=json", None),
        ("format=", HTML),
        ("xformat=application/vnd.pypi.simple.v1%2Bjson", HTML),
        ("other=1", HTML),
        ("format=%ff%00", None),
    ],
)
def test_N10_format_wins_over_accept(query: str, expected: Representation | None) -> None:
    assert choose_representation("text/html", query) is expected


def test_N1_N5_N12_content_types() -> None:
    assert [r.content_type for r in Representation] == ["text/html; charset=UTF-8", VHTML, JSON]
    assert [r.kind for r in Representation] == ["html", "html", "json"]
    assert "application/json" not in SUPPORTED


def test_N7_the_list_for_a_406() -> None:
    assert set(SUPPORTED) == {"text/html", VHTML, JSON, LATEST_HTML, LATEST_JSON}
    assert all(choose_representation(name) for name in SUPPORTED)


TYPES = [JSON, VHTML, "text/html", "*/*", "text/*", "application/*", LATEST_JSON]
PIECES = st.sampled_from([*TYPES, ",", ";", "q=", "0", "0.5", "1", "nan", '"', " ", "\\", "=", "/"])
HEADERS = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join))


@given(HEADERS, st.one_of(st.just(""), st.text(), HEADERS.map("format=".__add__)))
def test_total_on_garbage(accept: str, query: str) -> None:
    chosen = choose_representation(accept, query)
    assert chosen is None or chosen in Representation
    assert choose_representation(accept, query) is chosen


@given(st.permutations([JSON, VHTML, "text/html", "text/plain", "*/*;q=0.001"]))
def test_order_never_matters_at_equal_quality(parts: list[str]) -> None:
    assert choose_representation(", ".join(parts)) is V1_JSON


@given(st.dictionaries(st.sampled_from([JSON, VHTML, "text/html"]), st.integers(0, 1000), min_size=1))
def test_N3_the_highest_quality_wins(qualities: dict[str, int]) -> None:
    header = ",".join(f"{name};q={quality / 1000:.3f}" for name, quality in qualities.items())
    chosen = choose_representation(header)
    best = max(qualities.values())
    assert (chosen is None) == (best == 0)
    assert chosen is None or qualities[chosen.value] == best


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("deflate", "identity"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.5, br;q=0.6, zstd;q=0.1", "br"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip;q=1.0", "gzip"),
        ("identity, gzip", "gzip"),
        ("identity;q=0", "identity"),
        ("*", "gzip"),
        ("*;q=0", "identity"),
        ("gzip;q=0, *", "identity"),
        ("*;q=0, br", "br"),
        ("gzip;q=nan, br;q=0.1", "br"),
        (",,;;", "identity"),
        ("gzip" + " " * MAX_ACCEPT, "identity"),
    ],
)
def test_encoding(header: str | None, expected: str) -> None:
    assert choose_encoding(header) == expected


def test_encoding_of_what_is_there() -> None:
    assert choose_encoding("gzip, zstd, br", ("gzip",)) == "gzip"
    assert choose_encoding("gzip, zstd, br", ()) == "identity"


@given(
    st.one_of(st.text(), st.lists(st.sampled_from([*ENCODINGS, "*", "identity", ",", ";q=", "0", "0.3"])).map("".join))
)
def test_encoding_total_on_garbage(header: str) -> None:
    assert choose_encoding(header, ("gzip", "br")) in {"identity", "gzip", "br"}


def test_C2_tags_are_strong_and_all_different() -> None:
    tags = {etag_of("abc", r, e) for r in Representation for e in ("identity", *ENCODINGS)}
    assert len(tags) == 12
    assert all(tag.startswith('"abc-') and tag.endswith('"') for tag in tags)
