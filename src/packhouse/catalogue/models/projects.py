# SPDX-License-Identifier: Apache-2.0
"""Projects, releases, files, and what is said about them from one serial to another."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from packhouse.catalogue.models.indexes import Index
from packhouse.catalogue.models.people import User
from packhouse.domain.listing import Status
from packhouse.domain.permissions import ProjectRole


class Project(models.Model):
    """A name of this server, for every index; the row stays when the project is deleted.

    `serial` and `modified` (unix seconds, strictly increasing) are those of the last journal entry about it and
    serve as validators of its pages.
    """

    name = models.CharField(max_length=200, unique=True)  # normalized (PEP 503)
    ultra_name = models.CharField(max_length=200, db_index=True)  # for look-alikes
    display_name = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    created_serial = models.BigIntegerField()
    deleted_serial = models.BigIntegerField(null=True)  # set while the project is deleted
    serial = models.BigIntegerField(default=0)
    modified = models.BigIntegerField(default=0)
    organization = models.ForeignKey(
        "catalogue.Organization", on_delete=models.PROTECT, null=True, related_name="projects"
    )

    class Meta:
        """Newest first; what changed since a serial."""

        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["created_serial"], name="projects_by_age"),
            models.Index(fields=["serial"], name="projects_by_change"),
        ]

    def __str__(self) -> str:
        return self.display_name


class ProjectStatus(models.Model):
    """The status of a project from one serial to another (PEP 792); no row means active."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="statuses")
    status = models.CharField(max_length=16, choices=[(s.value, s.value) for s in Status])
    reason = models.CharField(max_length=1000, blank=True)
    from_serial = models.BigIntegerField()
    to_serial = models.BigIntegerField(null=True)

    class Meta:
        """One status at a time."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["project"], condition=Q(to_serial=None), name="one_status_at_a_time")
        ]


class Role(models.Model):
    """What a person is to a project now; the past is in the journal."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="roles")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="roles")
    role = models.CharField(max_length=16, choices=[(r.value, r.value) for r in ProjectRole])
    since = models.DateTimeField()

    class Meta:
        """One role per person and project."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["project", "user"], name="one_role_per_person")
        ]


class Invitation(models.Model):
    """An offer of a role, open until answered, withdrawn or expired."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="invitations")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="invitations")
    role = models.CharField(max_length=16, choices=[(r.value, r.value) for r in ProjectRole])
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=10, default="open")  # open, accepted, declined, withdrawn

    class Meta:
        """One open invitation per person and project."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["project", "user"], condition=Q(state="open"), name="one_open_invitation")
        ]


class Release(models.Model):
    """A version of a project. `canonical` is the PEP 440 identity, `version` the spelling of the first upload."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="releases")
    version = models.CharField(max_length=128)
    canonical = models.CharField(max_length=128)
    created_at = models.DateTimeField()
    created_serial = models.BigIntegerField()

    class Meta:
        """One release per version identity."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["project", "canonical"], name="one_release_per_version")
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["created_serial"], name="releases_by_age")]

    def __str__(self) -> str:
        return f"{self.project.display_name} {self.version}"


class File(models.Model):
    """A distribution; immutable, and never deleted: the row is the filename's tombstone.

    Digests are lower-case hex, `size` is in bytes. `metadata` is the parsed core metadata without the
    description (snake_case keys); `metadata_sha256` names the blob with the exact METADATA or PKG-INFO bytes;
    `metadata_served` says whether `.metadata` is advertised (PEP 658, and sdists of metadata 2.2 and later).
    """

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="files")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="files")
    filename = models.CharField(max_length=255, unique=True)
    filename_key = models.CharField(max_length=255, unique=True)  # lower case, canonical version
    packagetype = models.CharField(max_length=16)  # bdist_wheel, sdist
    python_version = models.CharField(max_length=100)  # "py3", "source"
    sha256 = models.CharField(max_length=64, db_index=True)
    blake2b_256 = models.CharField(max_length=64)
    md5 = models.CharField(max_length=32)
    size = models.BigIntegerField()
    requires_python = models.CharField(max_length=1000, blank=True)
    metadata_sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    metadata_served = models.BooleanField(default=False)
    metadata = models.JSONField(default=dict)
    warnings = models.JSONField(default=list)
    uploaded_at = models.DateTimeField()
    uploaded_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    uploaded_with = models.BigIntegerField(null=True)  # token id
    serial = models.BigIntegerField()
    purged_serial = models.BigIntegerField(null=True)

    class Meta:
        """Their sizes are added up without reading the rows."""

        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["size"], condition=Q(purged_serial=None), name="sizes_of_files")
        ]

    def __str__(self) -> str:
        return self.filename


class FileDescription(models.Model):
    """The README of a file, rendered when it was judged; apart, since it is large and seldom wanted."""

    file = models.OneToOneField(File, on_delete=models.PROTECT, related_name="description", primary_key=True)
    content_type = models.CharField(max_length=200, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)


class Placement(models.Model):
    """A file is visible in an index from one serial to another.

    `taken_back`: it was ended by undoing what made it, so that it no longer says that the index owns the name.
    """

    index = models.ForeignKey(Index, on_delete=models.PROTECT, related_name="placements")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="placements")
    file = models.ForeignKey(File, on_delete=models.PROTECT, related_name="placements")
    from_serial = models.BigIntegerField()
    to_serial = models.BigIntegerField(null=True)
    taken_back = models.BooleanField(default=False, db_default=False)

    class Meta:
        """A file stands in an index once at a time."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["index", "file"], condition=Q(to_serial=None), name="placed_once")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["index", "project", "to_serial"], name="placement_of_project"),
        ]


class Yank(models.Model):
    """A file is yanked, with a reason that may be empty, from one serial to another (PEP 592)."""

    file = models.ForeignKey(File, on_delete=models.PROTECT, related_name="yanks")
    reason = models.CharField(max_length=1000, blank=True)
    from_serial = models.BigIntegerField()
    to_serial = models.BigIntegerField(null=True)

    class Meta:
        """Yanked once at a time."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["file"], condition=Q(to_serial=None), name="yanked_once")
        ]
