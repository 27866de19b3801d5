# SPDX-License-Identifier: Apache-2.0
"""Buckets of S3, GCS and Azure through one library, and what they say turned into our errors.

The library's threads do not survive a fork: a bucket is opened by the process that uses it, on first use.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from packhouse.errors import Kind, PackhouseError, refuse

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_log = logging.getLogger(__name__)

SCHEMES = ("s3://", "gs://", "az://")
RETRIES = 3
RETRY_SECONDS = 20
CONNECT_SECONDS = 5
READ_SECONDS = 30
"""A bucket that says nothing for so long is given up; a whole transfer may take as long as it moves."""


def is_bucket(address: str | None) -> bool:
    """Whether a setting for storage names a bucket."""
    return bool(address and address.startswith(SCHEMES))


class Bucket:
    """A bucket, or what lies below a prefix in it (`s3://bucket/prefix`); keys and endpoint come from the environment.

    The variables are those the makers' own tools read: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
    AWS_ENDPOINT_URL, GOOGLE_SERVICE_ACCOUNT, AZURE_STORAGE_ACCOUNT_NAME and so on.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._opened: tuple[int, ObjectStore] | None = None

    @property
    def store(self) -> ObjectStore:
        """The library's store, of this process. Raises PackhouseError (UNAVAILABLE) when it can't be set up."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), self._open())
        return self._opened[1]

    def _open(self) -> ObjectStore:
        from obstore.store import from_url

        special = {"checksum_algorithm": "SHA256"} if self.address.startswith("s3://") else {}
        client = {
            "allow_http": True,  # the endpoint's own address says which it is
            "timeout": "1 day",
            "connect_timeout": f"{CONNECT_SECONDS}s",
            "read_timeout": f"{READ_SECONDS}s",
        }
        retry = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
        with bucket_errors("setting up the bucket"):
            return from_url(self.address, client_options=client, retry_config=retry, **special)  # type: ignore[call-overload,no-any-return]


@contextmanager
def bucket_errors(doing: str) -> Iterator[None]:
    """Turn what a bucket says while `doing` something into ours (UNAVAILABLE), but for FileNotFoundError.

    The answer itself goes to the log alone: it may name keys and addresses.
    """
    from obstore import exceptions

    try:
        yield
    except PackhouseError:
        raise
    except FileNotFoundError:
        raise
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise _failed(doing, "it refuses these keys", error) from error
    except (exceptions.BaseError, OSError, ValueError) as error:
        raise _failed(doing, "it does not answer as it should", error) from error


def _failed(doing: str, why: str, error: Exception) -> PackhouseError:
    _log.warning("bucket, while %s: %s", doing, str(error).partition("\n")[0])
    message = f"The bucket failed while {doing} ({why}); see the server's log and try again."
    return refuse(Kind.UNAVAILABLE, "storage-failed", message)
