# SPDX-License-Identifier: Apache-2.0
"""nginx in front of the embedded edge: its configuration, and what our replies say to it (docs/adr/0011).

nginx keeps public pages and metadata for `KEPT_SECONDS` under the address, `Accept` and `Accept-Encoding` they were
asked for with. What a commit changes is marked before it commits (`storage.marks`), and nginx asks us about whatever
is marked, so that a page is as current as without it. Files are sent by nginx itself.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path

from packhouse.domain.headers import BINARY, NOSNIFF, PAGE_POLICY, Headers
from packhouse.edge.files import DAMAGED
from packhouse.edge.http import Exchange, FileRange, Reply, Request, Sink, plain
from packhouse.edge.limits import CLOSE, METHODS
from packhouse.storage.marks import EVERYTHING, ROOT

KEPT_SECONDS = 20
"""How long nginx keeps a page before it asks whether it is still so."""

FILL_SECONDS = 10
"""How long nginx waits for each step of an answer it may keep. Marks outlast both: see `storage.marks.LASTING`."""

SECRET = "x-packhouse-front"
"""The request header by which nginx shows that it is ours; what comes without it came past it."""

BLOBS = "/_blob/"
CACHE_BYTES = "1g"

# In the spellings of the clients there are; whatever else is asked for, in whatever order, is none of nginx's business.
_JSON, _HTML = "application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+html"
ACCEPTS = {
    "": "t",
    "*/*": "t",
    "text/html": "t",
    _HTML: "h",
    _JSON: "j",
    f"{_JSON}, {_HTML};q=0.2, text/html;q=0.01": "j",  # uv
    f"{_JSON}, {_HTML}; q=0.1, text/html; q=0.01": "j",  # pip
    f"{_JSON}, {_HTML};q=0.1, text/html;q=0.01": "j",
}
ENCODINGS = {
    "": "i",
    "identity": "i",
    "gzip": "g",
    "gzip, deflate": "g",
    "gzip, deflate, zstd": "z",
    "gzip, deflate, br, zstd": "b",
    "gzip, deflate, br": "b2",
}

_CARRIED = ("cache-control", "content-disposition", "accept-ranges")
"""Headers of a file that nginx would send with its own refusal, too, when the file has gone: they go by other names."""

_UNDER = "x-kept-"

# What of an answer that names a blob is said again by the location that sends it.
_KEPT = (
    "etag",
    "last-modified",
    "vary",
    "surrogate-key",
    "content-security-policy",
    "x-content-type-options",
    "x-request-id",
    "access-control-allow-origin",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-max-age",
    "access-control-expose-headers",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where nginx stands: its folder of short-lived things, its cache, the marks, our blobs; both addresses."""

    folder: Path
    cache: Path
    marks: Path
    blobs: Path
    listen: str
    inner: str
    secret: str
    workers: int
    trusted: tuple[str, ...]
    connections: int = 16_384
    as_root: bool = False


def configuration(place: Place) -> str:
    """The whole configuration file."""
    return _FRAME.format(
        user="user root;" if place.as_root else "",
        workers=place.workers,
        connections=place.connections,
        folder=place.folder,
        cache=place.cache,
        size=CACHE_BYTES,
        inner=place.inner,
        accepts=_map(ACCEPTS),
        encodings=_map(ENCODINGS),
        trusted="".join(f"        {network} 1;\n" for network in place.trusted),
        listen=place.listen,
        secret=place.secret,
        secret_name=SECRET,
        root=ROOT,
        pages=_location(place, _PAGES, "$mark"),
        metadata=_location(place, _METADATA, "$dist"),
        blobs=place.blobs,
        blob_path=BLOBS,
        errors=_ERRORS,
        refused=_refusals(),
        kept="".join(_said_again(name) for name in (*_KEPT, *_CARRIED)),
        damaged=DAMAGED,
        fill=FILL_SECONDS,
    )


def _said_again(name: str) -> str:
    source = (_UNDER if name in _CARRIED else "") + name
    return f"            add_header {name} $upstream_http_{source.replace('-', '_')};\n"


def _map(values: dict[str, str]) -> str:
    return "".join(f'        "{key}" {value};\n' for key, value in values.items())


