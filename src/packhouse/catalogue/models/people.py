# SPDX-License-Identifier: Apache-2.0
"""People and their API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone


class UserManager(BaseUserManager["User"]):
    """Makes users; passwords go through Django's hasher."""

    def create_user(self, username: str, email: str = "", password: str | None = None, **fields: Any) -> User:
        """Make and save a user; without a password one can't sign in until it is reset."""
        user = self.model(username=username, email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        """Find by user name, whatever its case."""
        return self.get(username_key=(username or "").lower())


class User(AbstractBaseUser):
    """A person. Rows are never deleted: a user name is never given to somebody else."""

    username = models.CharField(max_length=64, unique=True)
    username_key = models.CharField(max_length=64, unique=True, editable=False)  # lower case
    email = models.EmailField(blank=True)  # the primary address; allauth keeps all of them
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    is_admin = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)
    guest_until = models.DateTimeField(null=True, blank=True)  # a guest's account is no good from then on
    guest_reminded_at = models.DateTimeField(null=True, blank=True)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    objects: ClassVar[UserManager] = UserManager()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the key of the name beside it."""
        self.username_key = self.username.lower()
        super().save(*args, **kwargs)

    def __str__(self) -> str:
        return self.username

    def has_ended(self, now: datetime) -> bool:
        """Whether this is the account of a guest whose time is over."""
        return self.guest_until is not None and self.guest_until <= now

    @property
    def is_staff(self) -> bool:
        """For libraries that ask; Packhouse has no Django admin."""
        return self.is_admin

    @property
    def is_superuser(self) -> bool:
        """For libraries that ask."""
        return self.is_admin


class Token(models.Model):
    """An API token: only the sha256 of it is kept. Deleted ones stay as rows, for the audit.

    `scopes`, `indexes`, `projects` and `organizations` are JSON lists (see `domain.permissions.TokenScope`). One that
    belongs to an `organization` speaks for it alone; `user` then is who made it. `networks` (CIDR) are where it may be
    used from, empty for anywhere. The `old_` fields are those of the secret before the last rotation, which is good
    until `old_until`. One that a token made by the management API (`made_by`) ends with that.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="tokens")
    organization = models.ForeignKey(
        "catalogue.Organization", on_delete=models.PROTECT, null=True, related_name="tokens"
    )
    made_by = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="made")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=16)  # the first characters, to tell tokens apart
    scopes = models.JSONField(default=list)
    indexes = models.JSONField(default=list)
    projects = models.JSONField(default=list)
    organizations = models.JSONField(default=list)
    networks = models.JSONField(default=list)
    created_at = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True)
    old_digest = models.CharField(max_length=64, unique=True, null=True)
    old_hint = models.CharField(max_length=16, blank=True)
    old_until = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        """One name once per person, or per organization, among the living."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["user", "name"],
                condition=models.Q(deleted_at=None, organization=None),
                name="token_name_once_per_user",
            ),
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=models.Q(deleted_at=None),
                name="token_name_once_per_organization",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class Claim(models.Model):
    """A link by which one person becomes the first administrator; only the sha256 of its secret is kept."""

    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)  # used, or replaced by another
