# SPDX-License-Identifier: Apache-2.0
"""Indexes, what they are made of, their rules, and who may read them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from packhouse.catalogue.models.people import Token, User
from packhouse.domain.permissions import ReadMode


class Index(models.Model):
    """A URL (`/index/<name>/simple/`) made of ordered layers. `main` also answers at `/simple/`.

    `audience` is the opaque id the edge asks about when the index is not public; "" when it is.
    """

    name = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=200, blank=True)
    read = models.CharField(max_length=10, choices=[(m.value, m.value) for m in ReadMode], default="public")
    audience = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField()
    created_serial = models.BigIntegerField()
    serial = models.BigIntegerField(default=0)  # of the last journal entry that changed its root page
    modified = models.BigIntegerField(default=0)  # unix seconds, strictly increasing
    names_serial = models.BigIntegerField(default=0)  # of the last entry that changed the set of names
    shaped = models.BigIntegerField(default=0)  # unix seconds of the last change of what it is made of or serves

    def __str__(self) -> str:
        return self.name


class Layer(models.Model):
    """One layer of an index, from one serial to another: its own placements, another index, an upstream."""

    index = models.ForeignKey(Index, on_delete=models.PROTECT, related_name="layers")
    position = models.IntegerField()
    kind = models.CharField(max_length=10)  # own, index, upstream
    target = models.CharField(max_length=64, blank=True)
    from_serial = models.BigIntegerField()
    to_serial = models.BigIntegerField(null=True)


class IndexRule(models.Model):
    """A named setting of an index (upload profile, policy), from one serial to another; `value` is JSON."""

    index = models.ForeignKey(Index, on_delete=models.PROTECT, related_name="rules")
    key = models.CharField(max_length=64)
    value = models.JSONField()
    from_serial = models.BigIntegerField()
    to_serial = models.BigIntegerField(null=True)

    class Meta:
        """One value at a time."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["index", "key"], condition=Q(to_serial=None), name="one_value_at_a_time")
        ]


class IndexGrant(models.Model):
    """A reader of an index that is not public: a person, a token, a team or all members of an organization."""

    index = models.ForeignKey(Index, on_delete=models.PROTECT, related_name="grants")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="index_grants")
    token = models.ForeignKey(Token, on_delete=models.PROTECT, null=True, related_name="+")
    organization = models.ForeignKey("catalogue.Organization", on_delete=models.PROTECT, null=True, related_name="+")
    team = models.ForeignKey("catalogue.Team", on_delete=models.CASCADE, null=True, related_name="+")
    since = models.DateTimeField()

    class Meta:
        """Each named once."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["index", "user"], name="granted_once"),
            models.UniqueConstraint(fields=["index", "token"], name="token_granted_once"),
            models.UniqueConstraint(fields=["index", "organization"], name="organization_granted_once"),
            models.UniqueConstraint(fields=["index", "team"], name="team_granted_once"),
        ]


class Snapshot(models.Model):
    """A name for an index at a serial. While it is `protected`, no file that it shows can be purged."""

    index = models.ForeignKey(Index, on_delete=models.PROTECT, related_name="snapshots")
    name = models.CharField(max_length=64)
    serial = models.BigIntegerField()
    at = models.DateTimeField()  # the moment it shows
    note = models.CharField(max_length=1000, blank=True)
    protected = models.BooleanField(default=False)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=64, blank=True)

    class Meta:
        """A name once an index."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["index", "name"], name="snapshot_name_once")
        ]

    def __str__(self) -> str:
        return self.name
