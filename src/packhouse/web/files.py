# SPDX-License-Identifier: Apache-2.0
"""Files and their core metadata at the origin.

Behind an edge of ours (it proves itself by `X-Packhouse-Edge`) the answer names the blob instead of carrying it;
without one the bytes, or the range asked for, are streamed from here.
"""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from packhouse.domain.headers import Headers, file_headers, of_the_past, preflight_headers, surrogate_keys
from packhouse.domain.offers import FileAnswer, FileOffer, answer_file
from packhouse.domain.permissions import IndexRight, ReadMode
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, files
from packhouse.services.journal import Past
from packhouse.services.keeping import is_whole
from packhouse.storage.tally import is_download
from packhouse.web import resources
from packhouse.web.reading import audience_headers, lower_headers, may_read, takes_files
from packhouse.web.simple import make, plainly_missing

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
    offer = _offer(sha256, filename, right, past)
    if offer is None:
        return _damaged()
    if takes_files(request):
        return _hand_off(request, offer, right.name)
    answer = answer_file(offer, request.method or "GET", lower_headers(request), now=time.time())
    response = _stream(offer, answer)
    if is_download(request.method or "", filename, response.status_code, answer.start):
        resources.get().tally.count(right.name, filename, request.headers.get("User-Agent", ""))
    return response


def _offer(sha256: str, filename: str, right: IndexRight, past: Past | None) -> FileOffer | None:
    """The bytes behind an address, or the refusal (MISSING, FORBIDDEN); None for damaged metadata."""
    wanted, metadata = (
        (filename.removesuffix(".metadata"), True) if filename.endswith(".metadata") else (filename, False)
    )
    index, public = right.name, right.read is ReadMode.PUBLIC
    as_of = None if past is None else past.as_of
    found = files.offered_file(index, sha256, wanted, metadata=metadata, now=resources.get().clock(), as_of=as_of)
    modified = int(found.uploaded_at.timestamp())
    blob = found.metadata_sha256 or "" if metadata else found.sha256
    headers = file_headers(
        filename=filename,
        sha256=blob,
        modified=modified,
        keys=surrogate_keys(index, found.project),
        public=public,
        metadata=metadata,
    )
    if past is not None:
        headers = of_the_past(headers, settled=past.settled)
    size = _metadata_size(blob) if metadata else found.size
    return None if size is None else FileOffer(blob, size, f'"{blob}"', modified, headers, public=public)


def _metadata_size(sha256: str) -> int | None:
    """The size of core metadata, which no row holds; None when the blob is not what it should be."""
    blobs = resources.get().blobs
    return blobs.stat(sha256) if is_whole(blobs, sha256) else None


def _hand_off(request: HttpRequest, offer: FileOffer, index: str) -> HttpResponse:
    headers: Headers = (
        *offer.headers,
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
    blobs = resources.get().blobs
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
