# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the one function that decides, and the words it decides with.

Pure: the caller brings the facts (`Identity`, `IndexRight`, `ProjectRight`). Every route declares an `Action`;
every service that writes asks again inside its transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from packhouse.errors import Fault, Kind, PackhouseError


class Action(StrEnum):
    """What a request wants to do."""

    ANYONE = "anyone"  # pages and answers that hold nothing private
    READ = "read"  # pages, files, JSON, feeds, search of an index
    UPLOAD = "upload"
    STAGE = "stage"  # upload into an index that is marked as staging
    YANK = "yank"  # yank and unyank
    DELETE = "delete"  # files, releases, projects
    STATUS = "status"  # project status (PEP 792)
    PROMOTE = "promote"  # a release into another index
    MANAGE = "manage"  # a project's pages and collaborators
    BELONG = "belong"  # to an organization: see its people, teams and projects
    RUN = "run"  # an organization: its members, teams, tokens and projects
    RULE = "rule"  # an organization: its owners and managers, its end
    ACCOUNT = "account"  # one's own account and tokens, in a signed-in session
    ITSELF = "itself"  # a token: what it may, and its own end
    TOKENS = "tokens"  # by a token: tokens of its owner that may do no more than it
    SNAPSHOT = "snapshot"  # of an index: list and make, for administrators
    ADMINISTER = "administer"


class ReadMode(StrEnum):
    """Who may read an index."""

    PUBLIC = "public"
    SIGNED_IN = "signed-in"
    CLOSED = "closed"


class ProjectRole(StrEnum):
    """What a person is to a project."""

    OWNER = "owner"
    MAINTAINER = "maintainer"


class OrganizationRole(StrEnum):
    """What a person is to an organization."""

    OWNER = "owner"
    MANAGER = "manager"
    MEMBER = "member"


TOKEN_ACTIONS = {
    "read": frozenset({Action.READ}),
    "upload": frozenset({Action.UPLOAD, Action.STAGE}),
    "stage": frozenset({Action.STAGE}),
    "yank": frozenset({Action.YANK}),
    "manage": frozenset(
        {*(Action.YANK, Action.DELETE, Action.STATUS, Action.PROMOTE), *(Action.MANAGE, Action.TOKENS, Action.SNAPSHOT)}
    ),
}
"""What each `--scope` of a token allows; without one a token has upload and read."""


def _actions(scopes: Iterable[str]) -> frozenset[Action]:
    """What these scopes allow together; one that only a newer program knows allows nothing."""
    nothing: frozenset[Action] = frozenset()
    return nothing.union(*(TOKEN_ACTIONS.get(scope, nothing) for scope in scopes))


_OWNER_ONLY = frozenset({Action.DELETE, Action.STATUS, Action.PROMOTE, Action.MANAGE})
_EVERYWHERE = frozenset({Action.YANK, Action.DELETE, Action.STATUS, Action.MANAGE})
"""What counts in every index that a project stands in, so that a token for some of them is not enough."""

_RUNNERS = frozenset({OrganizationRole.OWNER, OrganizationRole.MANAGER})
ORGANIZATION_ROLES = {
    Action.BELONG: frozenset(OrganizationRole),
    Action.RUN: _RUNNERS,
    Action.RULE: frozenset({OrganizationRole.OWNER}),
}
"""Who in an organization may do what with it."""


