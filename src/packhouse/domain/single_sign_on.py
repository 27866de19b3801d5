# SPDX-License-Identifier: Apache-2.0
"""What an OpenID provider says, judged: its own document, and the groups of a person.

Pure; signatures are checked by `web.single_sign_on`, with a library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from packhouse.domain.addresses import is_loopback, split_host

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Of signatures; none with a shared secret, and never `none`."""
MOST_KEYS = 100
MOST_GROUPS = 10_000
LONGEST_SUBJECT = 191


@dataclass(frozen=True, slots=True)
class Provider:
    """The addresses of a provider, from its own document; `says_iss`: its answers carry `iss` (RFC 9207)."""

    issuer: str
    authorization: str
    token: str
    keys: str
    userinfo: str = ""
    end_session: str = ""
    says_iss: bool = False
    basic: bool = True  # the client's secret goes into the Authorization header


def document_address(issuer: str) -> str:
    """Where a provider's document is (OpenID Connect Discovery 1.0, section 4)."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def read_provider(document: Mapping[str, Any], issuer: str) -> Provider | str:
    """The provider of a document, or why it can't be used."""
    if document.get("issuer") != issuer:
        return f"its document is of another issuer, {str(document.get('issuer'))[:200]!r}"
    found = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not is_safe_address(document.get(name)):
            return f"its document has no https address as {name}"
        found[name] = str(document[name])
    optional = [str(document.get(name) or "") for name in ("userinfo_endpoint", "end_session_endpoint")]
    userinfo, end_session = (address if is_safe_address(address) else "" for address in optional)
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Provider(
        issuer=issuer,
        authorization=found["authorization_endpoint"],
        token=found["token_endpoint"],
        keys=found["jwks_uri"],
        userinfo=userinfo,
        end_session=end_session,
        says_iss=document.get("authorization_response_iss_parameter_supported") is True,
        basic="client_secret_basic" in methods,
    )


def is_safe_address(address: object) -> bool:
    """Whether secrets may go to an address: https, or this very machine."""
    found = re.fullmatch(r"(https?)://([^/?#@\\\s]+)([/?][^#\s]*)?", address) if isinstance(address, str) else None
    return found is not None and (found[1] == "https" or is_loopback(split_host(found[2])))


def is_for_us(claims: Mapping[str, Any], client_id: str) -> bool:
    """Whether an ID token is for this client and no other (OpenID Connect Core 1.0, section 3.1.3.7)."""
    audience = claims.get("aud")
    alone = audience in (client_id, [client_id])
    return alone and claims.get("azp", client_id) == client_id


def groups_of(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """The groups of a person; a claim may be one name, a list of names, or missing."""
    value = claims.get(claim)
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(name for name in names[:MOST_GROUPS] if isinstance(name, str))


@dataclass(frozen=True, slots=True)
class GroupRules:
    """What groups mean here; empty: nothing."""

    allow: frozenset[str] = frozenset()
    admin: frozenset[str] = frozenset()
    indexes: tuple[tuple[str, str], ...] = ()  # (group, index)

    @classmethod
    def of(cls, allow: Iterable[str], admin: Iterable[str], indexes: Iterable[str]) -> GroupRules:
        """The mapping of its settings (`GROUP=INDEX` for indexes)."""
        pairs = tuple((group, index) for group, _, index in (text.rpartition("=") for text in indexes))
        return cls(frozenset(allow), frozenset(admin), pairs)

    def admits(self, groups: frozenset[str]) -> bool:
        """Whether people of these groups may sign in."""
        return not self.allow or bool(self.allow & groups)

    def administers(self, groups: frozenset[str]) -> bool | None:
        """Whether they administer; None where groups don't decide that."""
        return bool(self.admin & groups) if self.admin else None

    def reads(self, groups: frozenset[str]) -> dict[str, bool]:
        """Of each index that groups decide about, whether they read it."""
        decided = dict.fromkeys((index for _, index in self.indexes), False)
        return decided | {index: True for group, index in self.indexes if group in groups}


def is_verified(claims: Mapping[str, Any]) -> bool:
    """Whether the provider vouches for the e-mail address; a text that says so doesn't count."""
    return claims.get("email_verified") is True


def suggested_name(claims: Mapping[str, Any]) -> str:
    """A user name to begin with, of the letters user names have; may be empty or taken."""
    wanted = claims.get("preferred_username") or claims.get("email") or ""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", str(wanted).partition("@")[0])
    return plain.strip("-._")[:50].strip("-._")
