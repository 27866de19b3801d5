# SPDX-License-Identifier: Apache-2.0
"""What a bucket can do, tried with an object of our own: whether it may be used, and what is said of it at start.

Tried in a process of its own: the library's threads would not survive the fork of a server's workers.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.storage.buckets import Bucket, bucket_errors

SECONDS = 90
DATA = b"Packhouse tries what this bucket can do, and removes this object.\n"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What was tried; correctness rests on `failure` being empty alone. `conditional`: a second writer is refused."""

    failure: str = ""
    conditional: bool = False
    signs: bool = False

    @property
    def sentence(self) -> str:
        """What to tell an administrator."""
        if self.failure:
            return self.failure
        extras = [
            name for name, has in (("conditional writes", self.conditional), ("signed addresses", self.signs)) if has
        ]
        return f"it writes, reads, reads ranges, lists and deletes; beyond that: {', '.join(extras) or 'nothing'}"


def probe(address: str) -> Abilities:
    """Try the bucket at an address, in a process of its own."""
    command = [sys.executable, "-c", f"from {__name__} import main; main()", address]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Abilities(f"it did not answer within {SECONDS} seconds")
    try:
        return Abilities(**json.loads(done.stdout))
    except (ValueError, TypeError):
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return Abilities(f"it could not be tried ({last[:200]})")


def main() -> None:
    """Be that process: what was found goes to the standard output as JSON."""
    sys.stdout.write(json.dumps(asdict(_try(Bucket(sys.argv[1])))))


def demand_usable(address: str) -> Abilities:
    """What a bucket can do. Raises PackhouseError (UNAVAILABLE) when it can't keep files."""
    found = probe(address)
    if found.failure:
        message = (
            f"The bucket {address} can't be used: {found.failure}; look at its name, the endpoint and the keys in the"
            " environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...), and start again."
        )
        raise refuse(Kind.UNAVAILABLE, "bucket-unusable", message, "storage")
    return found


def _try(bucket: Bucket) -> Abilities:
    import obstore

    key = f"probe/{secrets.token_hex(8)}"
    doing = "opening"
    try:
        store = bucket.store
        for doing, attempt in (
            ("writing", lambda: obstore.put(store, key, DATA)),
            ("reading", lambda: _demand(bytes(obstore.get(store, key).bytes()) == DATA)),
            ("reading a range", lambda: _demand(bytes(obstore.get_range(store, key, start=10, end=20)) == DATA[10:20])),
            ("listing", lambda: _demand(any(obstore.list(store, "probe/").collect()))),
        ):
            with bucket_errors(doing):
                attempt()
        found = Abilities(conditional=_refuses_second(bucket, key), signs=_signs(bucket, key))
        doing = "deleting"
        with bucket_errors(doing):
            obstore.delete(store, key)
    except (PackhouseError, FileNotFoundError) as error:
        return Abilities(failure=_first_line(error, doing))
    return found


def _first_line(error: Exception, doing: str) -> str:
    cause = error.__cause__ if error.__cause__ is not None else error
    return f"{doing} failed ({str(cause).partition(chr(10))[0][:300]})"


def _demand(holds: bool) -> None:
    if not holds:
        raise ValueError("it gave something else than was written")


def _refuses_second(bucket: Bucket, key: str) -> bool:
    import obstore
    from obstore.exceptions import AlreadyExistsError, BaseError

    try:
        obstore.put(bucket.store, key, DATA, mode="create")
    except AlreadyExistsError:
        return True
    except BaseError:
        return False
    return False


def _signs(bucket: Bucket, key: str) -> bool:
    from obstore import sign
    from obstore.exceptions import BaseError

    try:
        sign(bucket.store, "GET", key, timedelta(seconds=60))  # type: ignore[call-overload]
    except (BaseError, TypeError, ValueError):
        return False
    return True
