# SPDX-License-Identifier: Apache-2.0
"""Buckets: what is tried at start, and what their faults become."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.infra.buckets import SECRET, BucketServer, bucket_server

from packhouse.errors import Kind, PackhouseError
from packhouse.storage.blobs import Bucket, BucketBlobs
from packhouse.storage.buckets import is_bucket
from packhouse.storage.probing import demand_usable, probe

pytestmark = pytest.mark.slow

DATA = b"a wheel " * 1000


def test_what_a_bucket_is():
    assert [is_bucket(text) for text in ("s3://b", "gs://b/p", "az://c", "file:///b", "", None)] == [True] * 3 + [
        False
    ] * 3


def test_a_bucket_is_tried_and_nothing_is_left_in_it(any_bucket: str):
    found = demand_usable(any_bucket)
    assert (found.failure, found.conditional, found.signs) == ("", True, True)
    assert found.sentence.startswith("it writes, reads, reads ranges, lists and deletes")
    from obstore import list as list_objects

    assert list_objects(Bucket(any_bucket).store).collect() == []


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("AWS_ACCESS_KEY_ID", "a-stranger", "writing failed"),
        ("AWS_SECRET_ACCESS_KEY", "not-the-secret", "writing failed"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "writing failed"),
    ],
)
def test_a_bucket_that_can_t_be_used_is_named_with_the_reason(
    bucket: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(PackhouseError) as caught:
        demand_usable(bucket)
    assert (caught.value.kind, caught.value.code) == (Kind.UNAVAILABLE, "bucket-unusable")
    assert bucket in str(caught.value)
    assert told in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "not-the-secret" not in str(caught.value)


def test_probing_works_in_a_process_that_uses_buckets_itself(any_bucket: str, tmp_path: Path):
    BucketBlobs(Bucket(any_bucket), tmp_path).put(DATA)
    assert probe(any_bucket).failure == ""


def test_a_library_that_can_t_be_set_up_is_told(bucket: str, monkeypatch: pytest.MonkeyPatch):
    assert probe("az://container/prefix").failure.startswith("opening failed")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    assert probe(bucket).failure.startswith("it could not be tried")


def test_a_bucket_that_is_gone_is_one_sentence_and_no_key_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    with bucket_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        blobs = BucketBlobs(Bucket(server.fresh()), tmp_path)
        sha256 = blobs.put(DATA)
    with caplog.at_level(logging.DEBUG):
        for attempt in (
            lambda: blobs.put(b"other"),
            lambda: blobs.stat(sha256),
            lambda: blobs.open(sha256),
            lambda: list(blobs.kept()),
        ):
            with pytest.raises(PackhouseError) as caught:
                attempt()
            assert (caught.value.kind, caught.value.code) == (Kind.UNAVAILABLE, "storage-failed")
            assert "\n" not in str(caught.value)
    assert SECRET not in caplog.text
    assert blobs.near.read(sha256) == DATA
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_large_file_goes_in_parts_and_comes_back(any_bucket: str, tmp_path: Path):
    data = bytes(range(256)) * 80_000
    blobs = BucketBlobs(Bucket(any_bucket), tmp_path)
    sha256 = blobs.put(data)
    assert blobs.stat(sha256) == len(data)
    assert b"".join(blobs.open(sha256)) == data
    assert b"".join(blobs.open(sha256, 10_000_000, 10_000_100)) == data[10_000_000:10_000_100]


def test_wanted_again_counts_even_when_only_a_mark_says_so(any_bucket: str, tmp_path: Path):
    blobs = BucketBlobs(Bucket(any_bucket), tmp_path)
    sha256 = blobs.put(DATA)
    before = blobs.wanted_at(sha256)
    blobs.touch(sha256)
    after = blobs.wanted_at(sha256)
    assert before is not None
    assert after is not None
    assert after >= before
    blobs.delete(sha256)
    assert blobs.wanted_at(sha256) is None
    from obstore import list as list_objects

    assert list_objects(blobs.bucket.store).collect() == []


def test_what_is_set_aside_is_kept_for_a_look(bucket: str, tmp_path: Path, s3: BucketServer):
    blobs = BucketBlobs(Bucket(bucket), tmp_path)
    sha256 = blobs.put(DATA)
    blobs.set_aside(sha256)
    assert (blobs.stat(sha256), blobs.near.stat(sha256)) == (None, None)
    from obstore import get

    assert bytes(get(blobs.bucket.store, f"damaged/{sha256}").bytes()) == DATA
    assert s3.process.poll() is None


def test_parts_of_a_file_that_is_still_coming_are_passed_on_and_swept(bucket: str, tmp_path: Path):
    blobs, sha256, giver = BucketBlobs(Bucket(bucket), tmp_path), "ab" * 32, "cd" * 16
    for number, data in enumerate((b"one", b"two", b"three")):
        blobs.put_part(sha256, giver, number, data)
    assert [blobs.read_part(sha256, giver, number) for number in range(4)] == [b"one", b"two", b"three", None]
    assert list(blobs.kept()) == []
    blobs.delete_parts(sha256, giver, 2)
    assert [blobs.read_part(sha256, giver, number) for number in range(3)] == [None, None, b"three"]
    assert blobs.sweep_parts(before=0.0) == 0
    assert blobs.sweep_parts(before=9e9) == 1
    assert blobs.read_part(sha256, giver, 2) is None