_PAGES = "^(?:/index/[a-z0-9-]+)?/simple/(?:(?<project>[a-z0-9]+(?:-[a-z0-9]+)*)/)?$"
_METADATA = "^(?:/index/[a-z0-9-]+)?/(?:files|packages)/[0-9a-f]{64}/(?<dist>[a-z0-9_]+)-[^/]+[.]metadata$"


def _location(place: Place, pattern: str, mark: str) -> str:
    """A location whose answers are kept unless what they hang on is marked."""
    return _KEEPING.format(
        pattern=pattern, marks=place.marks, mark=mark, everything=EVERYTHING, fill=FILL_SECONDS, errors=_ERRORS
    )


_OWN = {
    400: ("400", "The request is not sound HTTP; send it again."),
    405: ("405", "This is not a method of this server."),
    408: ("408", "The request came too slowly; send it again."),
    414: ("414", "The address is too long."),
    431: ("431 494", "The headers are too large."),
    503: ("502 503 504", "The server can't answer now; try again in a moment."),
}
"""What nginx itself refuses: the status sent, the codes nginx knows it by, the sentence."""

_ERRORS = " ".join(f"error_page {codes} ={status} /_own/{status};" for status, (codes, _) in _OWN.items())


def _refusals() -> str:
    """A location for each of them, with the headers that all of our answers have."""
    always = "".join(
        f'            add_header {name} "{value}" always;\n'
        for name, value in (("Cache-Control", "no-store"), PAGE_POLICY, NOSNIFF, ("Vary", "Accept"))
    )
    return "".join(
        f"        location = /_own/{status} {{\n            internal;\n"
        f'            default_type "text/plain; charset=utf-8";\n{always}'
        f"{'            add_header Retry-After 2 always;' if status == 503 else ''}\n"
        f'            return {status} "{sentence}\\n";\n        }}\n'
        for status, (_, sentence) in _OWN.items()
    )


_KEEPING = """
        location ~ "{pattern}" {{
            set $asked "$args$accepts_odd$encodings_odd$since";
            if (-f {marks}/{mark}) {{ set $asked 1; }}
            if (-f {marks}/{everything}) {{ set $asked 1; }}
            {errors}
            error_page 418 = @origin;
            if ($asked) {{ return 418; }}
            proxy_cache kept;
            proxy_cache_key "$request_uri $accepts $encodings";
            proxy_cache_lock on;
            proxy_cache_lock_timeout 1s;
            proxy_cache_revalidate on;
            proxy_ignore_headers Cache-Control Expires Vary Set-Cookie;
            proxy_connect_timeout {fill}s;
            proxy_send_timeout {fill}s;
            proxy_read_timeout {fill}s;
            proxy_pass http://packhouse;
        }}
"""

_FRAME = """# Made by Packhouse at each start; changes are lost.
daemon off;
worker_processes {workers};
worker_shutdown_timeout 30s;
pid {folder}/pid;
error_log stderr warn;
{user}
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    server_tokens off;
    types {{ }}
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    merge_slashes off;
    keepalive_timeout 15s;
    keepalive_requests 1000000;
    client_header_timeout 10s;
    client_body_timeout 30s;
    send_timeout 60s;
    reset_timedout_connection on;
    client_max_body_size 0;
    large_client_header_buffers 8 16k;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map_hash_bucket_size 512;
    variables_hash_max_size 4096;
    proxy_cache_path {cache} levels=1:2 keys_zone=kept:16m max_size={size} inactive=10m use_temp_path=off;
    upstream packhouse {{ server {inner}; keepalive 128; keepalive_timeout 8s; keepalive_requests 1000000; }}
    map $http_accept $accepts {{
        default "";
{accepts}    }}
    map $accepts $accepts_odd {{ default ""; "" 1; }}
    map $http_accept_encoding $encodings {{
        default "";
{encodings}    }}
    map $encodings $encodings_odd {{ default ""; "" 1; }}
    map "$http_if_none_match $http_if_modified_since" $since {{ default ""; "~^ ." 1; }}
    map $project $mark {{ default $project; "" {root}; }}
    geo $trusted {{
        default 0;
{trusted}    }}
    map $trusted $from {{ default $remote_addr; 1 $proxy_add_x_forwarded_for; }}
    map $trusted $their_proto {{ default ""; 1 $http_x_forwarded_proto; }}
    map $trusted $their_host {{ default ""; 1 $http_x_forwarded_host; }}
    map $trusted $their_prefix {{ default ""; 1 $http_x_forwarded_prefix; }}
    map $trusted $their_id {{ default ""; 1 $http_x_request_id; }}
    proxy_http_version 1.1;
    proxy_max_temp_file_size 0;
    proxy_request_buffering off;
    proxy_read_timeout 300s;
    server {{
        listen {listen};
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header X-Forwarded-For $from;
        proxy_set_header X-Forwarded-Proto $their_proto;
        proxy_set_header X-Forwarded-Host $their_host;
        proxy_set_header X-Forwarded-Prefix $their_prefix;
        proxy_set_header X-Request-Id $their_id;
        proxy_set_header {secret_name} {secret};
{pages}{metadata}
        location / {{ proxy_pass http://packhouse; }}
        location @origin {{ proxy_pass http://packhouse; }}
        location {blob_path} {{
            internal;
            alias {blobs}/sha256/;
            etag off;
            if_modified_since off;
            max_ranges 0;
            error_page 403 404 500 =502 @damaged;
{kept}        }}
        location @damaged {{
            internal;
            default_type "text/plain; charset=utf-8";
            add_header Cache-Control no-store always;
            add_header X-Content-Type-Options nosniff always;
            return 502 "{damaged}\\n";
        }}
        {errors}
{refused}    }}
}}
"""


