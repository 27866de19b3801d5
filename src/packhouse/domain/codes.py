# SPDX-License-Identifier: Apache-2.0
"""The codes of everything an upload can be refused for or warned of, in the order in which they speak.

When a file has several faults, the first of this order is the one in the reason phrase. The order is that of the
upload contract: the form, the metadata, the project and the person, then the file. Each code is documented with cause
and cure in `docs/upload-errors.md`; a test compares the two. Codes are never renamed.
"""

from __future__ import annotations

from collections.abc import Iterable

from packhouse.errors import Fault

METADATA_CODES = (
    "metadata-not-utf8",
    "metadata-malformed",
    "metadata-too-large",
    "metadata-too-many-fields",
    "metadata-version-invalid",
    "name-missing",
    "name-invalid",
    "version-missing",
    "version-invalid",
    "local-version",
    "metadata-field-repeated",
    "metadata-field-too-long",
    "metadata-field-too-complex",
    "metadata-field-folded",
    "metadata-field-too-new",
    "people-too-many",
    "email-invalid",
    "classifier-unknown",
    "classifier-deprecated",
    "classifier-private",
    "description-content-type-invalid",
    "url-invalid",
    "dynamic-invalid",
    "import-name-invalid",
    "license-twice",
    "license-expression-invalid",
    "license-file-invalid",
    "project-url-invalid",
    "extra-invalid",
    "requirement-invalid",
    "direct-url-forbidden",
    "direct-url",
    "requires-python-invalid",
    "summary-invalid",
    "metadata-field-unknown",
    "license-file-early",
    "description-not-rendered",
)
"""What may be wrong with METADATA or PKG-INFO (groups C and D16)."""

FILENAME_CODES = (
    "filename-control-character",
    "filename-with-path",
    "filename-not-ascii",
    "filename-too-long",
    "extension-unknown",
    "sdist-filename-invalid",
    "sdist-filename-not-normalized",
    "wheel-filename-invalid",
    "platform-unlisted",
    "wheel-filename-not-normalized",
    "filename-name-mismatch",
    "filename-version-mismatch",
)
"""What may be wrong with a filename, alone or beside the metadata inside (E1 to E4, E16 to E23)."""

ARCHIVE_CODES = (
    "archive-judgement-died",
    "archive-polyglot",
    "archive-unreadable",
    "archive-bomb",
    "archive-too-many-members",
    "archive-path",
    "archive-duplicate-member",
    "archive-special-member",
    "archive-member-too-large",
    "zip-malformed",
    "zip-name",
    "zip-comment",
    "zip-entry-comment",
    "zip-extra-field",
    "zip-zip64",
    "zip-version",
    "zip-encrypted",
    "zip-compression",
    "zip-data-descriptor",
    "zip-mismatch",
    "zip-overlap",
    "zip-unlisted-data",
    "zip-trailing-data",
    "zip-size-mismatch",
    "zip-crc",
    "gzip-header",
    "gzip-truncated",
    "gzip-damaged",
    "gzip-trailing-data",
    "tar-malformed",
    "tar-name",
    "tar-pax",
    "tar-header-too-large",
    "tar-trailing-data",
    "sdist-top-directory",
    "pkg-info-missing",
    "dist-info-mismatch",
    "data-directory-mismatch",
    "data-directory-invalid",
    "license-file-missing",
    "wheel-missing",
    "wheel-file-invalid",
    "wheel-version-unknown",
    "wheel-tags-mismatch",
    "record-missing",
    "record-unreadable",
    "record-duplicate",
    "record-weak-hash",
    "record-incomplete",
    "record-extra",
    "record-wrong-size",
    "record-wrong-hash",
    "record-more",
    "entry-points-invalid",
    "metadata-missing",
    "startup-code",
    "wheel-file-odd",
    "sdist-top-directory-odd",
    "sdist-modes",
)
"""What may be wrong with an archive (E14, E15, E19, E24 to E27)."""

PRECEDENCE = METADATA_CODES + FILENAME_CODES + ARCHIVE_CODES
"""All codes that judging a file can give, the most telling first."""

_RANK = {code: rank for rank, code in enumerate(PRECEDENCE)}


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The faults in order of precedence, equal ones once; codes not in the list come last, as they were found."""
    unique = dict.fromkeys(faults)
    return tuple(sorted(unique, key=lambda fault: _RANK.get(fault.code, len(_RANK))))
