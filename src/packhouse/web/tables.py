# SPDX-License-Identifier: Apache-2.0
"""Tables people scan: sorted, narrowed and paged by links, and downloaded whole as CSV or JSON. No script is needed.

A table is told its columns once. Several may stand on one page: each has parameters of its own, that begin with its
name (`files=-size`, `files-show=wheel`, `files-page=2`), and its links lead back to its section.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from django.core.paginator import Page, Paginator
from django.http import HttpResponse, QueryDict

from packhouse.errors import Kind, refuse

Row = dict[str, Any]
PER_PAGE = 100
FORMATS = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With one of these at its beginning a cell is run as a formula by spreadsheets."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in addresses and downloads, and how it sorts (None: it doesn't)."""

    key: str
    order: Callable[[Row], Any] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to narrow a table: its name in addresses, what people read, and which rows stay."""

    key: str
    label: str
    keeps: Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Table:
    """What is known of a table before it has rows."""

    name: str
    columns: tuple[Column, ...]
    choices: tuple[Choice, ...] = ()
    per_page: int = PER_PAGE

    def show(self, rows: Sequence[Row], query: QueryDict) -> Shown:
        """The page of rows that a request's query asks for; what makes no sense in it is passed over."""
        kept = [c for c in self.choices if c.key == query.get(f"{self.name}-show")]
        wanted = query.get(self.name, "")
        narrowed = [row for row in rows if kept[0].keeps(row)] if kept else list(rows)
        ordered = self._ordered(narrowed, wanted)
        page = Paginator(ordered, self.per_page).get_page(query.get(f"{self.name}-page", "1"))
        shown = Shown(self.name, page, len(rows), wanted, query)
        shown.links.extend(self._links(rows, kept[0].key if kept else "", shown))
        return shown

    def _ordered(self, rows: list[Row], wanted: str) -> list[Row]:
        for column in self.columns:
            if column.key == wanted.removeprefix("-") and column.order is not None:
                return sorted(rows, key=column.order, reverse=wanted.startswith("-"))
        return rows

    def _links(self, rows: Sequence[Row], chosen: str, shown: Shown) -> Iterable[Row]:
        """The ways to narrow it that leave some rows out, if there are any, and before them all of it."""
        counted = [(choice, sum(map(choice.keeps, rows))) for choice in self.choices]
        useful = [(c, count) for c, count in counted if 0 < count < len(rows) or c.key == chosen]
        if useful:
            yield {"label": "All", "count": len(rows), "url": shown.narrowed_to(""), "chosen": not chosen}
        for choice, count in useful:
            url = shown.narrowed_to(choice.key)
            yield {"label": choice.label, "count": count, "url": url, "chosen": choice.key == chosen}

    def download(self, rows: Iterable[Row], form: str, filename: str) -> HttpResponse:
        """All rows as `csv` or `json`, as a file to keep; MISSING for another form."""
        if form not in FORMATS:
            raise refuse(Kind.MISSING, "form-unknown", f"There is no {form[:20]!r} of this; ask for csv or json.")
        picked = [{column.key: _plain(row.get(column.key)) for column in self.columns} for row in rows]
        body = _csv([c.key for c in self.columns], picked) if form == "csv" else orjson.dumps(picked) + b"\n"
        named = f'attachment; filename="{filename}.{form}"'
        return HttpResponse(body, content_type=FORMATS[form], headers={"Content-Disposition": named})


@dataclass(frozen=True, slots=True)
class Shown:
    """What a template shows of a table: one page of rows, and links to the others."""

    name: str
    page: Page[Row]
    total: int
    sort: str
    query: QueryDict
    links: list[Row] = field(default_factory=list)

    def __len__(self) -> int:
        """Rows of all pages, before any was left out."""
        return self.total

    def sorted_by(self, key: str) -> str:
        """The address for a column: ascending, and descending when it is so already."""
        return self._address({self.name: f"-{key}" if self.sort == key else key, f"{self.name}-page": ""})

    def narrowed_to(self, key: str) -> str:
        """The address for one of the choices ("" for all)."""
        return self._address({f"{self.name}-show": key, f"{self.name}-page": ""})

    def page_query(self) -> str:
        """The query of this table's pages but for their number."""
        return self._changed({f"{self.name}-page": ""}).urlencode()

    def direction(self, key: str) -> str:
        """How it is sorted by a column, in ARIA's words; "" when it is not."""
        return {key: "ascending", f"-{key}": "descending"}.get(self.sort, "")

    def _address(self, changes: dict[str, str]) -> str:
        return f"?{self._changed(changes).urlencode()}#{self.name}"

    def _changed(self, changes: dict[str, str]) -> QueryDict:
        query = self.query.copy()
        for key, value in changes.items():
            query.pop(key, None)
            if value:
                query[key] = value
        return query


def _plain(value: Any) -> Any:
    """A value as a download says it: moments in UTC and ISO 8601, lists in one cell."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return list(value) if isinstance(value, list | tuple) else value


def _csv(keys: list[str], rows: Iterable[Row]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(keys)
    writer.writerows([_cell(row[key]) for key in keys] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    """A cell's text; what a spreadsheet would run as a formula is quoted with an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int) else text
