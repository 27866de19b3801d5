# SPDX-License-Identifier: Apache-2.0
"""An OpenID provider on this machine: real keys, real signatures, and every fault that a provider may have.

`signs_in` says who is at its keyboard; `wrong` holds what is to be wrong, by name (see `Faults`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.infra.running import Host, running

CLIENT, SECRET = "packhouse", "a canary of a secret"
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = ec.generate_private_key(ec.SECP256R1())
_ED = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, tuple[Any, Any]] = {
    "RS256": (_RSA, jwt.algorithms.RSAAlgorithm),
    "PS256": (_RSA, jwt.algorithms.RSAAlgorithm),
    "ES256": (_EC, jwt.algorithms.ECAlgorithm),
    "EdDSA": (_ED, jwt.algorithms.OKPAlgorithm),
}


@dataclass
class Faults:
    """What is to be wrong; all right by default."""

    claims: dict[str, Any] = field(default_factory=dict)  # put into the ID token; None takes one out
    document: dict[str, Any] = field(default_factory=dict)  # the same of the provider's document
    bodies: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # path: status and body instead of its own
    token: str | None = None  # instead of the ID token
    key: Any = None  # signs instead of its own
    kid: str | None = None
    userinfo: dict[str, Any] | None = None


class Issuer(Host):
    """On a free port of 127.0.0.1; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.url = f"http://127.0.0.1:{self.port}"
        self.person: dict[str, Any] = {"sub": "248289761001"}
        self.algorithm = "RS256"
        self.wrong = Faults()
        self.asked: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self._codes: dict[str, dict[str, str]] = {}

    def signs_in(self, sub: str = "248289761001", **claims: Any) -> None:
        """Say who is at its keyboard, and what it says of them."""
        self.person = {"sub": sub, **claims}

    def authorize(self, address: str, **more: str) -> str:
        """What a browser meets that follows `address`: the way back, with a code for it."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], **more})}"

    def id_token(self, asked: dict[str, str]) -> str:
        """The signed ID token for who is at the keyboard."""
        if self.wrong.token is not None:
            return self.wrong.token
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"], **self.person}
        claims = {name: value for name, value in (claims | self.wrong.claims).items() if value is not None}
        key = self.wrong.key or KEYS[self.algorithm][0]
        return jwt.encode(claims, key, self.algorithm, headers={"kid": self.wrong.kid or self.algorithm})

    def document(self) -> dict[str, Any]:
        """What it says of itself."""
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        names |= {"userinfo_endpoint": "userinfo", "end_session_endpoint": "end"}
        own = {"issuer": self.url} | {name: f"{self.url}/{path}" for name, path in names.items()}
        return {name: value for name, value in (own | self.wrong.document).items() if value is not None}

    def keys(self) -> dict[str, Any]:
        """Its public keys."""
        return {
            "keys": [
                {**json.loads(kind.to_jwk(key.public_key())), "kid": name, "use": "sig", "alg": name}
                for name, (key, kind) in KEYS.items()
            ]
        }

    def redeem(self, form: dict[str, str], credentials: str) -> tuple[int, dict[str, Any]]:
        """Its token endpoint: a code once, by the client, with the verifier of the challenge."""
        asked = self._codes.pop(form.get("code", ""), None)
        given = base64.b64decode(credentials.removeprefix("Basic ")).decode() if credentials else ""
        if given != f"{CLIENT}:{SECRET}":
            return 401, {"error": "invalid_client"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or asked["redirect_uri"] != form["redirect_uri"] or asked.get("code_challenge") != challenge:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "canary-access", "token_type": "Bearer", "id_token": self.id_token(asked)}


OTHER_KEY = _OTHER


class _Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer({name: values[0] for name, values in parse_qs(body).items()})

    def _answer(self, form: dict[str, str]) -> None:
        path, issuer = urlsplit(self.path).path, self.server
        issuer.asked.append((self.command, path, form, {n.lower(): v for n, v in self.headers.items()}))
        if path in issuer.wrong.bodies:
            self._send(*issuer.wrong.bodies[path])
            return
        if path == "/authorize":  # whoever is at its keyboard signs in at once
            self._send(302, b"", ("Location", issuer.authorize(self.path)))
            return
        found: tuple[int, Any] = 404, {}
        if path == "/.well-known/openid-configuration":
            found = 200, issuer.document()
        elif path == "/keys":
            found = 200, issuer.keys()
        elif path == "/token":
            found = issuer.redeem(form, self.headers.get("Authorization", ""))
        elif path == "/userinfo":
            found = 200, issuer.wrong.userinfo or issuer.person
        self._send(found[0], json.dumps(found[1]).encode())

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def oidc_issuer() -> Iterator[Issuer]:
    """A provider that runs as long as the block."""
    with running(Issuer()) as issuer:
        yield issuer
