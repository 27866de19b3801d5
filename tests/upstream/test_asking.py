# SPDX-License-Identifier: Apache-2.0
"""Asking an upstream: what it answers well, and every way in which it may fail."""

from __future__ import annotations

import gzip
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.infra.upstreams import JSON, UpFile, Upstream, cut_after, held, redirect, sends, status, upstream

from packhouse.domain.reach import Reach, split_credentials
from packhouse.upstream.asking import Asker, retry_after
from packhouse.upstream.errors import UnreachableError, UnusableError
from packhouse.upstream.files import open_file, size_of
from packhouse.upstream.pages import FoundPage, NoPage, SamePage, fetch_page

DATA = bytes(range(256)) * 1000


made: list[Asker] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while made:
        made.pop().close()


@pytest.fixture
def source() -> Iterator[Upstream]:
    with upstream() as host:
        host.add("tapes", UpFile("tapes-1.0-py3-none-any.whl", DATA))
        yield host


def asker_of(source: Upstream, *hosts: str, authorization: str = "", seconds: float = 10.0) -> Asker:
    return asker_at(Reach(source.url, authorization, hosts), first_byte=seconds, idle=seconds)


def asker_at(reach: Reach, **options: Any) -> Asker:
    made.append(Asker(reach, **options))
    return made[-1]


def page_of(source: Upstream, name: str = "tapes") -> str:
    return f"{source.url}{name}/"


def file_of(source: Upstream) -> str:
    return f"http://127.0.0.1:{source.port}/files/tapes/tapes-1.0-py3-none-any.whl"


def test_a_page_comes_decoded_with_its_etag_and_not_again_while_it_is_the_same(source: Upstream):
    asker = asker_of(source)
    found = fetch_page(asker, page_of(source))
    assert isinstance(found, FoundPage)
    assert found.content_type == JSON
    assert b"tapes-1.0-py3-none-any.whl" in found.body
    assert fetch_page(asker, page_of(source), etag=found.etag) == SamePage()
    assert source.asked[0][2]["accept-encoding"] == "gzip"


def test_a_name_it_does_not_have_is_no_error(source: Upstream):
    assert fetch_page(asker_of(source), page_of(source, "nothing")) == NoPage(404)


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_what_may_be_better_later_is_unreachable(source: Upstream, code: int):
    source.faults["*"] = status(code, ("Retry-After", "17"))
    with pytest.raises(UnreachableError) as caught:
        fetch_page(asker_of(source), page_of(source))
    assert caught.value.retry_after == 17


@pytest.mark.parametrize("code", [401, 403, 451, 204])
def test_a_refusal_is_unusable(source: Upstream, code: int):
    source.faults["*"] = status(code, body=b"")
    with pytest.raises(UnusableError, match=str(code)):
        fetch_page(asker_of(source), page_of(source))


def test_one_that_hangs_is_given_up_in_time(source: Upstream):
    source.faults["*"] = held(source.release)
    with pytest.raises(UnreachableError, match="no answer in time"):
        fetch_page(asker_of(source, seconds=0.2), page_of(source))


def test_one_that_stalls_in_the_middle_is_given_up_in_time(source: Upstream):
    source.chunk, source.pace, source.gzip = 10, 5.0, False
    with pytest.raises(UnreachableError, match="no answer in time"):
        fetch_page(asker_of(source, seconds=0.3), page_of(source))


def test_hostile_227_one_that_drips_is_given_up_in_time(source: Upstream):
    """Each byte comes in time, all of them never would."""
    source.projects["tapes"].body = (JSON, b"{" + b" " * 100_000 + b"}")
    source.chunk, source.pace, source.gzip = 1, 0.02, False
    with pytest.raises(UnreachableError, match="no answer in time"):
        fetch_page(asker_of(source), page_of(source), seconds=1.0)


