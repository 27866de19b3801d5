# SPDX-License-Identifier: Apache-2.0
"""One suite for every blob store; what only the local form promises is at the end."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.infra.azure import Azure

from packhouse.errors import Kind, PackhouseError
from packhouse.storage.blobs import Blobs, Bucket, BucketBlobs, Digests, LocalBlobs, MemoryBlobs
from packhouse.storage.incoming import Hook, no_hook

DATA = b"a wheel " * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()

Make = Callable[[Hook], Blobs]


@pytest.fixture(
    params=[
        *("local", "memory"),
        pytest.param("bucket", marks=pytest.mark.slow),
        pytest.param("azure", marks=[pytest.mark.slow, pytest.mark.full]),
    ]
)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A maker of empty stores of one form, that takes a hook for faults."""
    if request.param == "local":
        return lambda hook: LocalBlobs(tmp_path / "blobs", hook)
    if request.param == "memory":
        return MemoryBlobs
    if request.param == "bucket":
        bucket = Bucket(request.getfixturevalue("bucket"))
    else:
        azure: Azure = request.getfixturevalue("azure")
        for name, value in azure.environment.items():
            request.getfixturevalue("monkeypatch").setenv(name, value)
        bucket = Bucket(azure.fresh())
    return lambda hook: BucketBlobs(bucket, tmp_path / "near", hook)


@pytest.fixture
def blobs(make: Make) -> Blobs:
    return make(no_hook)


def fail_at(step: str, number: int) -> Hook:
    """A hook that fails with an error number at one step."""

    def hook(at: str) -> None:
        if at == step:
            raise OSError(number, os.strerror(number))

    return hook


def test_put_gives_the_bytes_back(blobs: Blobs) -> None:
    assert blobs.put(DATA) == SHA256
    assert blobs.read(SHA256) == DATA
    assert blobs.stat(SHA256) == len(DATA)


def test_an_empty_blob_is_a_blob(blobs: Blobs) -> None:
    sha256 = blobs.put(b"")
    assert (blobs.stat(sha256), blobs.read(sha256)) == (0, b"")


def test_incoming_hashes_while_it_is_written(blobs: Blobs) -> None:
    with blobs.incoming() as incoming:
        for at in range(0, len(DATA), 999):
            incoming.write(memoryview(DATA)[at : at + 999])
        assert incoming.size == len(DATA)
        assert incoming.path.read_bytes() == DATA
        expected = hashlib.blake2b(DATA, digest_size=32).hexdigest()
        assert incoming.digests() == Digests(SHA256, hashlib.md5(DATA).hexdigest(), expected)


def test_nothing_is_reachable_before_keep(blobs: Blobs) -> None:
    incoming = blobs.incoming()
    incoming.write(DATA)
    assert blobs.stat(SHA256) is None
    assert incoming.keep() == SHA256
    assert blobs.stat(SHA256) == len(DATA)


def test_keep_removes_the_temporary_file_and_can_be_called_again(blobs: Blobs) -> None:
    incoming = blobs.incoming()
    incoming.write(DATA)
    assert incoming.keep() == incoming.keep() == SHA256
    incoming.discard()
    assert not incoming.path.exists()
    assert blobs.read(SHA256) == DATA


def test_discard_leaves_nothing(blobs: Blobs) -> None:
    incoming = blobs.incoming()
    incoming.write(DATA)
    incoming.discard()
    incoming.discard()
    assert not incoming.path.exists()
    assert blobs.stat(SHA256) is None
    with pytest.raises(PackhouseError) as caught:
        incoming.keep()
    assert caught.value.kind is Kind.UNAVAILABLE


def test_the_same_bytes_twice_are_one_blob(blobs: Blobs) -> None:
    assert blobs.put(DATA) == blobs.put(DATA)
    assert [sha256 for sha256, _ in blobs.kept()] == [SHA256]


def test_kept_again_looks_new_to_what_collects_garbage(blobs: Blobs) -> None:
    blobs.put(DATA)
    path = blobs.path(SHA256)
    if path is not None:
        os.utime(path, (1, 1))
    ((_, before),) = blobs.kept()
    deadline = time.monotonic() + 60
    after = before
    while after == before and time.monotonic() < deadline:  # a bucket's clock shows whole seconds
        blobs.put(DATA)
        ((_, after),) = blobs.kept()
    assert after > before


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (5, None), (0, 1), (7, 4000), (7999, 8000), (8000, None), (10, 10), (0, 10**9)]
)
def test_ranges(blobs: Blobs, start: int, end: int | None) -> None:
    blobs.put(DATA)
    assert b"".join(blobs.open(SHA256, start, end)) == DATA[start:end]


