# SPDX-License-Identifier: Apache-2.0
"""Copies of a bucket's blobs on this machine."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources
from tests.services.conftest import press_of

from packhouse.catalogue.models import Index, User
from packhouse.errors import Kind, PackhouseError
from packhouse.services import copies
from packhouse.services.resources import Resources, now
from packhouse.storage.blobs import Bucket, BucketBlobs

pytestmark = pytest.mark.slow

LARGE = os.urandom(3_000_000)


@pytest.fixture
def stock(bucket: str, tmp_path: Path) -> Resources:
    made = make_resources(TickingClock(), data=tmp_path, storage=bucket, storage_copies=7_000_000)
    return replace(made, blobs=BucketBlobs(Bucket(bucket), made.settings.blobs_folder), clock=now)


def blobs_of(stock: Resources) -> BucketBlobs:
    assert isinstance(stock.blobs, BucketBlobs)
    return stock.blobs


def kept_elsewhere(stock: Resources, data: bytes) -> str:
    """A blob of the bucket of which there is no copy here."""
    sha256 = stock.blobs.put(data)
    blobs_of(stock).near.delete(sha256)
    return sha256


def damage(stock: Resources, sha256: str) -> None:
    from obstore import put

    put(blobs_of(stock).bucket.store, f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}", b"something else")


def test_a_small_one_is_here_when_it_is_told(stock: Resources):
    sha256 = kept_elsewhere(stock, b"small")
    assert copies.bring(stock, sha256) is None
    assert blobs_of(stock).near.read(sha256) == b"small"


def test_a_large_one_is_read_while_it_comes_by_all_who_want_it(stock: Resources):
    sha256 = kept_elsewhere(stock, LARGE)

    def read(_number: int) -> bytes:
        growing = copies.bring(stock, sha256)
        return blobs_of(stock).near.read(sha256) if growing is None else b"".join(growing.pieces(0, len(LARGE)))

    with ThreadPoolExecutor(8) as pool:
        assert all(data == LARGE for data in pool.map(read, range(8)))
    assert copies.bring(stock, sha256) is None
    assert list((stock.settings.blobs_folder / "tmp").iterdir()) == []


def test_bytes_that_are_not_those_of_the_name_are_never_a_copy(stock: Resources):
    sha256 = kept_elsewhere(stock, b"right")
    damage(stock, sha256)
    with pytest.raises(PackhouseError) as caught:
        copies.bring(stock, sha256)
    assert caught.value.kind is Kind.UNAVAILABLE
    assert blobs_of(stock).near.stat(sha256) is None


def test_what_the_bucket_has_not_is_missing(stock: Resources):
    with pytest.raises(PackhouseError) as caught:
        copies.bring(stock, "0" * 64)
    assert caught.value.kind is Kind.MISSING


@pytest.mark.django_db(transaction=True)
def test_what_was_least_used_goes_first_and_comes_again(stock: Resources, alice: User, main: Index):
    press = press_of(alice, replace(stock, clock=TickingClock()))
    names = [published(press, f"large-{number}", 2_000_000) for number in range(4)]
    near = blobs_of(stock).near
    for age, (_, sha256) in enumerate(names):
        os.utime(near.path(sha256), (1000 + age, 1000 + age))
    copies.touch(stock, [names[0][0]])
    assert copies.keep_within(stock) > 0
    left = [near.stat(sha256) is not None for _, sha256 in names]
    assert left == [True, False, True, True]
    growing = copies.bring(stock, names[1][1])
    assert growing is None or growing.over.wait(60)
    assert near.stat(names[1][1]) is not None


@pytest.mark.django_db(transaction=True)
def test_what_came_or_was_wanted_a_moment_ago_is_never_removed(stock: Resources, alice: User, main: Index):
    press = press_of(alice, replace(stock, clock=TickingClock()))
    paths = [blobs_of(stock).near.path(published(press, f"large-{n}", 2_000_000)[1]) for n in range(4)]
    for age, removed in ((30, False), (90, True)):
        moment = stock.clock().timestamp() - age
        for path in paths:
            os.utime(path, (moment, moment))
        assert (copies.keep_within(stock) > 0) == removed
    assert any(path.exists() for path in paths)


def published(press: Press, name: str, size: int) -> tuple[str, str]:
    """Publish a wheel of about this size; its filename and digest."""
    from packhouse.catalogue.models import File

    press.wheel(name, "1.0", payload=os.urandom(size // 2).hex())
    file = File.objects.get(filename__startswith=name.replace("-", "_"))
    return file.filename, file.sha256


@pytest.mark.django_db(transaction=True)
def test_copies_that_no_row_names_go_but_not_those_of_an_upload_under_way(stock: Resources):
    sha256 = stock.blobs.put(b"nobody names it")
    assert copies.keep_within(stock) == 0
    assert copies.keep_within(stock, timedelta(seconds=-5)) == len(b"nobody names it")
    assert blobs_of(stock).near.stat(sha256) is None
    assert stock.blobs.stat(sha256) is not None


@pytest.mark.django_db(transaction=True)
def test_without_a_bucket_there_is_nothing_to_do(resources: Resources):
    assert copies.bring(resources, "0" * 64) is None
    assert copies.keep_within(resources) == 0
    copies.touch(resources, ["a-1.0-py3-none-any.whl"])
    with pytest.raises(PackhouseError):
        copies.signed(resources, "0" * 64)
