# SPDX-License-Identifier: Apache-2.0
"""The journal: what happened, numbered without gaps, never changed."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Counter(models.Model):
    """A number that is locked while it moves: `serial` (with the time of the last entry), `access`."""

    name = models.CharField(max_length=16, primary_key=True)
    value = models.BigIntegerField(default=0)
    at = models.DateTimeField(null=True)


class Flag(models.Model):
    """A switch of the whole server that is thrown; no row: it is off."""

    name = models.CharField(max_length=32, primary_key=True)
    reason = models.CharField(max_length=500, blank=True)
    since = models.DateTimeField()


class ServerChoice(models.Model):
    """What administrators chose for the whole server (`services.choices`); no row: nothing was chosen."""

    name = models.CharField(max_length=32, primary_key=True)
    value = models.JSONField()
    since = models.DateTimeField()


RESTORED = "server restored"
"""The kind of the entry that a restored backup begins with."""
WIPED = "sandbox wiped"
"""The kind of the entry after which nothing that was published before it is there any more."""


class JournalEntry(models.Model):
    """One fact established. Names are text, so that an entry stays true whatever happens to the rows it names."""

    serial = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    kind = models.CharField(max_length=40)  # "project created", "file added", ... see services.journal
    index_name = models.CharField(max_length=64, blank=True)
    project = models.CharField(max_length=200, blank=True)  # normalized
    version = models.CharField(max_length=128, blank=True)
    filename = models.CharField(max_length=255, blank=True)
    actor = models.CharField(max_length=64, blank=True)  # user name
    actor_id = models.BigIntegerField(null=True)
    via = models.CharField(max_length=32, blank=True)  # "token 12", "web", "command"
    detail = models.JSONField(default=dict)

    class Meta:
        """Read by project, newest last."""

        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["project", "serial"], name="journal_of_project"),
            models.Index(fields=["serial"], condition=Q(kind=RESTORED), name="restorations"),
        ]