def test_hostile_227_a_certificate_nobody_vouches_for_is_unreachable(source: Upstream, tmp_path: Path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    source.socket = context.wrap_socket(source.socket, server_side=True)
    secure = f"https://127.0.0.1:{source.port}/simple/"
    with pytest.raises(UnreachableError, match="no connection"):
        fetch_page(asker_at(Reach(secure), first_byte=30.0), f"{secure}tapes/")
    assert source.asked == []


def self_signed(folder: Path) -> Path:
    """A file with a key and its certificate, expired since long."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, long_ago, long_ago + timedelta(days=1))
    pem = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    file = folder / "certificate.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + pem)
    return file


def test_hostile_227_a_name_that_leads_nowhere_is_unreachable():
    def nowhere(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    asker = asker_at(Reach("https://index.example/simple/"), resolve=nowhere)
    with pytest.raises(UnreachableError, match="no connection"):
        fetch_page(asker, "https://index.example/simple/tapes/")


def test_one_that_is_not_there_is_unreachable(source: Upstream):
    asker = asker_at(Reach("http://127.0.0.1:9/simple/"), first_byte=5.0)
    with pytest.raises(UnreachableError):
        fetch_page(asker, "http://127.0.0.1:9/simple/tapes/")


@pytest.mark.parametrize("compressed", [True, False])
def test_hostile_228_a_page_that_breaks_off_is_unreachable(source: Upstream, compressed: bool):
    source.gzip = compressed
    source.faults["*"] = cut_after(40)
    with pytest.raises(UnreachableError):
        fetch_page(asker_of(source), page_of(source))


def test_a_gzip_that_ends_too_early_is_unreachable(source: Upstream):
    source.faults["*"] = sends(JSON, gzip.compress(b'{"files": []}' * 100)[:-9], ("Content-Encoding", "gzip"))
    with pytest.raises(UnreachableError):
        fetch_page(asker_of(source), page_of(source))


def test_hostile_225_a_gzip_bomb_is_given_up_at_the_limit(source: Upstream):
    bomb = gzip.compress(bytes(20 * 1024 * 1024))
    source.faults["*"] = sends(JSON, bomb, ("Content-Encoding", "gzip"))
    with pytest.raises(UnusableError, match="more than 1000000 bytes"):
        fetch_page(asker_of(source), page_of(source), most=1_000_000)


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip, gzip"])
def test_an_encoding_nobody_asked_for_is_unusable(source: Upstream, coding: str):
    source.faults["*"] = sends(JSON, b"x", ("Content-Encoding", coding))
    with pytest.raises(UnusableError):
        fetch_page(asker_of(source), page_of(source))


def test_hostile_226_a_loop_of_redirects_ends(source: Upstream):
    source.faults["*"] = redirect("/simple/tapes/")
    with pytest.raises(UnusableError, match="too often"):
        fetch_page(asker_of(source), page_of(source))
    assert len(source.asked) == 6


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/", "http://localhost:1/x", "file:///etc/passwd", "ftp://a/b", "//other.example/"],
)
def test_hostile_226_a_redirect_leads_only_to_hosts_of_the_list(source: Upstream, location: str):
    source.faults["*"] = redirect(location)
    with pytest.raises(UnusableError, match="may not lead to"):
        fetch_page(asker_of(source), page_of(source))


def test_hostile_226_https_never_leads_to_http():
    reach = Reach("https://index.example/simple/", hosts=("files.example", "files.example:80"))
    assert reach.allows("https://files.example/a.whl") is not None
    assert reach.allows("http://files.example/a.whl") is None
    assert reach.allows("http://index.example/simple/a/") is None


def test_hostile_226_credentials_go_to_the_upstreams_own_host_alone(source: Upstream):
    with upstream() as other:
        other.add("tapes", UpFile("tapes-1.0-py3-none-any.whl", DATA))
        url, authorization = split_credentials(source.url.replace("http://", "http://me:s%20cret@"))
        source.credentials = authorization
        asker = asker_at(Reach(url, authorization, (f"127.0.0.1:{other.port}",)))
        assert isinstance(fetch_page(asker, page_of(source)), FoundPage)
        source.faults["/simple/tapes/"] = redirect(page_of(other))
        assert isinstance(fetch_page(asker, page_of(source)), FoundPage)
        assert "authorization" in source.asked[0][2]
        assert "authorization" not in other.asked[0][2]


def test_hostile_223_a_private_address_behind_a_public_upstream_is_not_asked(source: Upstream):
    addresses = {"index.example": ["8.8.8.8"], "inner.example": ["127.0.0.1"]}
    reach = Reach("http://index.example/simple/", hosts=(f"inner.example:{source.port}",))
    asker = asker_at(reach, resolve=lambda host, _port: addresses[host])
    with pytest.raises(UnusableError, match="does not connect to"):
        size_of(asker, f"http://inner.example:{source.port}/files/tapes/tapes-1.0-py3-none-any.whl")
    assert source.asked == []


def test_a_file_comes_whole_or_the_rest_of_it(source: Upstream):
    asker = asker_of(source)
    with open_file(asker, file_of(source)) as coming:
        assert (coming.start, coming.size) == (0, len(DATA))
        validator = coming.validator
        assert b"".join(coming.pieces) == DATA
    with open_file(asker, file_of(source), start=1000, validator=validator) as coming:
        assert (coming.start, coming.size) == (1000, len(DATA))
        assert b"".join(coming.pieces) == DATA[1000:]
    with open_file(asker, file_of(source), start=1000, validator='"another"') as coming:
        assert coming.start == 0
    assert size_of(asker, file_of(source)) == len(DATA)


def test_a_file_that_breaks_off_is_unreachable(source: Upstream):
    source.faults["*"] = cut_after(1000)
    with pytest.raises(UnreachableError), open_file(asker_of(source), file_of(source)) as coming:
        b"".join(coming.pieces)


def test_connections_are_kept(source: Upstream):
    asker = asker_of(source)
    for _ in range(5):
        fetch_page(asker, page_of(source))
    assert len(asker._pool.connections) == 1


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("17", 17), ("0", 0), ("999999", 3600), ("Mon, 01 Jan 2001 00:00:00 GMT", 0), ("soon", None), ("", None)],
)
def test_retry_after_is_read(said: str, seconds: int | None):
    assert retry_after(said) == seconds
