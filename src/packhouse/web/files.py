# SPDX-License-Identifier: Apache-2.0
"""Files and their core metadata at the origin.

Behind an edge of ours (it proves itself by `X-Packhouse-Edge`) the answer names the blob instead of carrying it;
without one the bytes, or the range asked for, are streamed from here.
"""

from __future__ import annotations

import math
import time

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from packhouse.domain.headers import Headers, file_headers, of_the_past, preflight_headers, surrogate_keys
from packhouse.domain.offers import FileAnswer, FileOffer, answer_file
from packhouse.domain.permissions import IndexRight, ReadMode
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, copies, files, pulled_files
from packhouse.services.files import OfferedFile, published
from packhouse.services.journal import Past
from packhouse.services.keeping import is_whole
from packhouse.storage.growing import Growing
from packhouse.storage.tally import is_download
from packhouse.web import resources
from packhouse.web.reading import audience_headers, lower_headers, may_read, takes_files
from packhouse.web.simple import make, plainly_missing

NODE = "X-Packhouse-Node"
SMALL = 128 * 1024
"""Bytes up to which a file is compared with its digest before it is sent."""


@plainly_missing
def file(request: HttpRequest, sha256: str, filename: str, index: str = "main") -> HttpResponseBase:
    """`/files/<sha256>/<filename>` and the same with `.metadata`."""
    right = may_read(request, index)
    if request.method == "OPTIONS":
        return make(204, preflight_headers(files=True))
    return send(request, right, sha256, filename)


def send(
    request: HttpRequest, right: IndexRight, sha256: str, filename: str, past: Past | None = None
) -> HttpResponseBase:
    """The file at an address of an index, now or in a past state; raises the refusals of `services.files`."""
    found, metadata = _find(sha256, filename, right.name, past)
    growing: Growing | None = None
    if found.pulled is not None:
        if request.method == "HEAD" and not metadata and resources.get().blobs.stat(found.sha256) is None:
            return _cold_head(request, found, right, past)
        growing = pulled_files.bring(resources.get(), found.pulled, metadata=metadata)
    if growing is None and resources.get().settings.has_bucket:
        elsewhere, growing = _near(request, found, right, metadata=metadata, past=past)
        if elsewhere is not None:
            return elsewhere
    offer = _offer(found, right, size=None if growing is None else growing.size, metadata=metadata, past=past)
    if offer is None:
        return _damaged()
    comes_to_node = growing is not None and NODE in request.headers  # which reads what is whole, and passes this on
    if takes_files(request) and not comes_to_node:
        return _hand_off(request, offer, right.name, _until(found))
    answer = answer_file(offer, request.method or "GET", lower_headers(request), now=time.time())
    response = _stream(offer, answer) if growing is None else _follow(growing, answer)
    if is_download(request.method or "", filename, response.status_code, answer.start):
        resources.get().tally.count(right.name, filename, request.headers.get("User-Agent", ""))
    return response


def _find(sha256: str, filename: str, index: str, past: Past | None) -> tuple[OfferedFile, bool]:
    """The file behind an address, and whether its metadata is meant; or the refusal (MISSING, FORBIDDEN).

    An upstream whose file it is, or may be, is asked about the project first, if the time for that has come.
    """
    metadata = filename.endswith(".metadata")
    wanted = filename.removesuffix(".metadata")
    if not published(wanted):
        pulled_files.refresh(resources.get(), index, wanted)
    as_of = None if past is None else past.as_of
    now = resources.get().clock()
    if metadata and not published(wanted):
        offered = files.offered_file(index, sha256, wanted, now=now, as_of=as_of)
        if offered.pulled is not None:
            pulled_files.look_for_metadata(resources.get(), offered.pulled)
    return files.offered_file(index, sha256, wanted, metadata=metadata, now=now, as_of=as_of), metadata


def _cold_head(request: HttpRequest, found: OfferedFile, right: IndexRight, past: Past | None) -> HttpResponseBase:
    """A HEAD for a file that is not here, answered by what its upstream says to one."""
    if found.pulled is None:
        return _damaged()
    size = pulled_files.size_of(resources.get(), found.pulled)
    offer = _offer(found, right, size=size, metadata=False, past=past)
    if offer is None:
        return _damaged()
    answer = answer_file(offer, "HEAD", lower_headers(request), now=time.time())
    return make(answer.status, answer.headers)


def _follow(growing: Growing, answer: FileAnswer) -> HttpResponseBase:
    """The bytes of a file that is still coming, as they come."""
    if answer.start == answer.end:
        return make(answer.status, answer.headers)
    response = StreamingHttpResponse(growing.pieces(answer.start, answer.end), status=answer.status)
    del response["Content-Type"]
    for name, value in answer.headers:
        response[name] = value
    return response


