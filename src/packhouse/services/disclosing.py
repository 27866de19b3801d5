# SPDX-License-Identifier: Apache-2.0
"""Tokens that a secret scanner found published: its signed report is verified, the tokens end, their owners are told.

The report is a JSON list of objects with `token`, `type` and `url` (and `source`), signed with ECDSA over SHA-256, as
the public index takes it. The keys are the document of the scanner's key service, kept in a file that a setting names:
`{"public_keys": [{"key_identifier": ..., "key": <PEM>, "is_current": true}]}`.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.db.models import Q

from packhouse.catalogue.models import Token
from packhouse.domain.wording import without_controls
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.access import digest_of, is_token
from packhouse.services.journal import Actor, Clock, write
from packhouse.services.tokens import end_tokens

MAX_BODY = 1024 * 1024
"""Bytes of a report."""
MAX_RECORDS = 1000
MAX_URL = 500
SCANNER = Actor(via="secret scanner")
HOW = "disclosed"
"""What the journal's detail says of how such a token ended."""


def verify(keys: Path, identifier: str, signature: str, body: bytes) -> None:
    """Raise INVALID unless the body is signed by the key of this identifier, which is one the scanner uses now.

    Raises UNAVAILABLE when the file of keys can't be read.
    """
    key = _read_keys(keys).get(identifier)
    if key is None:
        message = f"The key {identifier[:80]!r} is none that this server knows; its administrator may get the new ones."
        raise refuse(Kind.INVALID, "disclosure-key-unknown", message)
    try:
        key.verify(base64.b64decode(signature, validate=True), body, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError) as error:
        message = "The signature is not that of this body by this key; sign the body's very bytes (ECDSA, SHA-256)."
        raise refuse(Kind.INVALID, "disclosure-signature", message) from error


def _read_keys(path: Path) -> dict[str, EllipticCurvePublicKey]:
    try:
        listed = orjson.loads(path.read_bytes())["public_keys"]
        return {str(one["key_identifier"]): _key(one["key"]) for one in listed if one.get("is_current", True)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
        message = "The file of PACKHOUSE_DISCLOSURE_KEYS can't be read as a list of public keys; see the documentation."
        raise refuse(Kind.UNAVAILABLE, "disclosure-keys-unreadable", message) from error


def _key(pem: str) -> EllipticCurvePublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError("not a key of an elliptic curve")
    return key


def read_report(body: bytes) -> dict[str, str]:
    """The sha256 of each token of ours that a report names, and where it was found; other secrets are passed over.

    Raises INVALID for what is no list of at most `MAX_RECORDS` objects.
    """
    try:
        records = orjson.loads(body)
    except ValueError as error:
        raise _no_report("it is not JSON") from error
    if not isinstance(records, list) or len(records) > MAX_RECORDS:
        raise _no_report(f"it is not a list of at most {MAX_RECORDS} objects")
    found = {}
    for record in records:
        token = record.get("token") if isinstance(record, dict) else None
        if isinstance(token, str) and is_token(token.strip()):
            found[digest_of(token.strip())] = _place(record.get("url"))
    return found


def _place(url: Any) -> str:
    """Where a token was found, fit to be shown as text."""
    return " ".join(without_controls(url).split())[:MAX_URL] if isinstance(url, str) else ""


def _no_report(why: str) -> PackhouseError:
    message = f"The body is no report of secrets: {why}; send a list of objects with token, type and url."
    return refuse(Kind.INVALID, "disclosure-unreadable", message)


def disclose(body: bytes, scanner: str, *, clock: Clock) -> int:
    """End the living tokens that a verified report names, by whichever secret is good now; returns how many."""
    ended = 0
    found = read_report(body)
    with write():
        for digest, url in found.items():
            good = Q(digest=digest) | Q(old_digest=digest, old_until__gt=clock())
            ended += end_tokens(SCANNER, Token.objects.filter(good), clock=clock, how=HOW, url=url, by=scanner)
    return ended
