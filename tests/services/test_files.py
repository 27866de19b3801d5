# SPDX-License-Identifier: Apache-2.0
"""What is served under a file's address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press

from packhouse.catalogue.models import File, Placement, Project, ProjectStatus, Yank
from packhouse.errors import Kind, PackhouseError
from packhouse.services import files, indexes
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import COMMAND

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def offered(index: str = "main", **options: Any) -> files.OfferedFile:
    file = File.objects.get()
    return files.offered_file(index, file.sha256, file.filename, now=file.uploaded_at, **options)


def refused(kind: Kind, *args: str, **options: Any) -> None:
    with pytest.raises(PackhouseError) as caught:
        files.offered_file(*args, now=NOW, **options) if args else offered(**options)
    assert caught.value.kind is kind


def test_a_placed_file_is_offered_with_its_metadata(press: Press) -> None:
    press.wheel("foo", "1.0")
    file = File.objects.get()
    assert offered() == files.OfferedFile(
        sha256=file.sha256,
        filename=file.filename,
        size=file.size,
        uploaded_at=file.uploaded_at,
        metadata_sha256=file.metadata_sha256,
        project="foo",
        serial=Project.objects.get().serial,
    )
    assert offered(metadata=True).metadata_sha256 == file.metadata_sha256


def test_Y4_a_yanked_file_is_offered(press: Press) -> None:
    press.wheel("foo", "1.0")
    Yank.objects.create(file=File.objects.get(), from_serial=9)
    assert offered().filename


def test_digest_and_filename_must_agree(press: Press) -> None:
    press.wheel("foo", "1.0")
    press.wheel("foo", "2.0")
    first, second = File.objects.order_by("id")
    refused(Kind.MISSING, "main", first.sha256, second.filename)
    refused(Kind.MISSING, "main", "0" * 64, first.filename)
    refused(Kind.MISSING, "nowhere", first.sha256, first.filename)
    refused(Kind.MISSING, "main", first.sha256, "../../etc/passwd")


def test_a_deleted_file_is_missing_and_one_of_a_deleted_project(press: Press) -> None:
    press.wheel("foo", "1.0")
    Project.objects.update(deleted_serial=9)
    refused(Kind.MISSING)
    Project.objects.update(deleted_serial=None)
    Placement.objects.update(to_serial=9)
    refused(Kind.MISSING)


def test_Y7_a_file_of_a_quarantined_project_is_forbidden(press: Press) -> None:
    press.wheel("foo", "1.0")
    ProjectStatus.objects.create(project=Project.objects.get(), status="quarantined", reason="bad", from_serial=9)
    refused(Kind.FORBIDDEN)
    refused(Kind.FORBIDDEN, metadata=True)


def test_hostile_172_metadata_that_is_not_advertised_is_missing(press: Press) -> None:
    press.sdist("foo", "1.0")
    File.objects.update(metadata_served=False)
    assert offered().metadata_sha256 is None
    refused(Kind.MISSING, metadata=True)


def test_an_index_offers_what_its_layers_have(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    indexes.create_index(COMMAND, "empty", clock=clock)
    indexes.create_index(COMMAND, "dev", layers=[LayerSpec("own"), LayerSpec("index", "main")], clock=clock)
    refused(Kind.MISSING, index="empty")
    assert offered("dev").project == "foo"
