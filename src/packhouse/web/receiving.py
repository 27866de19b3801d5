# SPDX-License-Identifier: Apache-2.0
"""Reading an upload's body: multipart/form-data, streamed, bounded before anything is kept.

The file part goes chunk by chunk into the blob store's incoming file (which hashes it on the way); text fields are
kept in memory within limits. Nothing here judges what the fields mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from packhouse.domain.wording import shown
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.storage.blobs import Incoming

CHUNK = 256 * 1024
MAX_PARTS = 1000
MAX_HEADER_LINE = 8 * 1024
MAX_BOUNDARY = 200
MAX_FIELD = 64 * 1024
MAX_DESCRIPTION = 2 * 1024 * 1024
MAX_FIELDS_TOTAL = 4 * 1024 * 1024
MAX_EPILOGUE = 64
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PARAMETER = re.compile(r";\s*([^\s=;]+)\s*=")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f]")
_PLAIN = re.compile(r'form-data; name="[A-Za-z0-9_.:-]+"\Z')
"""What nearly every part has: nothing in it can be read in two ways."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


REPEATABLE = _names(
    "classifiers platform supported_platform dynamic license_file license_files provides_extra requires_dist"
    " provides_dist obsoletes_dist requires_external requires provides obsoletes import_name import_names"
    " import_namespace import_namespaces project_urls"
)
"""Fields a form may hold several times; every other known field stands there once."""

SINGLE = _names(
    ":action protocol_version filetype pyversion comment md5_digest sha256_digest blake2_256_digest attestations"
    " gpg_signature content metadata_version name version summary description description_content_type home_page"
    " download_url author author_email maintainer maintainer_email license license_expression requires_python"
    " keywords"
)
"""Fields a form may hold once."""