def _offer(
    found: OfferedFile, right: IndexRight, *, size: int | None, metadata: bool, past: Past | None
) -> FileOffer | None:
    """The bytes of a file, of this size where another one than the file's is known; None for damaged metadata."""
    index, public, filename = right.name, right.read is ReadMode.PUBLIC, found.filename
    modified = int(found.uploaded_at.timestamp())
    blob = found.metadata_sha256 or "" if metadata else found.sha256
    headers = file_headers(
        filename=f"{filename}.metadata" if metadata else filename,
        sha256=blob,
        modified=modified,
        keys=surrogate_keys(index, found.project),
        public=public,
        metadata=metadata,
    )
    if past is not None:
        headers = of_the_past(headers, settled=past.settled)
    size = _metadata_size(blob) if metadata else _file_size(found) if size is None else size
    return None if size is None else FileOffer(blob, size, f'"{blob}"', modified, headers, public=public)


def _metadata_size(sha256: str) -> int | None:
    """The size of core metadata, which no row holds; None when the blob is not what it should be."""
    blobs = resources.get().blobs.near
    return blobs.stat(sha256) if is_whole(blobs, sha256) else None


def _file_size(found: OfferedFile) -> int | None:
    return found.size if found.size is not None else resources.get().blobs.stat(found.sha256)


def _until(found: OfferedFile) -> float | None:
    """Until when (unix seconds) an edge need not ask again about a file that may be gone here; None: it stays."""
    if found.pulled is not None:
        return found.pulled.fresh_until
    return math.inf if resources.get().settings.has_bucket else None


def _near(
    request: HttpRequest, found: OfferedFile, right: IndexRight, *, metadata: bool, past: Past | None
) -> tuple[HttpResponseBase | None, Growing | None]:
    """With a bucket: the answer that needs no bytes from here, or the file on its way to this machine."""
    stock = resources.get()
    sha256 = found.metadata_sha256 or "" if metadata else found.sha256
    size = None if metadata else _file_size(found)
    if size is None or size <= SMALL:
        return None, copies.bring(stock, sha256)
    if not stock.settings.storage_redirect and stock.blobs.near.stat(sha256) is not None:
        return None, None
    if request.method == "HEAD":
        offer = _offer(found, right, size=size, metadata=False, past=past)
        answer = None if offer is None else answer_file(offer, "HEAD", lower_headers(request), now=time.time())
        return (_damaged() if answer is None else make(answer.status, answer.headers)), None
    if stock.settings.storage_redirect:
        return _redirect(request, found, right), None
    return None, copies.bring(stock, sha256)


def _redirect(request: HttpRequest, found: OfferedFile, right: IndexRight) -> HttpResponseBase:
    """To a signed address of the bucket, which nobody may keep."""
    stock = resources.get()
    location = copies.signed(stock, found.sha256)
    stock.tally.count(right.name, found.filename, request.headers.get("User-Agent", ""))
    response = HttpResponse(status=302, headers={"Location": location, "Cache-Control": "no-store"})
    del response["Content-Type"]
    return response


def _hand_off(request: HttpRequest, offer: FileOffer, index: str, until: float | None) -> HttpResponse:
    pulled = () if until is None else (("x-packhouse-pulled", str(until)),)
    headers: Headers = (
        *offer.headers,
        *pulled,
        ("x-packhouse-blob", offer.blob),
        ("x-packhouse-size", str(offer.size)),
        *audience_headers(request, access.audience_of(index)),
    )
    return make(200, headers)


def _damaged() -> HttpResponse:
    """The reply for a file whose bytes are missing or cut short."""
    sentence = "The stored file is missing or damaged; an administrator may run `packhouse verify`.\n"
    headers = {"Cache-Control": "no-store"}
    return HttpResponse(sentence, status=502, content_type="text/plain; charset=utf-8", headers=headers)


def _stream(offer: FileOffer, answer: FileAnswer) -> HttpResponseBase:
    if answer.status in {304, 416}:
        return make(answer.status, answer.headers)
    blobs = resources.get().blobs.near
    if blobs.stat(offer.blob) != offer.size or (offer.size <= SMALL and not is_whole(blobs, offer.blob)):
        return _damaged()
    if answer.start == answer.end:  # HEAD
        return make(answer.status, answer.headers)
    try:
        chunks = blobs.open(offer.blob, answer.start, answer.end)
    except PackhouseError as error:
        if error.kind is not Kind.MISSING:
            raise
        return _damaged()  # set aside just now
    response = StreamingHttpResponse(chunks, status=answer.status)
    del response["Content-Type"]
    for name, value in answer.headers:
        response[name] = value
    return response
