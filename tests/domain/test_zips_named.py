# SPDX-License-Identifier: Apache-2.0
"""The archives that the public index's own tests name, as wheels of ours (hostile 67 to 101, E15, decision 7)."""

from __future__ import annotations

import io
import zipfile

import pytest
from tests.corpus_hostile import ACCEPT, REJECT

from packhouse.domain.archives import judge_archive
from packhouse.domain.filenames import parse_filename
from packhouse.domain.policy import PRIVATE

FILENAME = parse_filename("foo-1.0-py3-none-any.whl")
CODES = {
    "8bitcomment": "archive-unreadable zip-comment zip-mismatch zip-unlisted-data",
    "cd_comment": "zip-entry-comment",
    "cd_extra_entry": "zip-overlap",
    "cd_missing_entry": "zip-unlisted-data",
    "dupe_eocd": "zip-mismatch",
    "eocd64_locator_mismatch": "zip-zip64",
    "eocd64_non_locator": "zip-zip64",
    "eocd64_without_eocd": "archive-unreadable",
    "eocd64_without_locator": "zip-zip64",
    "missing_local_file": "zip-malformed",
    "extra3byte": "zip-extra-field",
    "non_ascii_original_name": "zip-name",
    "not": "archive-unreadable",
    "prefix": "zip-unlisted-data",
    "second_unicode_extra": "zip-extra-field",
    "shortextra": "zip-extra-field",
    "suffix_not_comment": "zip-trailing-data",
    "unicode_extra_chain": "zip-extra-field",
    "wheel-1.0-py3-none-any.whl": "archive-duplicate-member",
    "zip64_eocd_confusion": "zip-zip64 zip-mismatch",
    "zip64_eocd_extensible_data": "zip-zip64",
    "zip64_extra_csize": "zip-overlap zip-unlisted-data",
    "zip64_extra_too_long": "zip-zip64",
    "zip64_extra_too_short": "zip-zip64",
    "zip64_extra_usize": "zip-size-mismatch",
    "zipinzip": "archive-unreadable zip-comment zip-mismatch zip-unlisted-data",
    "short_usize": "zip-size-mismatch",
    "short_usize_zip64": "zip-zip64",
    "trailing_slash_payload": "zip-malformed archive-special-member",
    "directory_hides_deflated_bytes": "zip-malformed archive-special-member",
    "cd_other_order": "zip-mismatch",
    "version_needed_99": "zip-version",
    "version_needed_99_locally": "zip-version",
    "dos_directory_attribute": "archive-special-member",
    "dos_volume_label": "archive-special-member",
    "two_deflate_streams": "zip-size-mismatch",
    "utf8_flag_locally_only": "zip-mismatch",
    "second_dist_info_is_a_directory": "dist-info-mismatch",
    "data_installed_over_a_module": "archive-duplicate-member",
    "data_installed_twice": "archive-duplicate-member",
    "data_installed_as_metadata": "dist-info-mismatch",
    "alternate_data_stream": "archive-path",
    "segment_of_256_bytes": "archive-path",
    "names_equal_once_decomposed": "archive-duplicate-member",
    "RECORD_with_a_line_separator": "record-unreadable",
    "RECORD_with_a_bare_carriage_return": "record-unreadable",
}


def codes(data: bytes) -> list[str]:
    return [fault.code for fault in judge_archive(io.BytesIO(data), FILENAME, PRIVATE).faults]


@pytest.mark.parametrize("case", ACCEPT)
def test_hostile_67_to_101_decision_7_accepted(case: str) -> None:
    data = ACCEPT[case]("foo")
    assert codes(data) == []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize("case", REJECT)
def test_hostile_67_to_101_E15_rejected(case: str) -> None:
    found = codes(REJECT[case]("foo"))
    expected = CODES.get(case, "zip-data-descriptor")
    assert found
    assert set(found) <= set(expected.split()), found
