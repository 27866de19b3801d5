# SPDX-License-Identifier: Apache-2.0
"""Pages: derived, disposable, read by the edge through `storage.pages`."""

from __future__ import annotations

from django.db import models


class Page(models.Model):
    """The ready bytes of a page of an index. Deleting any row is safe; a row that exists is current.

    `project` is a normalized name, or "" for the root page; `kind` is `html` or `json`, or `names` for the row
    whose serial moves when a name appears in or disappears from the index. `etag` is the unquoted base of the
    strong tags; `modified` is in unix seconds; `valid_until` (unix seconds) is the moment policy alone changes it.
    """

    pk = models.CompositePrimaryKey("index_name", "project", "kind")
    index_name = models.CharField(max_length=64)
    project = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=8)
    serial = models.BigIntegerField()
    modified = models.BigIntegerField()
    etag = models.CharField(max_length=64)
    audience = models.CharField(max_length=32, blank=True)
    valid_until = models.FloatField(null=True)
    body = models.BinaryField()
    gzip = models.BinaryField(null=True)
    zstd = models.BinaryField(null=True)
    br = models.BinaryField(null=True)


class BlobRemoval(models.Model):
    """A blob that is about to be removed, or was a while ago; committed before its bytes go."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()
