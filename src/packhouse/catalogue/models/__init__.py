# SPDX-License-Identifier: Apache-2.0
"""The facts, by subject."""

from packhouse.catalogue.models.indexes import Index, IndexGrant, IndexRule, Layer, Snapshot
from packhouse.catalogue.models.invitations import AccountInvitation, SignInLink
from packhouse.catalogue.models.journal import Counter, Flag, JournalEntry, ServerChoice
from packhouse.catalogue.models.organizations import (
    GroupRole,
    Membership,
    Organization,
    OrganizationInvitation,
    Team,
    TeamMember,
    TeamRole,
    Transfer,
)
from packhouse.catalogue.models.pages import BlobRemoval, Page
from packhouse.catalogue.models.people import Claim, Token, User
from packhouse.catalogue.models.projects import (
    File,
    FileDescription,
    Invitation,
    Placement,
    Project,
    ProjectStatus,
    Release,
    Role,
    Yank,
)
from packhouse.catalogue.models.upstreams import (
    KnownMalware,
    Observation,
    Upstream,
    UpstreamFile,
    UpstreamPermit,
    UpstreamProject,
)

__all__ = [
    "AccountInvitation",
    "BlobRemoval",
    "Claim",
    "Counter",
    "File",
    "FileDescription",
    "Flag",
    "GroupRole",
    "Index",
    "IndexGrant",
    "IndexRule",
    "Invitation",
    "JournalEntry",
    "KnownMalware",
    "Layer",
    "Membership",
    "Observation",
    "Organization",
    "OrganizationInvitation",
    "Page",
    "Placement",
    "Project",
    "ProjectStatus",
    "Release",
    "Role",
    "ServerChoice",
    "SignInLink",
    "Snapshot",
    "Team",
    "TeamMember",
    "TeamRole",
    "Token",
    "Transfer",
    "Upstream",
    "UpstreamFile",
    "UpstreamPermit",
    "UpstreamProject",
    "User",
    "Yank",
]
