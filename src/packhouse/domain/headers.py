# SPDX-License-Identifier: Apache-2.0
"""The complete header sets of pages, files, redirects and refusals, as both origin and edge send them.

Names are lower-case, the order is fixed, and nothing depends on the request beyond what `Vary` names. `public`
is False for what only some may read: such an answer is `private` and varies by `Authorization`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from packhouse.domain.conditional import http_date
from packhouse.domain.negotiation import IDENTITY, Representation

TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
JSON = "application/json"

Headers = tuple[tuple[str, str], ...]

ONE_YEAR = 31_536_000
"""Seconds a file, which never changes, may be kept."""


@dataclass(frozen=True, slots=True)
class CacheRules:
    """How long pages of public indexes may be kept, in seconds: by clients, and by a CDN that we purge (0: no CDN)."""

    max_age: int = 0
    cdn_max_age: int = 0


DEFAULT_RULES = CacheRules()

CORS: Headers = (
    ("access-control-allow-origin", "*"),
    ("access-control-allow-headers", "Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Unmodified-Since"),
    ("access-control-allow-methods", "GET"),
    ("access-control-max-age", "86400"),
    ("access-control-expose-headers", "X-PyPI-Last-Serial"),
)
FILE_CORS: Headers = (
    ("access-control-allow-origin", "*"),
    ("access-control-allow-headers", "Content-Type, If-Modified-Since, If-None-Match, If-Range, Range"),
    ("access-control-allow-methods", "GET"),
    ("access-control-max-age", "86400"),
    ("access-control-expose-headers", "Accept-Ranges, Content-Length, Content-Range, ETag"),
)
NOSNIFF = ("x-content-type-options", "nosniff")
# Without allow-downloads a browser refuses to save a file whose link was clicked on a sandboxed page.
PAGE_POLICY = ("content-security-policy", "default-src 'none'; sandbox allow-top-navigation allow-downloads")
FILE_POLICY = ("content-security-policy", "sandbox; default-src 'none'")
REFERRER = ("referrer-policy", "origin-when-cross-origin")
KEPT_BY_304 = frozenset(
    {
        "access-control-allow-origin",
        "access-control-expose-headers",
        "cache-control",
        "etag",
        "last-modified",
        "surrogate-control",
        "surrogate-key",
        "vary",
        "x-pypi-last-serial",
    }
)
"""What a 304 repeats of the 200 it stands for."""


def vary(*, public: bool, accept: bool = True) -> str:
    """The `Vary` value of a page (`accept`) or of what has one form only; may be ""."""
    names = ["Accept", "Accept-Encoding"] if accept else []
    return ", ".join(names if public else [*names, "Authorization"])


def surrogate_keys(index: str, project: str) -> str:
    """The keys by which a CDN purges: all of an index, its root page (`project` ""), or one project in it."""
    return f"{index_key(index)} {project_key(index, project) if project else root_key(index)}"


def index_key(index: str) -> str:
    """The key of all that an index shows."""
    return f"index/{index}"


def root_key(index: str) -> str:
    """The key of the root page of an index."""
    return f"root/{index}"


def project_key(index: str, project: str) -> str:
    """The key of the pages and files of a project in an index."""
    return f"project/{index}/{project}"


def page_cache(rules: CacheRules, *, public: bool) -> Headers:
    """`Cache-Control`, and `Surrogate-Control` where a CDN that is purged stands before us."""
    if not public:
        return (("cache-control", "private, max-age=0, must-revalidate"),)
    control = (("cache-control", f"max-age={rules.max_age}, must-revalidate"),)
    if not rules.cdn_max_age:
        return control
    longer = f"max-age={rules.cdn_max_age}, stale-if-error=86400"
    return (*control, ("surrogate-control", longer))


def page_headers(
    *,
    representation: Representation,
    encoding: str,
    length: int,
    etag: str,
    serial: int,
    modified: int,
    keys: str,
    public: bool,
    rules: CacheRules,
) -> Headers:
    """All headers of a 200 with a simple page: `length` in bytes as encoded, `etag` quoted, `modified` unix seconds."""
    encoded = () if encoding == IDENTITY else (("content-encoding", encoding),)
    return (
        ("content-type", representation.content_type),
        *encoded,
        ("content-length", str(length)),
        ("etag", etag),
        ("last-modified", http_date(modified)),
        *page_cache(rules, public=public),
        ("vary", vary(public=public)),
        ("x-pypi-last-serial", str(serial)),
        *((("surrogate-key", keys), *CORS) if public else ()),
        PAGE_POLICY,
        REFERRER,
        NOSNIFF,
    )


def document_headers(
    content_type: str, length: int, *, encoding: str, etag: str, serial: int, max_age: int, keys: str, public: bool
) -> Headers:
    """All headers of a 200 with the legacy JSON or a feed: `length` as encoded, `etag` quoted, `max_age` in seconds."""
    control = f"max-age={max_age}, must-revalidate"
    encoded = () if encoding == IDENTITY else (("content-encoding", encoding),)
    return (
        ("content-type", content_type),
        *encoded,
        ("content-length", str(length)),
        ("etag", etag),
        ("cache-control", control if public else f"private, {control}"),
        ("vary", "Accept-Encoding" if public else "Accept-Encoding, Authorization"),
        ("x-pypi-last-serial", str(serial)),
        *((("surrogate-key", keys), *CORS) if public else ()),
        PAGE_POLICY,
        REFERRER,
        NOSNIFF,
    )


def disposition(filename: str) -> str:
    """`Content-Disposition` that saves under `filename`, in both forms of RFC 6266."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-+!") else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def file_headers(
    *, filename: str, sha256: str, modified: int, keys: str, public: bool, metadata: bool = False
) -> Headers:
    """All headers of a 200 with a file or (`metadata`) its core metadata, except `Content-Length`.

    `sha256` is that of the bytes sent. Never a `Content-Encoding`: the bytes are what the digest was taken of.
    """
    age = f"max-age={ONE_YEAR}, immutable"
    saved = () if metadata else (("content-disposition", disposition(filename)),)
    return (
        ("content-type", TEXT if metadata else BINARY),
        *saved,
        ("etag", f'"{sha256}"'),
        ("last-modified", http_date(modified)),
        ("accept-ranges", "bytes"),
        ("cache-control", f"{age}, public" if public else f"private, {age}"),
        *((("surrogate-key", keys), *FILE_CORS) if public else (("vary", "Authorization"),)),
        FILE_POLICY,
        NOSNIFF,
    )


