# SPDX-License-Identifier: Apache-2.0
"""Asking a service of leaked passwords about one of them, without telling it which (k-anonymity by ranges of hashes).

The service is told the first five of the forty hexadecimal digits of the password's SHA-1 and answers with the other
35 of all it knows that begin so, `REST:COUNT` a line; a count of 0 is padding, which keeps the size of an answer from
telling what was asked.
"""

from __future__ import annotations

import hashlib

from packhouse.domain.reach import Reach
from packhouse.upstream.asking import Answered, Asker
from packhouse.upstream.errors import UnusableError

SECONDS = 3.0
"""How long somebody waits for the service, at most."""
MOST_BYTES = 1024 * 1024
_TOLD = 5  # digits


def is_breached(service: str, password: str, *, seconds: float = SECONDS) -> bool:
    """Whether the service (its address, with a slash at the end) has this password in its lists.

    Raises UnreachableError when it did not answer in time, UnusableError when the answer is none.
    """
    told, rest = _split(password)
    asker = Asker(Reach(service), first_byte=seconds, idle=seconds)
    try:
        with asker.ask(f"{service}{told}", _HEADERS, seconds=seconds) as answered:
            return rest in _listed(_read(answered))
    finally:
        asker.close()


_HEADERS = {"Accept": "text/plain", "Accept-Encoding": "identity", "Add-Padding": "true"}


def _split(password: str) -> tuple[str, str]:
    digest = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()
    return digest[:_TOLD], digest[_TOLD:]


def _read(answered: Answered) -> str:
    if answered.status != 200:
        raise UnusableError(f"status {answered.status}")
    body = bytearray()
    for piece in answered.body:
        body += piece
        if len(body) > MOST_BYTES:
            raise UnusableError(f"more than {MOST_BYTES} bytes")
    return body.decode("ascii", "replace")


def _listed(answer: str) -> set[str]:
    """The rests of hashes in an answer, without padding."""
    found = set()
    for line in answer.splitlines():
        rest, colon, count = line.strip().partition(":")
        if not colon or not count.isdigit():
            raise UnusableError("lines that are not REST:COUNT")
        if int(count[:9]):
            found.add(rest.upper())
    return found