def test_large_blobs_come_in_chunks(blobs: Blobs) -> None:
    data = os.urandom(700_000)
    chunks = list(blobs.open(blobs.put(data)))
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= 256 * 1024


@pytest.mark.parametrize("sha256", [OTHER, "", "../../etc/passwd", SHA256.upper(), SHA256 + "0", "z" * 64])
def test_missing_and_malformed(blobs: Blobs, sha256: str) -> None:
    blobs.put(DATA)
    assert blobs.stat(sha256) is None
    for ask in (blobs.open, blobs.read):
        with pytest.raises(PackhouseError) as caught:
            ask(sha256)
        assert caught.value.kind is Kind.MISSING


def test_delete(blobs: Blobs) -> None:
    blobs.put(DATA)
    blobs.delete(SHA256)
    blobs.delete(SHA256)
    assert blobs.stat(SHA256) is None
    assert blobs.put(DATA) == SHA256
    assert blobs.read(SHA256) == DATA


@pytest.mark.parametrize("step", ["s2", "s3", "s6", "s7"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_fault_before_the_link_leaves_nothing(make: Make, step: str, number: int) -> None:
    blobs = make(fail_at(step, number))
    with pytest.raises(PackhouseError) as caught:
        blobs.put(DATA)
    full = number in {errno.ENOSPC, errno.EDQUOT}
    assert caught.value.kind is (Kind.FULL if full else Kind.UNAVAILABLE)
    assert blobs.stat(SHA256) is None
    assert list(blobs.kept()) == []
    assert blobs.sweep() == 0


@pytest.mark.parametrize("step", ["s8", "s9"])
def test_a_fault_after_the_link_leaves_a_whole_blob_or_none(tmp_path: Path, step: str) -> None:
    blobs = LocalBlobs(tmp_path, fail_at(step, errno.EIO))
    with pytest.raises(PackhouseError):
        blobs.put(DATA)
    assert blobs.read(SHA256) == DATA
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_fsync_that_failed_is_not_tried_again(make: Make) -> None:
    calls: list[str] = []

    def hook(step: str) -> None:
        calls.append(step)
        if step == "s6":
            raise OSError(errno.EIO, "Input/output error")

    incoming = make(hook).incoming()
    incoming.write(DATA)
    for _ in range(2):
        with pytest.raises(PackhouseError):
            incoming.keep()
    assert calls.count("s6") == 1


def test_preparing_stores_nothing_and_may_be_done_again(blobs: Blobs) -> None:
    for _ in range(2):
        blobs.prepare(SHA256)
    assert (blobs.stat(SHA256), list(blobs.kept())) == (None, [])
    assert blobs.put(DATA) == SHA256
    blobs.prepare(SHA256)
    assert blobs.read(SHA256) == DATA


def test_every_step_is_passed_in_order(make: Make) -> None:
    steps: list[str] = []
    make(steps.append).put(DATA)
    assert steps == ["s2", "s3", "s6", "s7", "s8", "s9"]


def test_making_a_store_touches_no_disk(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    assert (blobs.stat(SHA256), list(blobs.kept()), blobs.sweep()) == (None, [], 0)
    assert not (tmp_path / "blobs").exists()


def test_local_layout(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put(DATA)
    assert blobs.path(SHA256) == tmp_path / "sha256" / SHA256[:2] / SHA256[2:4] / SHA256
    assert blobs.path(SHA256).read_bytes() == DATA


def test_a_truncated_blob_is_mended_by_the_same_bytes(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put(DATA)
    blobs.path(SHA256).write_bytes(DATA[:10])
    blobs.put(DATA)
    assert blobs.read(SHA256) == DATA


def test_a_reader_not_read_to_its_end_can_be_closed(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    reader = blobs.open(blobs.put(DATA))
    reader.close()
    assert list(reader) == []


def test_a_blob_deleted_while_read_is_read_to_its_end(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    data = os.urandom(600_000)
    reader = blobs.open(blobs.put(data))
    first = next(reader)
    blobs.delete(hashlib.sha256(data).hexdigest())
    assert first + b"".join(reader) == data


def _write_and_die(root: Path) -> None:
    incoming = LocalBlobs(root).incoming()
    incoming.write(DATA)
    os._exit(9)


def test_sweep_removes_what_a_dead_process_left_and_nothing_else(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(tmp_path,))
    process.start()
    process.join(30)
    blobs = LocalBlobs(tmp_path)
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    with blobs.incoming() as mine:
        assert blobs.sweep() == 1
        assert list((tmp_path / "tmp").iterdir()) == [mine.path]


def test_a_part_written_at_the_limit_of_a_file_counts_once(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    with blobs.incoming() as incoming:
        incoming.write(b"")
        incoming.write(DATA)
        assert incoming.path.stat().st_size == incoming.size == len(DATA)
