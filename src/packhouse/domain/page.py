# SPDX-License-Identifier: Apache-2.0
"""A page: ready bytes in every encoding, and the pure function that answers a request with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from packhouse.domain.compressing import compress
from packhouse.domain.conditional import not_modified
from packhouse.domain.headers import (
    DEFAULT_RULES,
    CacheRules,
    Headers,
    for_not_modified,
    page_headers,
    surrogate_keys,
)
from packhouse.domain.negotiation import Representation, choose_encoding, etag_of

NO_BROTLI = 2 * 1024 * 1024
"""Bytes from which a page is not compressed with Brotli: that takes twice as long as the two others together."""
KINDS = ("html", "json", "names")


class Ready(NamedTuple):
    """What one representation of a page is in one encoding: made once, sent many times."""

    etag: str
    headers: Headers
    not_modified: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """A page of an index as stored: `project` is a normalized name, or "" for the root page.

    `kind` is `html` or `json` (or `names`, whose bytes are empty). `etag` is the unquoted base of the strong tags,
    `modified` is in unix seconds and later than that of the page before, `audience` is "" when anybody may read,
    `valid_until` (unix seconds) is the moment from which policy alone would make another page. `gzip`, `zstd` and
    `br` are None where not smaller than `body`.
    """

    index: str
    project: str
    kind: str
    serial: int
    modified: int
    etag: str
    audience: str
    valid_until: float | None
    body: bytes
    gzip: bytes | None = None
    zstd: bytes | None = None
    br: bytes | None = None
    _ready: dict[tuple[str, str, CacheRules], Ready] = field(default_factory=dict, compare=False, repr=False)
    _encodings: list[tuple[str, ...]] = field(default_factory=list, compare=False, repr=False)

    @property
    def public(self) -> bool:
        """Whether anybody may read it."""
        return not self.audience

    @property
    def encodings(self) -> tuple[str, ...]:
        """The content codings it is there in."""
        if not self._encodings:
            made = {"gzip": self.gzip, "zstd": self.zstd, "br": self.br}
            self._encodings.append(tuple(name for name, data in made.items() if data is not None))
        return self._encodings[0]

    @property
    def size(self) -> int:
        """Bytes of memory its bodies take, in all encodings."""
        return len(self.body) + sum(len(data) for data in (self.gzip, self.zstd, self.br) if data)

    def is_valid(self, now: float) -> bool:
        """Whether no policy has changed it by the moment `now` (unix seconds)."""
        return self.valid_until is None or now < self.valid_until

    def encoded(self, encoding: str) -> bytes:
        """Its bytes in one of `encodings`, or as they are for `identity`."""
        data = {"gzip": self.gzip, "zstd": self.zstd, "br": self.br}.get(encoding)
        return self.body if data is None else data

    def ready(self, representation: Representation, encoding: str, rules: CacheRules = DEFAULT_RULES) -> Ready:
        """The headers and bytes of one representation in one encoding, made on first use."""
        key = (representation.value, encoding, rules)
        found = self._ready.get(key)
        if found is None:
            found = self._ready[key] = _make_ready(self, representation, encoding, rules)
        return found


def _make_ready(page: Page, representation: Representation, encoding: str, rules: CacheRules) -> Ready:
    body = page.encoded(encoding)
    etag = etag_of(page.etag, representation, encoding)
    headers = page_headers(
        representation=representation,
        encoding=encoding,
        length=len(body),
        etag=etag,
        serial=page.serial,
        modified=page.modified,
        keys=surrogate_keys(page.index, page.project),
        public=page.public,
        rules=rules if page.valid_until is None else DEFAULT_RULES,
    )
    return Ready(etag, headers, for_not_modified(headers), body)


def make_page(
    body: bytes,
    *,
    index: str,
    project: str,
    kind: str,
    serial: int,
    modified: int,
    audience: str = "",
    valid_until: float | None = None,
) -> Page:
    """Make a page of rendered bytes: compressed deterministically, its tag taken from the bytes.

    A variant that is not smaller is left out. `modified` is unix seconds.
    """
    return Page(
        index=index,
        project=project,
        kind=kind,
        serial=serial,
        modified=modified,
        etag=hashlib.sha256(body).hexdigest()[:32],
        audience=audience,
        valid_until=valid_until,
        body=body,
        gzip=_if_smaller(compress(body, "gzip"), body),
        zstd=_if_smaller(compress(body, "zstd"), body),
        br=_if_smaller(compress(body, "br"), body) if len(body) < NO_BROTLI else None,
    )


def _if_smaller(data: bytes, body: bytes) -> bytes | None:
    return data if len(data) < len(body) else None


def answer_page(
    page: Page,
    method: str,
    headers: Mapping[str, str],
    representation: Representation,
    *,
    now: float,
    rules: CacheRules = DEFAULT_RULES,
) -> tuple[int, Headers, bytes]:
    """Answer a GET or HEAD with a page the asker may read: (200 or 304, headers, body).

    `headers` are the request's, names in lower case; `representation` must be of the page's kind; `now` is unix
    seconds. HEAD gets the same headers as GET, `Content-Length` included, and no body. Warm: 1 us.
    """
    encoding = choose_encoding(headers.get("accept-encoding"), page.encodings)
    ready = page.ready(representation, encoding, rules)
    if not_modified(headers, ready.etag, page.modified, now):
        return 304, ready.not_modified, b""
    return 200, ready.headers, b"" if method == "HEAD" else ready.body
