# SPDX-License-Identifier: Apache-2.0
"""Links by which people come in: invitations to make an account, and sign-in links for emergencies."""

from __future__ import annotations

from django.db import models

from packhouse.catalogue.models.people import User


class AccountInvitation(models.Model):
    """A link by which people register; only the sha256 of its secret is kept.

    With an `email` it is for that address alone. Who registers by it is a guest until `guest_until`, if that is set.
    """

    digest = models.CharField(max_length=64, unique=True)
    email = models.EmailField(blank=True)
    note = models.CharField(max_length=100, blank=True)
    limit = models.IntegerField(default=1)  # how many may use it
    used = models.IntegerField(default=0)
    guest_until = models.DateTimeField(null=True)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)


class SignInLink(models.Model):
    """A link that signs somebody in once; only the sha256 of its secret is kept."""

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
