# SPDX-License-Identifier: Apache-2.0
"""Marks and positions that may change often without disturbing the pages."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class TokenUse(models.Model):
    """When and from where a token was used last; no foreign key, since tokens live in another database."""

    token_id = models.BigIntegerField(primary_key=True)
    used_at = models.DateTimeField()
    address = models.CharField(max_length=64)
    agent = models.CharField(max_length=512, blank=True)


class TokenReminder(models.Model):
    """The last reminder sent of a token that ends soon: 1 a week before, 2 the day before."""

    token_id = models.BigIntegerField(primary_key=True)
    step = models.SmallIntegerField()
    at = models.DateTimeField()


class JobPosition(models.Model):
    """The serial up to which a follower of the journal has worked."""

    name = models.CharField(max_length=64, primary_key=True)
    serial = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)


class JobRun(models.Model):
    """When a job of the schedule was begun last, by whichever server."""

    name = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()


class Listener(models.Model):
    """A process that knows the counters of PostgreSQL without asking at each request: their sum as it read it last.

    Written and read by plain statements (`storage.commits`, `services.hearing`).
    """

    name = models.CharField(max_length=64, primary_key=True)
    seen = models.BigIntegerField()
    at = models.DateTimeField()


class Session(AbstractBaseSession):
    """A browser session. `session_key` is the sha256 (base64) of the cookie, so that a copy of the database opens none.

    The row belongs to an account as soon as somebody signed in; no foreign key: accounts live in another database.
    """

    session_key = models.CharField(max_length=64, primary_key=True)
    account_id = models.BigIntegerField(null=True, db_index=True)
    address = models.CharField(max_length=64, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)  # within a few minutes

    class Meta:
        """Not abstract."""

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        """The store that reads and writes these rows."""
        from packhouse.catalogue.activity.sessions import SessionStore

        return SessionStore


class SignInFailure(models.Model):
    """A sign-in that failed, or is being tried. `name` and `place` are hex sha256 of what was typed and where."""

    name = models.CharField(max_length=64)
    place = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)

    class Meta:
        """Counted by name, and by place."""

        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["name", "at"], name="failures_of_name"),
            models.Index(fields=["place", "at"], name="failures_from_place"),
        ]


class Scrub(models.Model):
    """Where the scrub stands: the id of the last file it read, what this turn has read so far (blobs, bytes)."""

    name = models.CharField(max_length=16, primary_key=True)
    position = models.BigIntegerField(default=0)
    blobs = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    debt = models.BigIntegerField(default=0)  # bytes read ahead of the rate
    begun_at = models.DateTimeField()
    stepped_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)  # the last whole turn
    resting = models.BooleanField(default=False)


class ScrubFinding(models.Model):
    """A blob that is not what it should be, until it is again."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    code = models.CharField(max_length=32)
    sentence = models.CharField(max_length=1000)
    found_at = models.DateTimeField()


class SearchDocument(models.Model):
    """What is searched of a project in the index whose own layer holds it; made from the journal, disposable.

    `name` holds the searchable spellings of the name, `grams` the padded trigrams of it, `marks` a word for its index
    and for each classifier (see `domain.searching`). The longest text stands last: what is before is read without it.
    The full-text indexes beside this table are made by migration 0007 and kept by the database itself.
    """

    index_name = models.CharField(max_length=64)
    project = models.CharField(max_length=200)  # normalized
    display_name = models.CharField(max_length=200)
    version = models.CharField(max_length=128)
    released_at = models.DateTimeField()
    name = models.CharField(max_length=600)
    grams = models.TextField()
    marks = models.TextField()
    summary = models.TextField(blank=True)
    keywords = models.TextField(blank=True)
    description = models.TextField(blank=True)

    class Meta:
        """One per index and project; newest first without words."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["index_name", "project"], name="one_document_per_project")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["index_name", "-released_at"], name="documents_by_age"),
        ]


class SearchClassifier(models.Model):
    """A classifier of a document, for their counts; filters go by the marks of documents."""

    document = models.ForeignKey(SearchDocument, on_delete=models.CASCADE, related_name="classifiers")
    classifier = models.CharField(max_length=300)


class FileDownloads(models.Model):
    """How often a file was downloaded through an index on a day (UTC); names, since files live in another database."""

    index_name = models.CharField(max_length=64)
    project = models.CharField(max_length=200)  # normalized
    version = models.CharField(max_length=128)
    filename = models.CharField(max_length=300)
    day = models.DateField()
    count = models.BigIntegerField()

    class Meta:
        """One per index, file and day; read by release; dropped by age."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["index_name", "filename", "day"], name="one_count_per_file_and_day")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["index_name", "project", "version", "day"], name="counts_of_release"),
            models.Index(fields=["day"], name="counts_of_files_by_age"),
        ]


class ProjectDownloads(models.Model):
    """How often files of a project were downloaded through an index on a day, by installer and Python.

    `project` is "" for all projects of the index together.
    """

    index_name = models.CharField(max_length=64)
    project = models.CharField(max_length=200)
    day = models.DateField()
    installer = models.CharField(max_length=32)
    python = models.CharField(max_length=8, blank=True)
    count = models.BigIntegerField()

    class Meta:
        """A bounded number of rows for each index, project and day; dropped by age."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["index_name", "project", "day", "installer", "python"], name="one_count_per_installer_and_day"
            )
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["day"], name="counts_of_projects_by_age")]


class ProjectTotal(models.Model):
    """The downloads of a project through an index: `month` from the day `since` on, `total` of all times.

    `since` is the last day there is while `month` is 0.
    """

    index_name = models.CharField(max_length=64)
    project = models.CharField(max_length=200)
    since = models.DateField(db_index=True)
    month = models.BigIntegerField()
    total = models.BigIntegerField()

    class Meta:
        """One per index and project; the most installed are found without counting."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["index_name", "project"], name="one_total_per_project")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["index_name", "-month", "project"], name="most_installed"),
        ]


class Lease(models.Model):
    """Something that one of several servers does for all, until `ends_at` by the database's clock, or renewed.

    `holder` is a claim's own random name, or "" for what its last holder has told those who waited (`said`).
    """

    key = models.CharField(max_length=96, primary_key=True)
    holder = models.CharField(max_length=32, blank=True)
    ends_at = models.DateTimeField()
    wanted = models.BooleanField(default=False)  # somebody waits for what the holder gets
    said = models.JSONField(default=dict)
