# SPDX-License-Identifier: Apache-2.0
"""What is asked of an OpenID provider: its documents, and a token for a code. Network without rules.

The provider was named by the administrator, so its address is not judged; how long and how much it may answer is.
Proxies and certificates of the environment (`HTTPS_PROXY`, `REQUESTS_CA_BUNDLE`) count.
"""

from __future__ import annotations

import json
import time
from typing import Any

import requests

from packhouse.upstream.errors import UnreachableError, UnusableError

SECONDS = 5.0
"""How long one step of an answer may take; all of it, twice that."""
MOST_BYTES = 1024 * 1024
_CHUNK = 16 * 1024


def fetch_document(url: str, bearer: str | None = None) -> dict[str, Any]:
    """A JSON object at an address; raises UnreachableError, UnusableError for anything else than 200 with one."""
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    return _ask("GET", url, headers=headers)


def fetch_token(url: str, form: dict[str, str], basic: tuple[str, str] | None) -> dict[str, Any]:
    """What the token endpoint gives for a code; raises as `fetch_document` does."""
    return _ask("POST", url, headers={"Accept": "application/json"}, data=form, auth=basic)


def _ask(method: str, url: str, **more: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 2 * SECONDS
    try:
        with (
            requests.Session() as session,
            session.request(method, url, timeout=SECONDS, stream=True, allow_redirects=False, **more) as reply,
        ):
            body = _read(reply, deadline)
            status = reply.status_code
    except (requests.RequestException, OSError, ValueError) as error:
        raise UnreachableError(f"no answer ({type(error).__name__})") from error
    if status >= 500:
        raise UnreachableError(f"status {status}")
    if status != 200:
        raise UnusableError(f"status {status}")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnusableError("no JSON") from error
    if not isinstance(found, dict):
        raise UnusableError("no JSON object")
    return found


def _read(reply: requests.Response, deadline: float) -> bytes:
    body = b""
    for chunk in reply.iter_content(_CHUNK):
        body += chunk
        if len(body) > MOST_BYTES:
            raise UnusableError(f"more than {MOST_BYTES} bytes")
        if time.monotonic() > deadline:
            raise UnreachableError("slower than 10 seconds")
    return body
