# SPDX-License-Identifier: Apache-2.0
"""What somebody is to a project or an index, by themselves, by a team or by an organization: pieces of statements.

Each piece stands in for a value of a query and has its own values, given by the function beside it in their order.
"""

from __future__ import annotations

from typing import Any

from packhouse.domain.permissions import Identity, ProjectRole

RANKS = {1: ProjectRole.MAINTAINER, 2: ProjectRole.OWNER}
"""Roles by their rank: of several the highest counts."""

ROLE = """(
  SELECT max(held) FROM (
    SELECT CASE r.role WHEN 'owner' THEN 2 ELSE 1 END AS held
    FROM catalogue_role r WHERE r.project_id = p.id AND r.user_id = %s
    UNION ALL
    SELECT 2 FROM catalogue_membership m
    WHERE m.organization_id = p.organization_id AND m.user_id = %s AND m.role IN ('owner', 'manager')
    UNION ALL
    SELECT CASE t.role WHEN 'owner' THEN 2 ELSE 1 END
    FROM catalogue_teamrole t JOIN catalogue_teammember b ON b.team_id = t.team_id
    WHERE t.project_id = p.id AND b.user_id = %s
    UNION ALL
    SELECT 2 WHERE p.organization_id = %s
  ) AS roles_held
)"""
"""The rank of the role on the project `p`; null for none."""

HELD = f"""
SELECT p.name, p.display_name, COALESCE(o.name, ''), {ROLE}
FROM catalogue_project p LEFT JOIN catalogue_organization o ON o.id = p.organization_id
WHERE p.deleted_serial IS NULL AND p.id IN (
  SELECT r.project_id FROM catalogue_role r WHERE r.user_id = %s
  UNION
  SELECT q.id FROM catalogue_project q JOIN catalogue_membership m ON m.organization_id = q.organization_id
  WHERE m.user_id = %s AND m.role IN ('owner', 'manager')
  UNION
  SELECT t.project_id FROM catalogue_teamrole t JOIN catalogue_teammember b ON b.team_id = t.team_id
  WHERE b.user_id = %s
  UNION
  SELECT q.id FROM catalogue_project q WHERE q.organization_id = %s
)
ORDER BY p.name"""  # noqa: S608 - our own words
"""The living projects that somebody has a role on, with their organization; its values are those of `ROLE` twice."""

GRANTED = """EXISTS (
  SELECT 1 FROM catalogue_indexgrant g WHERE g.index_id = i.id AND (
    g.user_id = %s OR g.token_id = %s OR g.organization_id = %s
    OR g.organization_id IN (SELECT m.organization_id FROM catalogue_membership m WHERE m.user_id = %s)
    OR g.team_id IN (SELECT b.team_id FROM catalogue_teammember b WHERE b.user_id = %s)
  )
)"""
"""Whether the index `i` is read by somebody by name."""


def role_values(identity: Identity) -> tuple[Any, ...]:
    """The values of `ROLE`. No row has the id 0."""
    user = identity.user_id or 0
    return user, user, user, identity.organization_id or 0


def granted_values(identity: Identity) -> tuple[Any, ...]:
    """The values of `GRANTED`."""
    user = identity.user_id or 0
    return user, identity.token_id or 0, identity.organization_id or 0, user, user


def role_of(rank: int | None) -> ProjectRole | None:
    """The role of a rank."""
    return None if rank is None else RANKS[rank]
