# SPDX-License-Identifier: Apache-2.0
"""Looking things up in the journal: by kind, person, project, index, and from a serial on; newest first."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from packhouse.catalogue.models import JournalEntry
from packhouse.domain.names import is_valid_name, normalize


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is looked for; "" and 0 for anything. `who` did it or had it done to them; `before` is a serial."""

    kind: str = ""
    who: str = ""
    project: str = ""
    index: str = ""
    before: int = 0


def entries(inquiry: Inquiry) -> QuerySet[JournalEntry]:
    """The entries, newest first; to be cut off by who asks."""
    rows = JournalEntry.objects.order_by("-serial")
    if inquiry.kind:
        rows = rows.filter(kind=inquiry.kind)
    if inquiry.who:
        rows = rows.filter(Q(actor__iexact=inquiry.who) | Q(detail__user__iexact=inquiry.who))
    if inquiry.project:
        rows = rows.filter(project=normalize(inquiry.project) if is_valid_name(inquiry.project) else "-")
    if inquiry.index:
        rows = rows.filter(index_name=inquiry.index)
    return rows.filter(serial__lt=inquiry.before) if inquiry.before else rows
