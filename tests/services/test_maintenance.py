# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from packhouse.config import Settings
from packhouse.services.maintenance import collect_garbage
from packhouse.services.resources import Resources, now
from packhouse.storage.local_blobs import LocalBlobs

if TYPE_CHECKING:
    from packhouse.services.judging import Judge


@pytest.fixture
def resources(tmp_path: Path) -> Resources:
    return Resources(Settings(data=tmp_path), LocalBlobs(tmp_path / "blobs"), cast("Judge", None), now)


def test_bytes_that_nothing_names_go_after_a_while(db: None, resources: Resources):
    lost = resources.blobs.put(b"lost")
    assert collect_garbage(resources).blobs == 0
    done = collect_garbage(resources, timedelta(seconds=-1))
    assert (done.blobs, done.size) == (1, 4)
    assert resources.blobs.stat(lost) is None


def test_what_would_go_is_said_and_stays(db: None, resources: Resources):
    lost = resources.blobs.put(b"lost")
    assert collect_garbage(resources, dry_run=True).blobs == 0
    would = collect_garbage(resources, timedelta(seconds=-1), dry_run=True)
    assert (would.blobs, would.size, resources.blobs.stat(lost)) == (1, 4, 4)


def test_bytes_that_a_row_names_stay(db: None, resources: Resources):
    from packhouse.catalogue.models import File, Project, Release

    named, metadata = resources.blobs.put(b"wheel"), resources.blobs.put(b"METADATA")
    project = Project.objects.create(name="a", ultra_name="a", display_name="a", created_at=now(), created_serial=1)
    release = Release.objects.create(project=project, version="1", canonical="1", created_at=now(), created_serial=1)
    File.objects.create(
        release=release,
        project=project,
        filename="a-1.tar.gz",
        filename_key="a-1.tar.gz",
        packagetype="sdist",
        python_version="source",
        sha256=named,
        blake2b_256="",
        md5="",
        size=5,
        metadata_sha256=metadata,
        uploaded_at=now(),
        serial=1,
    )
    assert collect_garbage(resources, timedelta(seconds=-1)).blobs == 0
    assert resources.blobs.read(named) == b"wheel"
    assert resources.blobs.read(metadata) == b"METADATA"
