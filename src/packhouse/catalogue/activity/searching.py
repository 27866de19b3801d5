# SPDX-License-Identifier: Apache-2.0
"""Searching the documents: one interface, one form for each database.

Words come as `domain.searching.words_of` made them: letters and digits alone, so that nothing a person typed is
ever syntax of a full-text query.
"""

# ruff: noqa: S608 - statements are put together of our own words; what people typed is always a parameter
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import connections

ALIAS = "activity"
FACETS = 200
"""Classifiers counted for one search."""
MOST = 5000
"""Documents that are counted and put in order for one search: what finds more is narrowed (see `Question.scope`)."""
SCOPES = (0, 1, 2)
"""Where words are looked for: everywhere; in name, summary and keywords; in the name alone."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: in these indexes, with all of the words, with all of the classifiers.

    `name` is the project name the query would be ("" for none): that project comes first, then those it begins.
    """

    indexes: tuple[str, ...]
    words: tuple[str, ...]
    name: str = ""
    classifiers: tuple[str, ...] = ()
    scope: int = 0


class Finder(Protocol):
    """The full-text search of a database; ids are of `SearchDocument`."""

    def find(self, question: Question, limit: int, offset: int) -> list[int]:
        """The documents found, best first."""

    def count(self, question: Question) -> int:
        """How many are found; at most `MOST`."""

    def facets(self, question: Question) -> list[tuple[str, int]]:
        """The classifiers of what is found and how many documents have each, most first."""

    def similar(self, indexes: tuple[str, ...], typed: str, grams: Iterable[str], limit: int) -> list[int]:
        """Documents whose names share many trigrams with what was typed, nearest first."""


def finder() -> Finder:
    """The one for the database in use."""
    return _Postgresql() if connections[ALIAS].vendor == "postgresql" else _Sqlite()


def _rows(statement: str, values: list[Any]) -> list[Any]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _marks(values: Iterable[Any]) -> str:
    return ", ".join("%s" for _ in values)


class _Searching:
    """What both have: filters, and the order that names make."""

    matched = ""  # a condition with one parameter: the words
    best = ""  # an expression to sort by, best first

    def match(self, question: Question) -> str:
        """The words as this database's full-text query."""
        raise NotImplementedError

    def _where(self, question: Question) -> tuple[str, list[Any]]:
        conditions = [f"d.index_name IN ({_marks(question.indexes)})"]
        values: list[Any] = list(question.indexes)
        if question.words:
            conditions.append(self.matched)
            values.append(self.match(question))
        for classifier in question.classifiers:
            conditions.append("d.id IN (SELECT document_id FROM activity_searchclassifier WHERE classifier = %s)")
            values.append(classifier)
        return " AND ".join(conditions), values

    def _source(self, question: Question) -> str:
        return "activity_searchdocument d"

    def _order(self, question: Question) -> tuple[str, list[Any]]:
        if not question.words:
            return "d.released_at DESC, d.project", []
        values: list[Any] = [question.name, len(question.name), question.name]
        order = "(CASE WHEN d.project = %s THEN 0 WHEN substr(d.project, 1, %s) = %s THEN 1 ELSE 2 END)"
        return f"{order}, {self.best}, d.project", values

    def find(self, question: Question, limit: int, offset: int) -> list[int]:
        """See `Finder.find`."""
        where, values = self._where(question)
        order, sorting = self._order(question)
        statement = f"SELECT d.id FROM {self._source(question)} WHERE {where} ORDER BY {order} LIMIT %s OFFSET %s"
        return [row[0] for row in _rows(statement, [*values, *sorting, *self._rank(question), limit, offset])]

    def _rank(self, question: Question) -> list[Any]:
        """The parameters of `best`."""
        return []

    def count(self, question: Question) -> int:
        """See `Finder.count`."""
        where, values = self._where(question)
        found = f"SELECT d.id FROM {self._source(question)} WHERE {where} LIMIT {MOST}"
        return int(_rows(f"SELECT count(*) FROM ({found}) AS found", values)[0][0])

    def facets(self, question: Question) -> list[tuple[str, int]]:
        """See `Finder.facets`."""
        where, values = self._where(question)
        found = f"SELECT d.id FROM {self._source(question)} WHERE {where} LIMIT {MOST}"
        statement = f"""
            SELECT classifier, count(*) FROM activity_searchclassifier WHERE document_id IN ({found})
            GROUP BY classifier ORDER BY count(*) DESC, classifier LIMIT {FACETS}"""
        return [(classifier, int(number)) for classifier, number in _rows(statement, values)]


_COLUMNS = ("{name summary keywords description} :", "{name summary keywords} :", "{name} :")
_WEIGHTS = ("", "ABC", "A")


class _Sqlite(_Searching):
    """FTS5."""

    matched = "activity_searchtext MATCH %s"
    best = "bm25(activity_searchtext, 10.0, 4.0, 3.0, 1.0)"

    def match(self, question: Question) -> str:
        """Every word, each as the beginning of one."""
        words = " AND ".join(f'"{word}"*' for word in question.words)
        return f"{_COLUMNS[question.scope]} ({words})"

    def _source(self, question: Question) -> str:
        if not question.words:
            return "activity_searchdocument d"
        return "activity_searchtext JOIN activity_searchdocument d ON d.id = activity_searchtext.rowid"

    def similar(self, indexes: tuple[str, ...], typed: str, grams: Iterable[str], limit: int) -> list[int]:
        """See `Finder.similar`."""
        match = " OR ".join(f'"{gram}"' for gram in grams)
        if not match:
            return []
        statement = f"""
            SELECT d.id FROM activity_searchgrams JOIN activity_searchdocument d ON d.id = activity_searchgrams.rowid
            WHERE activity_searchgrams MATCH %s AND d.index_name IN ({_marks(indexes)})
            ORDER BY bm25(activity_searchgrams) LIMIT %s"""
        return [row[0] for row in _rows(statement, [match, *indexes, limit])]


class _Postgresql(_Searching):
    """tsvector, and trigrams compared by arrays, so that no extension is needed."""

    matched = "d.vector @@ to_tsquery('simple', %s)"
    best = "-ts_rank_cd(d.vector, to_tsquery('simple', %s))"

    def match(self, question: Question) -> str:
        """Every word, each as the beginning of one."""
        return " & ".join(f"'{word}':*{_WEIGHTS[question.scope]}" for word in question.words)

    def _rank(self, question: Question) -> list[Any]:
        return [self.match(question)] if question.words else []

    def similar(self, indexes: tuple[str, ...], typed: str, grams: Iterable[str], limit: int) -> list[int]:
        """See `Finder.similar`."""
        wanted = list(grams)
        if not wanted:
            return []
        query = " | ".join(f"'{gram}'" for gram in wanted)
        statement = f"""
            SELECT d.id FROM activity_searchdocument d
            WHERE d.gram_vector @@ to_tsquery('simple', %s) AND d.index_name IN ({_marks(indexes)})
            ORDER BY ts_rank(d.gram_vector, to_tsquery('simple', %s), 1) DESC LIMIT %s"""
        return [row[0] for row in _rows(statement, [query, *indexes, query, limit])]
