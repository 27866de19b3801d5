# SPDX-License-Identifier: Apache-2.0
"""Upstreams: other people's indexes, and what was seen and kept of them. All but the upstream itself can be lost."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

MODES = ("fallback", "strict", "offline")


class Upstream(models.Model):
    """Another index. `secret` is the Authorization it is sent, encrypted with this server's signing key, or "".

    `hosts` are those its links may lead to besides its own; with `learns` those that the first page with files names
    are added. `ttl` and `negative_ttl` are in seconds, None for what the settings say.
    """

    name = models.CharField(max_length=64, unique=True)
    url = models.CharField(max_length=2000)
    secret = models.TextField(blank=True)
    mode = models.CharField(max_length=10, choices=[(mode, mode) for mode in MODES], default="fallback")
    hosts = models.JSONField(default=list)
    learns = models.BooleanField(default=False)
    ttl = models.IntegerField(null=True)
    negative_ttl = models.IntegerField(null=True)
    created_at = models.DateTimeField()
    created_serial = models.BigIntegerField()

    def __str__(self) -> str:
        return self.name


class UpstreamProject(models.Model):
    """A project of which a page of an upstream was kept: the name is the upstream's from `from_serial` on.

    `serial` is the journal's when the page last changed, `modified` (unix seconds) strictly increases; `fresh_until`
    (unix seconds) is when the upstream is asked again. `gone`: the upstream has no such page any more. `failure` says
    why the last attempt brought nothing, since `failing_since` (unix seconds). `dropped` counts entries left out.
    """

    upstream = models.ForeignKey(Upstream, on_delete=models.PROTECT, related_name="projects")
    name = models.CharField(max_length=200)  # normalized
    first_seen = models.DateTimeField()
    from_serial = models.BigIntegerField()
    serial = models.BigIntegerField()
    modified = models.BigIntegerField()
    checked_at = models.FloatField()
    fresh_until = models.FloatField()
    etag = models.CharField(max_length=500, blank=True)
    digest = models.CharField(max_length=64, blank=True)  # of the last page as decoded
    gone = models.BooleanField(default=False)
    status = models.CharField(max_length=16, default="active")
    status_reason = models.CharField(max_length=1000, blank=True)
    dropped = models.IntegerField(default=0)
    failure = models.CharField(max_length=200, blank=True)
    failing_since = models.FloatField(null=True)

    class Meta:
        """One row per upstream and name."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["upstream", "name"], name="kept_once_per_upstream")
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["name"], name="upstream_project_by_name")]

    def __str__(self) -> str:
        return self.name


class Observation(models.Model):
    """A page of an upstream as it was seen: `body` is its bytes in zstd, `digest` the sha256 of the decoded ones."""

    upstream = models.ForeignKey(Upstream, on_delete=models.PROTECT, related_name="observations")
    project = models.CharField(max_length=200)  # normalized
    seen_at = models.DateTimeField()
    digest = models.CharField(max_length=64)
    url = models.CharField(max_length=2000)
    content_type = models.CharField(max_length=200)
    body = models.BinaryField()

    class Meta:
        """Found by project and time."""

        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["upstream", "project", "seen_at"], name="observation_by_time")
        ]


WITHOUT_METADATA = models.Q(listed=True, metadata_tried=False, metadata_sha256="")
"""The files whose core metadata are still to be looked for."""
UNPROVEN = models.Q(metadata_filled=True, metadata_proven=False)
"""The files whose core metadata were read out of a part of them."""


class UpstreamFile(models.Model):
    """A file as an upstream's page first named it: its sha256 is believed for ever (another one is refused).

    `sha256` is "" while nobody has said it: until we have fetched the file and hashed it (`hashed_here`), not before
    `wait_until` (unix seconds), `missing` says why not yet; `other_digest` is what the page has instead, as `md5=...`.
    Of a wheel without core metadata we look for them in the wheel once (`metadata_tried`); those that came out of a
    part of it (`metadata_filled`) are compared with the whole file once that is here (`metadata_proven`).

    `size` is in bytes, None while unknown. `seen_at` is the moment its age counts from: the upload time, or when we
    first saw it if that was later than the project's first page. `listed`: the newest page names it. `kept` and
    `metadata_kept`: the blobs are here. `refused_sha256` is what the upstream says now where that differs.
    """

    project = models.ForeignKey(UpstreamProject, on_delete=models.PROTECT, related_name="files")
    filename = models.CharField(max_length=255)
    version = models.CharField(max_length=128)
    url = models.CharField(max_length=2000)
    sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    size = models.BigIntegerField(null=True)
    upload_time = models.DateTimeField(null=True)
    first_seen = models.DateTimeField()
    seen_at = models.DateTimeField()
    requires_python = models.CharField(max_length=1000, blank=True)
    metadata_sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    metadata_filled = models.BooleanField(default=False)  # read by us out of the wheel
    metadata_wrong = models.BooleanField(default=False)  # what the upstream sent did not match its digest
    yanked = models.CharField(max_length=1000, null=True)  # None: not; "": without a reason
    provenance = models.CharField(max_length=2000, blank=True)
    listed = models.BooleanField(default=True)
    kept = models.BooleanField(default=False)
    metadata_kept = models.BooleanField(default=False)
    kept_at = models.FloatField(default=0)  # unix seconds
    refused_sha256 = models.CharField(max_length=200, blank=True)  # or another digest, as `md5=...`
    other_digest = models.CharField(max_length=200, blank=True)
    hashed_here = models.BooleanField(default=False)
    metadata_tried = models.BooleanField(default=False)
    metadata_proven = models.BooleanField(default=False)
    wait_until = models.FloatField(default=0)
    missing = models.CharField(max_length=200, blank=True)

    class Meta:
        """One row per filename."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["project", "filename"], name="one_upstream_file_per_name")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["kept", "kept_at"], name="kept_upstream_files"),
            models.Index(fields=["project"], condition=WITHOUT_METADATA, name="wheels_without_metadata"),
            models.Index(fields=["project"], condition=UNPROVEN, name="unproven_metadata"),
        ]

    def __str__(self) -> str:
        return self.filename


class KnownMalware(models.Model):
    """What a list of malware says of a project, from one serial to another: specifiers of versions, "" for all."""

    identifier = models.CharField(max_length=200)
    project = models.CharField(max_length=200, db_index=True)  # normalized
    versions = models.JSONField(default=list)
    summary = models.CharField(max_length=200, blank=True)
    from_serial = models.BigIntegerField()
    to_serial = models.BigIntegerField(null=True)

    class Meta:
        """Said once at a time."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["identifier", "project"], condition=models.Q(to_serial=None), name="malware_said_once"
            )
        ]

    def __str__(self) -> str:
        return self.identifier


class UpstreamPermit(models.Model):
    """A name that may be published here although an upstream has it: an administrator said so."""

    name = models.CharField(max_length=200, unique=True)  # normalized
    granted_at = models.DateTimeField()
    granted_by = models.CharField(max_length=64, blank=True)
