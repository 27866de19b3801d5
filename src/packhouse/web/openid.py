# SPDX-License-Identifier: Apache-2.0
"""An OpenID provider asked and judged: its document, a token for a code, the claims of a signed ID token.

allauth keeps the accounts and states of single sign-on, but takes an ID token that came by TLS without its signature,
and knows no nonce; so the protocol itself (OpenID Connect Core 1.0, RFC 7636, RFC 9207) is here.
"""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

import jwt
import structlog

from packhouse.config import Settings
from packhouse.domain import single_sign_on as rules
from packhouse.domain.single_sign_on import Provider
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.upstream.errors import UnreachableError, UnusableError
from packhouse.upstream.openid import fetch_document, fetch_token

_log = structlog.stdlib.get_logger(__name__)

LEEWAY = 60
"""Seconds by which clocks may differ."""


def client_secret(settings: Settings) -> str:
    """The secret of this client; "" for a public one. Read when it is needed: it may be replaced at any time."""
    if settings.oidc_client_secret_file is None:
        return settings.oidc_client_secret or ""
    try:
        return Path(settings.oidc_client_secret_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        _log.error("PACKHOUSE_OIDC_CLIENT_SECRET_FILE can't be read", reason=type(error).__name__)
        raise unusable(settings, "this server can't read the secret it has for it") from error


def unusable(settings: Settings, why: str) -> PackhouseError:
    """The refusal where the provider, or the way to it, is at fault: nothing that the person did."""
    _log.warning("single sign-on failed", issuer=settings.oidc_issuer, reason=why)
    message = f"Signing in by {settings.oidc_name} doesn't work now: {why}; try again later or tell the administrator."
    return refuse(Kind.CONFLICT, "sso-unusable", message)


def refused(settings: Settings, why: str) -> PackhouseError:
    """The refusal of an answer that doesn't prove what it should."""
    _log.warning("single sign-on refused", issuer=settings.oidc_issuer, reason=why)
    message = f"The answer of {settings.oidc_name} was refused: {why}; sign in again from the sign-in page."
    return refuse(Kind.FORBIDDEN, "sso-refused", message)


def discover(settings: Settings) -> Provider:
    """The provider, by its own document; raises CONFLICT when it can't be had or is of another."""
    issuer = settings.oidc_issuer or ""
    found = rules.read_provider(_fetched(settings, rules.document_address(issuer)), issuer)
    if isinstance(found, str):
        raise unusable(settings, found)
    return found


def _fetched(settings: Settings, address: str, bearer: str | None = None) -> dict[str, Any]:
    try:
        return fetch_document(address, bearer)
    except UnreachableError as error:
        raise unusable(settings, f"it could not be reached ({error})") from error
    except UnusableError as error:
        raise unusable(settings, f"what it answered can't be used ({error})") from error


def exchange(settings: Settings, provider: Provider, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
    """The tokens for a code (RFC 6749 section 4.1.3, with the verifier of RFC 7636)."""
    secret, client = client_secret(settings), settings.oidc_client_id or ""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    basic = (client, secret) if secret and provider.basic else None
    if basic is None:
        form |= {"client_id": client} | ({"client_secret": secret} if secret else {})
    try:
        return fetch_token(provider.token, form, basic)
    except UnreachableError as error:
        raise unusable(settings, f"it could not be reached ({error})") from error
    except UnusableError as error:
        raise refused(settings, f"it gave no token for the code ({error})") from error


def claims_of(settings: Settings, provider: Provider, tokens: dict[str, Any], nonce: str) -> dict[str, Any]:
    """Who signed in: the claims of the ID token, with those of the user information it lacks."""
    claims = _verified(settings, provider, tokens.get("id_token"))
    if not rules.is_for_us(claims, settings.oidc_client_id or ""):
        raise refused(settings, "its ID token is for somebody else")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise refused(settings, "its ID token belongs to another sign-in")
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= rules.LONGEST_SUBJECT or not subject.isprintable():
        raise refused(settings, "its ID token names nobody")
    missing = settings.oidc_groups_claim not in claims or "email" not in claims
    access = tokens.get("access_token")
    if missing and provider.userinfo and isinstance(access, str) and access.isascii() and access.isprintable():
        more = _fetched(settings, provider.userinfo, access)
        if more.get("sub") != subject:
            raise refused(settings, "its user information is of somebody else")
        claims = more | claims
    return claims


def _verified(settings: Settings, provider: Provider, token: object) -> dict[str, Any]:
    """The claims of a token that is signed by the provider and good now."""
    if not isinstance(token, str):
        raise refused(settings, "there is no ID token in it")
    try:
        header = jwt.get_unverified_header(token)
        key = _key_of(header, _fetched(settings, provider.keys).get("keys"))
        if key is None:
            raise refused(settings, "its ID token is signed by a key that is not the provider's")
        return jwt.decode(
            token,
            key,
            algorithms=[header["alg"]],
            issuer=provider.issuer,
            leeway=LEEWAY,
            options={"require": ["iss", "sub", "aud", "exp", "iat"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError as error:
        raise refused(settings, "its ID token has run out") from error
    except jwt.InvalidIssuerError as error:
        raise refused(settings, "its ID token is of another issuer") from error
    except jwt.InvalidSignatureError as error:
        raise refused(settings, "the signature of its ID token is wrong") from error
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise refused(settings, f"its ID token can't be read ({type(error).__name__})") from error


def _key_of(header: dict[str, Any], keys: object) -> jwt.PyJWK | None:
    """The provider's key that a token says it is signed with, for an algorithm with a public key."""
    if header.get("alg") not in rules.ALGORITHMS or not isinstance(keys, list) or len(keys) > rules.MOST_KEYS:
        return None
    usable = [key for key in keys if isinstance(key, dict) and _signs(key, header["alg"])]
    named = [key for key in usable if key.get("kid") == header.get("kid")]
    chosen = named or (usable if "kid" not in header and len(usable) == 1 else [])
    return jwt.PyJWK(chosen[0], algorithm=header["alg"]) if chosen else None


def _signs(key: dict[str, Any], algorithm: str) -> bool:
    kinds = {"R": "RSA", "P": "RSA", "E": "EC"}
    kind = "OKP" if algorithm == "EdDSA" else kinds[algorithm[0]]
    return key.get("kty") == kind and key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm
