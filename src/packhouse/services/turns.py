# SPDX-License-Identifier: Apache-2.0
"""When the jobs of the schedule were begun last, for all servers on one database: each is begun once for each time.

That one server works at a time is seen to by a lock; what is kept here lets the next one go on where it was, and
holds even for a moment in which two believe to have the lock.
"""

from __future__ import annotations

from datetime import datetime

from packhouse.catalogue.activity.models import JobRun


def last(name: str, never: datetime) -> datetime:
    """When a job was begun last; one that never was is noted as begun at `never`."""
    run, _ = JobRun.objects.get_or_create(name=name, defaults={"at": never})
    return run.at


def claim(name: str, seen: datetime, now: datetime) -> bool:
    """Begin a job that was begun at `seen`; False when another has begun it since."""
    return bool(JobRun.objects.filter(name=name, at=seen).update(at=now))
