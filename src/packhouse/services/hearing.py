# SPDX-License-Identifier: Apache-2.0
"""Waiting, after a commit to PostgreSQL, until every process that answers readers has heard of it (docs/adr/0022).

So what was acknowledged is seen by the next request to any server, though none of them asks the database at each
request. A process that is gone is waited for until it can't believe any more that what it knows is current.
"""

from __future__ import annotations

import time
from contextlib import suppress

from django.db import Error, connection, transaction

from packhouse.catalogue.rows import fetch_one
from packhouse.storage.commits import COUNTERS, LEASE

_LONGEST_PAUSE = 0.02
_MOVED = f"SELECT ({COUNTERS}), EXISTS (SELECT 1 FROM activity.activity_listener)"  # noqa: S608 - a constant
_BEHIND = """
SELECT 1 FROM activity.activity_listener
WHERE seen < %s AND at > clock_timestamp() - make_interval(secs => %s) LIMIT 1
"""


def wait_after_commit() -> None:
    """Have this transaction's commit wait until all have heard of it; on SQLite all see it in shared memory."""
    if connection.vendor == "postgresql" and not any(entry[1] is _wait for entry in connection.run_on_commit):
        transaction.on_commit(_wait)


def _wait() -> None:
    """Return when every living listener knows the counters as they are now; in any case after `LEASE` seconds."""
    end, pause = time.monotonic() + LEASE, 0.001
    with suppress(Error):  # it is committed, whatever happens now
        moved, listened = fetch_one(_MOVED)
        while listened and fetch_one(_BEHIND, moved, LEASE) is not None and time.monotonic() < end:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return
    time.sleep(max(0.0, end - time.monotonic()))
