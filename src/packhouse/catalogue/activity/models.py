# SPDX-License-Identifier: Apache-2.0
"""Marks and positions that may change often without disturbing the pages."""

from __future__ import annotations

from django.db import models


class TokenUse(models.Model):
    """When and from where a token was used last; no foreign key, since tokens live in another database."""

    token_id = models.BigIntegerField(primary_key=True)
    used_at = models.DateTimeField()
    address = models.CharField(max_length=64)
    agent = models.CharField(max_length=512, blank=True)


class JobPosition(models.Model):
    """The serial up to which a follower of the journal has worked."""

    name = models.CharField(max_length=64, primary_key=True)
    serial = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)
