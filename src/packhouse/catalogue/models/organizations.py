# SPDX-License-Identifier: Apache-2.0
"""Organizations: members, teams and what these may do, invitations; projects on their way to another owner."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from packhouse.catalogue.models.people import User
from packhouse.domain.permissions import OrganizationRole, ProjectRole

_ROLES = [(role.value, role.value) for role in OrganizationRole]
_PROJECT_ROLES = [(role.value, role.value) for role in ProjectRole]


class Organization(models.Model):
    """People who own projects together. Rows are never deleted, and no user bears the name of one, now or ever."""

    name = models.CharField(max_length=64, unique=True)
    name_key = models.CharField(max_length=64, unique=True)  # lower case
    title = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """What a person is to an organization now."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=16, choices=_ROLES)
    since = models.DateTimeField()

    class Meta:
        """One role per person and organization."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_membership_per_person")
        ]


class Team(models.Model):
    """Members of an organization by a name, for rights on projects and indexes."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="teams")
    name = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        """A name once an organization."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization", "name"], name="team_name_once")
        ]

    def __str__(self) -> str:
        return self.name


class TeamMember(models.Model):
    """A member of the organization in a team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="team_memberships")

    class Meta:
        """In a team once."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["team", "user"], name="in_a_team_once")
        ]


class TeamRole(models.Model):
    """What a team is to a project of its organization."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="roles")
    project = models.ForeignKey("catalogue.Project", on_delete=models.PROTECT, related_name="team_roles")
    role = models.CharField(max_length=16, choices=_PROJECT_ROLES)

    class Meta:
        """One role per team and project."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["team", "project"], name="one_role_per_team")
        ]


class GroupRole(models.Model):
    """What a group of the provider of single sign-on is: a role in an organization, or part of a team of it."""

    group = models.CharField(max_length=200)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="group_roles")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, related_name="group_roles")
    role = models.CharField(max_length=16, choices=_ROLES, blank=True)  # "" of a team

    class Meta:
        """A group is one thing to an organization, and in a team once."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["group", "organization"], condition=Q(team=None), name="one_role_per_group"
            ),
            models.UniqueConstraint(fields=["group", "team"], name="group_in_a_team_once"),
        ]


class OrganizationInvitation(models.Model):
    """An offer of membership, open until answered, withdrawn or expired."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="invitations")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="organization_invitations")
    role = models.CharField(max_length=16, choices=_ROLES)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=10, default="open")  # open, accepted, declined, withdrawn, expired

    class Meta:
        """One open invitation per person and organization."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "user"], condition=Q(state="open"), name="one_open_membership_offer"
            )
        ]


class Transfer(models.Model):
    """A project offered to a person or an organization, open until answered, withdrawn or expired."""

    project = models.ForeignKey("catalogue.Project", on_delete=models.PROTECT, related_name="transfers")
    to_user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    to_organization = models.ForeignKey(Organization, on_delete=models.PROTECT, null=True, related_name="+")
    offered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=10, default="open")  # open, accepted, declined, withdrawn, expired

    class Meta:
        """A project is offered to one at a time, a person or an organization."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["project"], condition=Q(state="open"), name="one_open_transfer"),
            models.CheckConstraint(
                condition=Q(to_user=None, to_organization__isnull=False)
                | Q(to_user__isnull=False, to_organization=None),
                name="to_a_person_or_an_organization",
            ),
        ]
