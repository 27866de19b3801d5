# SPDX-License-Identifier: Apache-2.0
"""A model of a shared cache in front of us: what it may mix up, it must not (N13, C2, hostile-168, hostile-169)."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from packhouse.domain.headers import CacheRules, Headers
from packhouse.domain.negotiation import Representation, choose_representation
from packhouse.domain.page import answer_page, make_page

MODIFIED = 1_700_000_000
PAGES = {
    kind: make_page(f"<{kind}> ".encode() * 50, index="main", project="foo", kind=kind, serial=1, modified=MODIFIED)
    for kind in ("html", "json")
}
LONG = CacheRules(max_age=600, cdn_max_age=86_400)

Request = dict[str, str]
Answer = tuple[int, Headers, bytes]


def origin(request: Request) -> Answer:
    representation = choose_representation(request.get("accept"))
    assert representation is not None
    page = PAGES[representation.kind]
    return answer_page(page, "GET", request, representation, now=MODIFIED + 100, rules=LONG)


@dataclass
class SharedCache:
    """RFC 9111: keeps every 200 that is not private, chooses by the request headers that its `Vary` names."""

    kept: list[tuple[tuple[tuple[str, str | None], ...], Answer]] = field(default_factory=list)

    def get(self, request: Request) -> Answer:
        for key, answer in self.kept:
            if all(request.get(name) == value for name, value in key):
                return answer
        answer = origin({name: value for name, value in request.items() if name != "if-none-match"})
        names = dict(answer[1])["vary"].lower().split(", ")
        self.kept.append((tuple((name, request.get(name)) for name in names), answer))
        return answer


ACCEPTS = st.sampled_from(
    [
        None,
        "*/*",
        "text/html",
        Representation.V1_HTML.value,
        Representation.V1_JSON.value,
        f"{Representation.V1_JSON.value}, {Representation.V1_HTML.value};q=0.2, text/html;q=0.01",
    ]
)
ENCODINGS = st.sampled_from([None, "gzip", "gzip, deflate, zstd", "br", "identity"])
OTHERS = st.dictionaries(st.sampled_from(["cookie", "user-agent", "x-forwarded-host", "origin"]), st.text(max_size=5))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    named = {"accept": draw(ACCEPTS), "accept-encoding": draw(ENCODINGS)}
    return {name: value for name, value in named.items() if value is not None} | draw(OTHERS)


@settings(max_examples=50, deadline=None)
@given(st.lists(requests(), min_size=2, max_size=20))
def test_hostile_168_a_cache_gives_everybody_what_the_origin_would(asked: list[Request]) -> None:
    cache = SharedCache()
    for request in asked:
        assert cache.get(request) == origin(request)


@settings(max_examples=50, deadline=None)
@given(requests(), requests())
def test_C2_an_etag_never_stands_for_other_bytes(one: Request, other: Request) -> None:
    _, headers, body = origin(one)
    status, _, _ = origin(other | {"if-none-match": dict(headers)["etag"]})
    full = origin(other)
    assert (status == 304) == (full[2] == body and dict(full[1])["content-type"] == dict(headers)["content-type"])