@dataclass(frozen=True, slots=True)
class TokenScope:
    """What a token is limited to. Empty `indexes` mean all; names of projects are normalized.

    Without `projects` and `organizations` all projects are meant, else those named and those of the organizations.
    """

    scopes: frozenset[str] = frozenset({"upload", "read"})
    indexes: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    organizations: frozenset[str] = frozenset()

    def covers(self, project: ProjectRight) -> bool:
        """Whether a project is among those it is for."""
        if not self.projects and not self.organizations:
            return True
        return project.name in self.projects or project.organization in self.organizations

    def allows(self, action: Action) -> bool:
        """Whether one of the scopes covers the action."""
        return action in _actions(self.scopes)

    @property
    def only_stages(self) -> bool:
        """Whether it uploads to staging indexes alone."""
        return self.allows(Action.STAGE) and not self.allows(Action.UPLOAD)

    @property
    def limited(self) -> bool:
        """Whether it is for some projects only."""
        return bool(self.projects or self.organizations)

    def includes(self, other: TokenScope) -> bool:
        """Whether a token of the other scope may do no more than one of this."""
        held, wanted = _actions(self.scopes), _actions(other.scopes)
        indexes = not self.indexes or (bool(other.indexes) and other.indexes <= self.indexes)
        named = other.limited and other.projects <= self.projects and other.organizations <= self.organizations
        return wanted <= held and indexes and (not self.limited or named)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. Anonymous when `user_id` is None; `token_id` and `scope` are set when a token speaks.

    `until` is the moment from which the credentials are no good any more; None when they have no end. `local`: they
    are good from some addresses only. `digest` is that of the token's secret. A token of an organization speaks for it:
    `organization_id` is set, `user_id` is None, and `username` is the organization's name.
    """

    user_id: int | None = None
    username: str = ""
    is_admin: bool = False
    email_verified: bool = False
    two_factor: bool = False
    token_id: int | None = None
    scope: TokenScope | None = None
    until: datetime | None = None
    local: bool = False
    organization_id: int | None = None
    digest: str = field(default="", repr=False)

    @property
    def anonymous(self) -> bool:
        """Whether nobody is known."""
        return self.user_id is None and self.organization_id is None


ANONYMOUS = Identity()


@dataclass(frozen=True, slots=True)
class IndexRight:
    """An index as far as rights go; `granted`: the asker is named among its readers.

    `staging`: what is uploaded to it is on trial. Only told where a token asks to which that makes a difference.
    """

    name: str
    read: ReadMode = ReadMode.PUBLIC
    granted: bool = False
    staging: bool = False


@dataclass(frozen=True, slots=True)
class ProjectRight:
    """A project as far as rights go; `role` is the asker's; `exists` is False for a name not yet taken.

    `organization` is the name of the one it belongs to, "" for none. `indexes` are those it stands in, where a token
    asks that is for some indexes only.
    """

    name: str
    exists: bool = True
    role: ProjectRole | None = None
    organization: str = ""
    indexes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OrganizationRight:
    """An organization as far as rights go; `role` is the asker's."""

    name: str
    role: OrganizationRole | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed, or the refusal: its kind and its fault."""

    allowed: bool
    kind: Kind = Kind.FORBIDDEN
    fault: Fault = field(default_factory=lambda: Fault("forbidden", "You may not do this."))

    def demand(self) -> None:
        """Raise the refusal as a PackhouseError unless allowed."""
        if not self.allowed:
            raise PackhouseError(self.kind, self.fault)


ALLOWED = Verdict(allowed=True)


def may(
    identity: Identity,
    action: Action,
    *,
    index: IndexRight | None = None,
    project: ProjectRight | None = None,
    organization: OrganizationRight | None = None,
) -> Verdict:
    """Decide whether `identity` may do `action` on the index, project or organization given.

    The order is that of the upload contract: no credentials (401) before anything about the thing itself,
    the token's limits before the person's role.
    """
    if action is Action.ANYONE:
        return ALLOWED
    if action is Action.READ:
        return _may_read(identity, index, project)
    if identity.anonymous:
        return _unauthenticated("This needs credentials, but none were sent; send an API token or sign in.")
    if action in _ALONE:
        return _ALONE[action](identity)
    if action is Action.SNAPSHOT:
        return _may_snapshot(identity, index)
    if action in ORGANIZATION_ROLES:
        return _may_in_organization(identity, action, organization)
    limit = _token_limit(identity, action, index, project)
    if limit is not None:
        return limit
    if index is not None and action is Action.UPLOAD:
        reading = _may_read(identity, index, None, scoped=False)
        if not reading.allowed:
            return reading
    return _may_change(identity, action, project)


def _may_read(
    identity: Identity, index: IndexRight | None, project: ProjectRight | None, *, scoped: bool = True
) -> Verdict:
    if index is None or index.read is ReadMode.PUBLIC:
        return ALLOWED
    if identity.anonymous:
        return _unauthenticated(f"The index {index.name!r} is not public; send an API token that may read it.")
    if scoped and identity.scope is not None:
        limit = _token_limit(identity, Action.READ, index, project)
        if limit is not None:
            return limit
    if index.read is ReadMode.SIGNED_IN or index.granted or identity.is_admin:
        return ALLOWED
    return _forbidden(
        "index-closed", f"{identity.username!r} may not read the index {index.name!r}; ask an administrator for access."
    )


def _token_limit(
    identity: Identity, action: Action, index: IndexRight | None, project: ProjectRight | None
) -> Verdict | None:
    scope = identity.scope
    if scope is None:
        return None
    if not scope.allows(Action.STAGE if action is Action.UPLOAD and index is not None and index.staging else action):
        if action is Action.UPLOAD and index is not None and scope.allows(Action.STAGE):
            message = (
                f"This token publishes to staging indexes only, and {index.name!r} is none, or a layer of one"
                " that is none; publish to a staging index, from where a person promotes it."
            )
            return _forbidden("token-stage", message)
        return _forbidden(
            "token-action", f"This token may not {action.value}; its scope is {', '.join(sorted(scope.scopes))}."
        )
    if index is not None and scope.indexes and index.name not in scope.indexes:
        return _forbidden("token-index", f"This token is not valid for the index {index.name!r}.")
    if project is not None and action is not Action.READ and not scope.covers(project):
        return _forbidden("token-project", f"This token is not valid for the project {project.name!r}.")
    if project is not None and action in _EVERYWHERE and scope.indexes and not project.indexes <= scope.indexes:
        beyond = ", ".join(sorted(project.indexes - scope.indexes))
        message = f"The project {project.name!r} stands in {beyond} too, for which this token is not valid."
        return _forbidden("token-index", message)
    return None


def _may_snapshot(identity: Identity, index: IndexRight | None) -> Verdict:
    limit = _token_limit(identity, Action.SNAPSHOT, index, None)
    if limit is not None:
        return limit
    if identity.scope is not None and identity.scope.limited:
        return _forbidden("token-project", "This token is for some projects only, and an index has others too.")
    if identity.is_admin:
        return ALLOWED
    return _forbidden("admin-only", "Only an administrator may do this.")


def _may_use_account(identity: Identity) -> Verdict:
    if identity.scope is not None:
        return _forbidden("session-only", "Accounts are managed in the browser, not with a token; sign in.")
    return ALLOWED


def _may_in_organization(identity: Identity, action: Action, organization: OrganizationRight | None) -> Verdict:
    if identity.scope is not None:
        return _may_use_account(identity)
    if organization is None or identity.is_admin or organization.role in ORGANIZATION_ROLES[action]:
        return ALLOWED
    needed = {Action.RULE: "its owners may", Action.RUN: "its owners and managers may"}.get(action, "its members may")
    return _forbidden("organization-forbidden", f"In the organization {organization.name!r} only {needed} do this.")


def _may_administer(identity: Identity) -> Verdict:
    if identity.is_admin and identity.scope is None:
        return ALLOWED
    return _forbidden("admin-only", "Only an administrator may do this.")


def _may_itself(identity: Identity) -> Verdict:
    return ALLOWED if identity.scope is not None else _forbidden("token-only", "This is asked with an API token.")


_ALONE: dict[Action, Callable[[Identity], Verdict]] = {
    Action.ACCOUNT: _may_use_account,
    Action.ADMINISTER: _may_administer,
    Action.ITSELF: _may_itself,
}
"""Actions on nothing but the server or the asker's own account."""


def _may_change(identity: Identity, action: Action, project: ProjectRight | None) -> Verdict:
    if project is None:
        return ALLOWED
    if not project.exists and action is Action.UPLOAD:
        return ALLOWED
    if project.role is ProjectRole.OWNER or (project.role is not None and action not in _OWNER_ONLY):
        return ALLOWED
    if identity.is_admin and action is not Action.UPLOAD:
        return ALLOWED
    return _forbidden(
        "project-forbidden",
        f"The user {identity.username!r} isn't allowed to {action.value} in the project {project.name!r};"
        " ask one of its owners to invite you.",
    )


def _unauthenticated(message: str) -> Verdict:
    return Verdict(allowed=False, kind=Kind.UNAUTHENTICATED, fault=Fault("unauthenticated", message))


def _forbidden(code: str, message: str) -> Verdict:
    return Verdict(allowed=False, kind=Kind.FORBIDDEN, fault=Fault(code, message))
