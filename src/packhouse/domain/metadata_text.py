# SPDX-License-Identifier: Apache-2.0
"""From the bytes of METADATA or PKG-INFO to fields: strictly, so that every reader of the file reads the same.

The format is that of e-mail headers, but the `email` library guesses where a file is odd; here an odd file is a fault.
All limits on number and length are judged here, before any value reaches a parser.
"""

from __future__ import annotations

import re

from packhouse.domain.judged import Findings
from packhouse.domain.wording import shown

LARGEST_METADATA = 2 * 1024 * 1024
"""Bytes of METADATA or PKG-INFO."""

MOST_HEADERS = 10_000
"""Header fields in one file."""

FIELDS = {
    "metadata-version": ("metadata_version", "1.0"),
    "name": ("name", "1.0"),
    "version": ("version", "1.0"),
    "author": ("author", "1.0"),
    "author-email": ("author_email", "1.0"),
    "classifier": ("classifiers", "1.1"),
    "description": ("description", "1.0"),
    "description-content-type": ("description_content_type", "2.1"),
    "download-url": ("download_url", "1.1"),
    "dynamic": ("dynamic", "2.2"),
    "home-page": ("home_page", "1.0"),
    "import-name": ("import_names", "2.5"),
    "import-namespace": ("import_namespaces", "2.5"),
    "keywords": ("keywords", "1.0"),
    "license": ("license", "1.0"),
    "license-expression": ("license_expression", "2.4"),
    "license-file": ("license_files", "2.4"),
    "maintainer": ("maintainer", "1.2"),
    "maintainer-email": ("maintainer_email", "1.2"),
    "obsoletes": ("obsoletes", "1.1"),
    "obsoletes-dist": ("obsoletes_dist", "1.2"),
    "platform": ("platforms", "1.0"),
    "project-url": ("project_urls", "1.2"),
    "provides": ("provides", "1.1"),
    "provides-dist": ("provides_dist", "1.2"),
    "provides-extra": ("provides_extra", "2.1"),
    "requires": ("requires", "1.1"),
    "requires-dist": ("requires_dist", "1.2"),
    "requires-external": ("requires_external", "1.2"),
    "requires-python": ("requires_python", "1.2"),
    "summary": ("summary", "1.0"),
    "supported-platform": ("supported_platforms", "1.1"),
}
"""Field by its name in the file: attribute of CoreMetadata, and the metadata version that brought it."""

SINGLE = frozenset({
    "metadata-version", "name", "version", "author", "author-email", "description", "description-content-type",
    "download-url", "home-page", "keywords", "license", "license-expression", "maintainer", "maintainer-email",
    "requires-python", "summary",
})  # fmt: skip
"""Fields that may stand once."""

_MIME = frozenset({"content-type", "content-transfer-encoding", "mime-version"})
_FOLDABLE = frozenset({
    "author", "author-email", "description", "keywords", "license", "maintainer", "maintainer-email",
})  # fmt: skip
_LONGEST = {
    "description": LARGEST_METADATA,
    "license": 256 * 1024,
    "keywords": 16 * 1024,
    "requires-python": 1000,
    "description-content-type": 200,
    "license-expression": 1000,
}
_LONGEST_OTHER = 4096
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*:")
_LINE_END = re.compile(r"\r\n|\n")
_BODY = re.compile(r"^\r?\n", re.MULTILINE)

Fields = dict[str, list[str]]
"""Values by lower-case field name, in the order of the file."""


def read_fields(raw: bytes, found: Findings) -> Fields | None:
    """The fields of the file; None when it can't be read at all. The body is added as a `description`.

    Unknown fields are left out with a warning, those over a limit with a fault.
    """
    text = _decoded(raw, found)
    if text is None:
        return None
    head, body = _split(text)
    if "\x00" in text or "\r" in head.replace("\r\n", "\n"):
        found.fault("metadata-malformed", "The metadata holds a NUL or a bare carriage return; build the file again.")
        return None
    fields = _headers(head, found)
    if fields is None:
        return None
    if body:
        fields.setdefault("description", []).append(body)
    known = {name: _without_unknown(name, values) for name, values in fields.items()}
    return {name: values for name, values in known.items() if values and _within_limits(name, values, found)}


def _without_unknown(name: str, values: list[str]) -> list[str]:
    """The values without distutils' word for those it was not told."""
    if name in {"name", "version", "metadata-version"}:
        return values
    return [value for value in values if value.strip() != "UNKNOWN"]


def _decoded(raw: bytes, found: Findings) -> str | None:
    if len(raw) > LARGEST_METADATA:
        found.fault(
            "metadata-too-large",
            f"The metadata has {len(raw)} bytes: expected at most {LARGEST_METADATA}; shorten the description.",
        )
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        found.fault(
            "metadata-not-utf8",
            f"The metadata is not UTF-8 (byte {error.start}); save the project's texts as UTF-8 and build again.",
        )
        return None


def _split(text: str) -> tuple[str, str]:
    """Headers, and what follows the first empty line."""
    end = _BODY.search(text)
    return (text[: end.start()], text[end.end() :]) if end else (text, "")


def _headers(head: str, found: Findings) -> Fields | None:
    headers: list[list[str]] = []  # each a first line and those it is continued on
    for number, line in enumerate(_LINE_END.split(head.rstrip("\r\n")) if head else (), 1):
        if line[:1] in {" ", "\t"} and headers:
            headers[-1].append(line)
        elif _HEADER.match(line):
            headers.append([line])
        else:
            found.fault(
                "metadata-malformed",
                f"Line {number} of the metadata, {shown(line)}, is no header field: expected 'Name: value'.",
            )
            return None
        if len(headers) > MOST_HEADERS:
            found.fault(
                "metadata-too-many-fields",
                f"The metadata has over {MOST_HEADERS} fields; leave out those it can do without.",
            )
            return None
    return _by_name(["\n".join(lines) for lines in headers], found)


def _by_name(headers: list[str], found: Findings) -> Fields:
    fields: Fields = {}
    unknown: set[str] = set()
    for header in headers:
        spelled, _, value = header.partition(":")
        name = spelled.lower()
        if name in _MIME:
            found.fault(
                "metadata-malformed",
                f"The metadata's header {shown(spelled)} changes what some programs read; build without it.",
            )
        elif name in FIELDS:
            fields.setdefault(name, []).append(value.lstrip(" \t"))
        elif name not in unknown:
            unknown.add(name)
            if len(unknown) <= 10:
                found.warn(
                    "metadata-field-unknown", f"The metadata's field {shown(spelled)} is unknown: ignored.", name
                )
    return fields


def _within_limits(name: str, values: list[str], found: Findings) -> bool:
    longest = _LONGEST.get(name, _LONGEST_OTHER)
    worst = max(map(len, values))
    if worst > longest:
        found.fault(
            "metadata-field-too-long",
            f"The metadata's field {name} has {worst} characters: expected at most {longest}; shorten it.",
            name,
        )
        return False
    if name == "summary" or name in _FOLDABLE or not any("\n" in value for value in values):
        return True
    found.fault("metadata-field-folded", f"The metadata's field {name} spans lines: expected a single line.", name)
    return False
