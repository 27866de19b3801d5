# SPDX-License-Identifier: Apache-2.0
"""Projects and releases as people type them."""

from __future__ import annotations

from packhouse.errors import Kind, refuse


def project_and_version(text: str) -> tuple[str, str | None]:
    """Split `P==V`; the version is None for `P` alone."""
    name, equals, version = (part.strip() for part in text.partition("=="))
    if not name or (equals and not version):
        raise refuse(Kind.INVALID, "target-invalid", f"{text!r} names no project or release; expected P or P==V.")
    return name, version or None


def release(text: str) -> tuple[str, str]:
    """Split `P==V`; refuses a project without a version."""
    name, version = project_and_version(text)
    if version is None:
        raise refuse(Kind.INVALID, "target-invalid", f"{text!r} names no release; write {name}==VERSION.")
    return name, version