class Front:
    """What the edge must know to stand behind nginx: the secret, and where the blobs are that nginx may send."""

    def __init__(self, secret: str, blobs: Path) -> None:
        self._secret = secret
        self._blobs = f"{blobs}/sha256/"

    def admit(self, exchange: Exchange) -> Exchange | Reply:
        """The exchange as nginx wants it answered, or the refusal of one that came past it."""
        known = exchange.request.method in METHODS  # else it will be refused for that; its headers were not read
        if known and not hmac.compare_digest(exchange.request.headers.get(SECRET, "").encode(), self._secret.encode()):
            return plain(421, "This is not the server's address; ask at the one it was started on.\n", CLOSE)
        return FrontedExchange(exchange, self._blobs)


class FrontedExchange:
    """An exchange whose replies say what nginx may keep, and name the blobs it is to send."""

    __slots__ = ("_blobs", "_exchange", "request")

    def __init__(self, exchange: Exchange, blobs: str) -> None:
        self._exchange = exchange
        self._blobs = blobs
        self.request: Request = exchange.request

    def reply(self, reply: Reply) -> None:
        """See `Exchange.reply`."""
        self._exchange.reply(for_nginx(reply, self.request.path, self._blobs))

    def stream(self, status: int, headers: Headers) -> Sink:
        """See `Exchange.stream`."""
        return self._exchange.stream(status, headers)

    async def chunk(self) -> bytes:
        """See `Exchange.chunk`."""
        return await self._exchange.chunk()

    def abandon(self) -> None:
        """See `Exchange.abandon`."""
        self._exchange.abandon()


def for_nginx(reply: Reply, path: str, blobs: str) -> Reply:
    """A reply as nginx wants it; `blobs` is the folder it sends files from, with a slash at its end."""
    status, headers, body = reply
    if isinstance(body, FileRange):
        if status != 200 or body.start or not body.path.startswith(blobs) or ("content-type", BINARY) not in headers:
            return reply
        kept = tuple(_renamed(pair) for pair in headers if pair[0] not in _NGINX_MAKES)
        return Reply(200, (*kept, ("x-accel-redirect", BLOBS + body.path[len(blobs) :])), None)
    if status in {200, 304} and _may_be_kept(headers, path):
        return Reply(status, (*headers, ("x-accel-expires", str(KEPT_SECONDS))), body)
    return reply


_NGINX_MAKES = frozenset({"content-length", "content-type"})


def _renamed(pair: tuple[str, str]) -> tuple[str, str]:
    return (_UNDER + pair[0], pair[1]) if pair[0] in _CARRIED else pair


def _may_be_kept(headers: Headers | list[tuple[str, str]], path: str) -> bool:
    """Public pages and metadata alone: what only some may read has no surrogate key."""
    return (path.endswith(".metadata") or "/simple/" in path) and any(name == "surrogate-key" for name, _ in headers)
