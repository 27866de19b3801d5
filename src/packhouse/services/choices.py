# SPDX-License-Identifier: Apache-2.0
"""What administrators choose for the whole server, in the browser or by command: rows that settings may overrule."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from packhouse.catalogue.models import ServerChoice
from packhouse.errors import Kind, refuse

MAX_REASON = 500


def chosen(*names: str) -> dict[str, Any]:
    """What was chosen, by name; without those that were not."""
    return dict(ServerChoice.objects.filter(name__in=names).values_list("name", "value"))


def put(name: str, value: Any, at: datetime) -> None:
    """Keep a choice, within the transaction that journals it; None forgets it."""
    if value is None:
        ServerChoice.objects.filter(name=name).delete()
    else:
        ServerChoice.objects.update_or_create(name=name, defaults={"value": value, "since": at})


def read_reason(reason: str) -> str:
    """A reason as it is kept, in one line; raises INVALID for one that is too long or not printable."""
    why = " ".join(reason.split())
    if len(why) > MAX_REASON or not (why.isprintable() or not why):
        message = f"The reason has {len(why)} characters, expected at most {MAX_REASON} printable ones; shorten it."
        raise refuse(Kind.INVALID, "reason-invalid", message, "reason")
    return why