def error_headers(length: int, content_type: str = TEXT, *, public: bool = True, accept: bool = True) -> Headers:
    """All headers of a 4xx or 5xx on a reading path; `accept` where what is answered depends on `Accept`."""
    varied = vary(public=public, accept=accept)
    return (
        ("content-type", content_type),
        ("content-length", str(length)),
        ("cache-control", "no-store"),
        *((("vary", varied),) if varied else ()),
        *(CORS if public else ()),
        PAGE_POLICY,
        REFERRER,
        NOSNIFF,
    )


def redirect_headers(location: str, *, public: bool = True) -> Headers:
    """All headers of a 301 to `location` (already percent-encoded), kept by nobody: a name may become private."""
    return (("location", location), *error_headers(0, public=public))


def preflight_headers(*, files: bool = False) -> Headers:
    """All headers of the 204 that answers OPTIONS on a public page or file."""
    return (("allow", "GET, HEAD, OPTIONS"), *(FILE_CORS if files else CORS), ("content-length", "0"))


ONE_DAY = 86_400
"""Seconds a past state may be kept: a purge still gets through."""


def of_the_past(headers: Headers, *, settled: bool) -> Headers:
    """The headers of an answer about a past state: kept for a day, never immutable; `settled`: it can't change."""
    private = any(name == "cache-control" and "private" in value for name, value in headers)
    age = f"max-age={ONE_DAY}" if settled else "max-age=0, must-revalidate"
    control = f"private, {age}" if private else age
    kept = tuple(pair for pair in headers if pair[0] != "surrogate-control")
    return tuple((name, control if name == "cache-control" else value) for name, value in kept)


def for_not_modified(headers: Headers) -> Headers:
    """The headers of the 304 that stands for a 200 with `headers`."""
    return tuple(pair for pair in headers if pair[0] in KEPT_BY_304)