class Stream(Protocol):
    """What a body is read from."""

    def read(self, size: int = ..., /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        ...


@dataclass(slots=True)
class Received:
    """A decoded body: text fields in order, and the file part, still to be kept or discarded."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    filename: str | None = None
    incoming: Incoming | None = None

    def discard(self) -> None:
        """Remove the temporary file, if there is one."""
        if self.incoming is not None:
            self.incoming.discard()


def boundary_of(content_type: str, content_encoding: str) -> str:
    """The boundary of a multipart/form-data body; refuses other types (UNSUPPORTED) and odd boundaries (INVALID)."""
    if content_encoding and content_encoding.lower() != "identity":
        raise refuse(
            Kind.UNSUPPORTED, "body-encoded", f"Content-Encoding is {shown(content_encoding)}; send the body unencoded."
        )
    media_type, options = parse_options_header(content_type)
    if media_type.lower() != "multipart/form-data":
        found = media_type or "missing"
        raise refuse(
            Kind.UNSUPPORTED,
            "body-type",
            f"Content-Type is {shown(found)}, expected multipart/form-data; use an upload tool.",
        )
    boundary = str(options.get("boundary", ""))
    if not boundary or len(boundary) > MAX_BOUNDARY:
        raise _bad_body(f"its boundary has {len(boundary)} characters, expected 1 to {MAX_BOUNDARY}")
    return boundary


def receive(
    stream: Stream, boundary: str, content_length: int | None, start: Callable[[], Incoming], limit: int
) -> Received:
    """Read one body to its end. `limit` bounds the file in bytes; `start` opens the place its bytes go to.

    Raises PackhouseError (INVALID for a malformed body, TOO_LARGE over a limit) after removing what was written.
    """
    reader = _Reader(start, limit)
    try:
        reader.read(
            _chunks(stream, content_length),
            PushMultipartParser(boundary, max_header_size=MAX_HEADER_LINE, max_segment_count=MAX_PARTS, strict=True),
            boundary.encode(),
        )
    except BaseException:
        reader.received.discard()
        raise
    return reader.received


def _chunks(stream: Stream, content_length: int | None) -> Iterator[bytes]:
    """The body in chunks; one that ends early simply ends, and the parser says so."""
    left = content_length
    while left is None or left > 0:
        chunk = stream.read(CHUNK if left is None else min(CHUNK, left))
        if not chunk:
            return
        if left is not None:
            left -= len(chunk)
        yield chunk


def _begun(chunks: Iterator[bytes], boundary: bytes) -> Iterator[bytes]:
    """The same chunks, the first long enough to see that nothing stands before the first boundary."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(boundary) + 4:
            break
    if not head.startswith((b"--" + boundary, b"\r\n--" + boundary)):
        raise _bad_body("it does not begin with its boundary")
    return chain((head,), chunks)


class _End:
    """Looks for the last boundary: nothing but blanks may stand behind it.

    Without this, what is taken would depend on how the body happens to be cut into chunks: the parser forgets the
    rest of the chunk that ends the last part.
    """

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary + b"--"
        self._before = b"\r\n"  # which the first boundary, the last of an empty body, may lack

    def rest(self, chunk: bytes) -> bytes | None:
        """What of the chunk, which ends between parts, stands behind the end; None when it has no end."""
        window = self._before + chunk
        at = window.find(self._mark)
        return window[at + len(self._mark) :] if at >= 0 else None

    def passed(self, chunk: bytes) -> None:
        """Remember the end of a chunk, for the boundary that may begin there."""
        most = len(self._mark) - 1
        self._before = chunk[-most:] if len(chunk) >= most else (self._before + chunk)[-most:]


def _check_epilogue(rest: Iterator[bytes]) -> None:
    """A final line break is usual, more is not."""
    size = 0
    for chunk in rest:
        size += len(chunk)
        if chunk.strip() or size > MAX_EPILOGUE:
            raise _bad_body("there are bytes behind its end")


class _Reader:
    """The state between two parser events."""

    def __init__(self, start: Callable[[], Incoming], limit: int) -> None:
        self.received = Received()
        self._start = start
        self._limit = limit
        self._segment: MultipartSegment | None = None
        self._text = bytearray()
        self._total = 0

    def read(self, chunks: Iterator[bytes], parser: PushMultipartParser, boundary: bytes) -> None:
        chunks, end = _begun(chunks, boundary), _End(boundary)
        try:
            for chunk in chunks:
                for event in parser.parse(chunk):
                    self._take(event)
                rest = end.rest(chunk) if self._segment is None else None
                if rest is not None:
                    _check_epilogue(chain((rest,), chunks))
                end.passed(chunk)
            parser.close()
        except MultipartError as error:
            raise _bad_body(str(error.args[0]).lower()) from error

    def _take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if event is None:
            self._end()
        elif isinstance(event, MultipartSegment):
            self._begin(event)
        elif self._segment is not None and self._segment.name == "content":
            self._write(bytes(event))
        else:
            self._add_text(event)

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        self._text.clear()
        _check_headers(segment)
        name = segment.name or ""
        if name in SINGLE and (name in self.received.fields or (name == "content" and self.received.incoming)):
            raise refuse(
                Kind.INVALID, "field-repeated", f"The field {shown(name)} was sent more than once; send it once.", name
            )
        if name == "content":
            self._begin_file(segment)
        elif segment.filename is not None and name != "gpg_signature":
            raise refuse(
                Kind.INVALID, "field-is-file", f"{shown(name)}: should not be a file; send it as a text field.", name
            )
        if (segment.charset or "utf-8").lower().replace("_", "-") not in {"utf-8", "utf8", "us-ascii", "ascii"}:
            raise _bad_body(
                f"the field {shown(name)} declares the charset {shown(segment.charset or '')}, expected utf-8"
            )

    def _begin_file(self, segment: MultipartSegment) -> None:
        if segment.filename is None:
            raise refuse(
                Kind.INVALID,
                "content-not-a-file",
                "The field 'content' is plain text; send the file itself.",
                "content",
            )
        disposition = segment.header("Content-Disposition", "") or ""
        if "filename*" in disposition.lower():
            raise refuse(
                Kind.INVALID,
                "filename-extended",
                "The file's name was sent as 'filename*'; send it as a plain ASCII 'filename' alone.",
                "content",
            )
        if "\\" in disposition:  # the library would take what follows the last one
            raise refuse(
                Kind.INVALID,
                "filename-with-path",
                "The filename holds a backslash: expected a bare filename; send it without its folder.",
                "content",
            )
        self.received.filename = segment.filename
        self.received.incoming = self._start()

    def _write(self, data: bytes) -> None:
        incoming = self.received.incoming
        if incoming is None:  # pragma: no cover - _begin_file always sets it
            raise _bad_body("the file has no beginning")
        if incoming.size + len(data) > self._limit:
            raise too_large(self._limit)
        incoming.write(data)

    def _add_text(self, data: bytes | bytearray) -> None:
        name = (self._segment.name if self._segment else "") or ""
        self._text += data
        self._total += len(data)
        limit = MAX_DESCRIPTION if name in {"description", "attestations", "gpg_signature"} else MAX_FIELD
        if len(self._text) > limit or self._total > MAX_FIELDS_TOTAL:
            raise refuse(
                Kind.TOO_LARGE,
                "field-too-large",
                f"The field {shown(name)} has over {limit} bytes, or all fields over {MAX_FIELDS_TOTAL}; shorten it.",
                name,
            )

    def _end(self) -> None:
        segment, self._segment = self._segment, None
        name = (segment.name if segment else "") or ""
        if name == "content":
            return
        if name == "gpg_signature":  # may be anything, in any form: that it was there is all we keep
            self.received.fields[name] = [""]
            return
        try:
            text = self._text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise refuse(
                Kind.INVALID, "field-not-utf8", f"The field {shown(name)} is not valid UTF-8; send it as UTF-8.", name
            ) from error
        self.received.fields.setdefault(name, []).append(text)


def _check_headers(segment: MultipartSegment) -> None:
    """What others might read differently: headers or parameters twice, line breaks in them, encodings of the bytes."""
    if len(segment.headerlist) == 1 and _PLAIN.match(segment.header("Content-Disposition", "") or ""):
        return
    if any(_CONTROL.search(value) for _, value in segment.headerlist):
        raise _bad_body("a header of a part holds a control character")
    names = [name for name, _ in segment.headerlist]
    if len(set(names)) < len(names):
        raise _bad_body("a part has the same header twice")
    disposition = segment.header("Content-Disposition", "") or ""
    keys = [key.lower() for key in _PARAMETER.findall(_QUOTED.sub('""', disposition))]
    if len(set(keys)) < len(keys):
        raise _bad_body("a part has a parameter of Content-Disposition twice")
    encoding = segment.header("Content-Transfer-Encoding", "binary") or ""
    if encoding.strip().lower() not in {"binary", "7bit", "8bit"}:
        raise _bad_body(f"a part has the Content-Transfer-Encoding {shown(encoding)}; send its bytes as they are")


def too_large(limit: int) -> PackhouseError:
    """The refusal of a file over the limit (bytes)."""
    return refuse(
        Kind.TOO_LARGE,
        "file-too-large",
        f"File too large: the limit here is {limit} bytes; make the file smaller or ask an administrator.",
        "content",
    )


def _bad_body(why: str) -> PackhouseError:
    return refuse(Kind.INVALID, "body-malformed", f"The body is no sound multipart/form-data: {why}; send it again.")
