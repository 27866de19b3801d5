# SPDX-License-Identifier: Apache-2.0
"""Rules for metadata that a profile switches: strict refuses what private takes with a warning."""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.judged import Findings
from packhouse.domain.policy import Profile
from packhouse.domain.wording import shown

_ADDRESS = re.compile(r"[^@\s<>,;\"]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)\.?\Z")
_BRACKETED = re.compile(r"<([^<>]*)>")
_RESERVED = frozenset({"invalid", "localhost", "local", "test", "example", "onion", "arpa"})
_SHOWN_AT_MOST = 20  # findings of one sort


def judge_by_profile(core: CoreMetadata, profile: Profile, found: Findings) -> None:
    """Add what the profile refuses or warns of."""
    _judge_local_version(core, profile, found)
    _judge_emails(core, profile, found)
    _judge_classifiers(core, profile, found)
    _judge_urls(core, profile, found)
    _judge_direct_urls(core, profile, found)


def _judge_local_version(core: CoreMetadata, profile: Profile, found: Findings) -> None:
    try:
        local = Version(core.version).local
    except InvalidVersion:
        return
    if local and not profile.allow_local_versions:
        found.fault(
            "local-version",
            f"Version {shown(core.version)} is a local version, which this index does not take; remove '+' and after.",
            "version",
        )


def _judge_emails(core: CoreMetadata, profile: Profile, found: Findings) -> None:
    """C11: the first address of each field, if there is one."""
    for field in ("author_email", "maintainer_email"):
        value = getattr(core, field)
        why = _wrong_with_address(value) if value.strip() else None
        if why:
            found.by_rule(
                profile.allow_odd_emails,
                "email-invalid",
                f"{shown(value)} is no e-mail address: {why}; mend it.",
                field,
            )


def _wrong_with_address(value: str) -> str | None:
    bracketed = _BRACKETED.search(value)
    address = (bracketed[1] if bracketed else value.partition(",")[0]).strip()
    if "@" not in address:
        return "it has no '@'"
    match = _ADDRESS.match(address)
    if match is None:
        return "expected name@domain"
    if "." not in match[1]:
        return "its domain has no period"
    return "its domain is reserved" if match[1].rsplit(".", 1)[1].lower() in _RESERVED else None


@cache
def _known_classifiers() -> frozenset[str]:
    from trove_classifiers import classifiers

    return frozenset(classifiers)


def _judge_classifiers(core: CoreMetadata, profile: Profile, found: Findings) -> None:
    """C7 and C8."""
    from trove_classifiers import deprecated_classifiers

    for classifier in core.classifiers[: 10 * _SHOWN_AT_MOST]:
        if classifier in deprecated_classifiers:
            instead = ", ".join(map(shown, deprecated_classifiers[classifier]))
            found.by_rule(
                profile.allow_deprecated_classifiers,
                "classifier-deprecated",
                f"The classifier {shown(classifier)} has been deprecated; "
                + (f"use {instead} instead." if instead else "remove it."),
                "classifiers",
            )
        elif classifier.lower().startswith("private ::"):
            if not profile.allow_private_classifiers:
                found.fault(
                    "classifier-private",
                    f"The classifier {shown(classifier)} marks a private file, which this index does not take.",
                    "classifiers",
                )
        elif classifier not in _known_classifiers():
            found.by_rule(
                profile.allow_unknown_classifiers,
                "classifier-unknown",
                f"{shown(classifier)} is not on the list of trove classifiers; correct or remove it.",
                "classifiers",
            )


def _judge_urls(core: CoreMetadata, profile: Profile, found: Findings) -> None:
    """C9 and C10."""
    for field in ("download_url", "home_page"):
        url = getattr(core, field)
        if url and not is_web_url(url):
            found.by_rule(
                profile.allow_odd_urls,
                "url-invalid",
                f"{shown(url)} is not a URL of http or https; correct or remove it.",
                field,
            )
    for label, url in core.project_urls[: 10 * _SHOWN_AT_MOST]:
        why = _wrong_with_project_url(label, url)
        if why:
            found.by_rule(profile.allow_odd_urls, "project-url-invalid", f"Project-URL {why}; mend it.", "project_urls")


def _wrong_with_project_url(label: str, url: str) -> str | None:
    if not label:
        return f"{shown(url)} has no label"
    if not url:
        return f"{shown(label)} has no URL, or no comma before it"
    if len(label) > 32:
        return f"has the label {shown(label)} of {len(label)} characters: expected at most 32"
    return None if is_web_url(url) else f"{shown(url)} is not a URL of http or https"


def is_web_url(url: str) -> bool:
    """Whether this is a URL of http or https with a host and without a password: one fit to be a link."""
    if any(character <= " " or character in '"<>\\^`{|}\x7f' for character in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _judge_direct_urls(core: CoreMetadata, profile: Profile, found: Findings) -> None:
    """C13 and C14: a URL where a version should be. `file:` and version control are refused by every profile."""
    for field in ("requires_dist", "provides_dist", "obsoletes_dist"):
        for value in getattr(core, field):
            if "@" not in value:
                continue
            try:
                url = Requirement(value).url
            except (InvalidRequirement, ValueError):
                continue  # reported already
            if url:
                harmless = field == "requires_dist" and url.lower().startswith(("https://", "http://"))
                found.by_rule(
                    harmless and profile.allow_direct_urls,
                    "direct-url" if harmless else "direct-url-forbidden",
                    f"Can't have direct dependency: {shown(value)}; name a version instead of a URL.",
                    field,
                )
