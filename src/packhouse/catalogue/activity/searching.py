# SPDX-License-Identifier: Apache-2.0
"""Searching the documents: one interface, one form for each database.

Words come as `domain.searching.words_of` made them: letters and digits alone, so that nothing a person typed is
ever syntax of a full-text query. Whatever is asked, and however many documents there are, a bounded number of them is
looked at: each place in which words may be (the name, the short texts, all texts) gives its newest documents.
"""

# ruff: noqa: S608 - statements are put together of our own words; what people typed is always a parameter
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import connections

from packhouse.domain.searching import classifier_mark, index_mark

ALIAS = "activity"
FACETS = 200
"""Classifiers counted for one search."""
MOST = 200
"""Documents that are put in order for one search; of what has more, the newest."""
BEGINNING = 60
"""Names that begin with what was typed."""
NAMED = 100
"""Documents that have the words in their names."""
SUMMED_UP = 120
"""The same for name, summary and keywords; for all texts `MOST`."""
SPELLINGS = 16
"""Words that the beginning of one stands for in a text."""
BEGINS = 3
"""Letters from which on a word may be the beginning of one in a text."""
NAME, SHORT, LONG = range(3)
"""Where words were found: in the name; in name, summary and keywords; anywhere."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: in these indexes, with all of the words, with all of the classifiers.

    `name` is the project name the query would be ("" for none).
    """

    indexes: tuple[str, ...]
    words: tuple[str, ...]
    name: str = ""
    classifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that may be shown; `part` is `NAME`, `SHORT` or `LONG`."""

    document: int
    project: str
    part: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """What may be shown, at most `MOST` of each part; `more`: there are others."""

    candidates: list[Candidate]
    more: bool


class Finder(Protocol):
    """The full-text search of a database; ids are of `SearchDocument`."""

    def gather(self, question: Question) -> Gathered:
        """What has all that is asked, found by name first, a document once; without words the newest first."""

    def with_classifiers(self, question: Question, limit: int) -> list[int]:
        """The newest documents with all classifiers of a question, its words left aside."""

    def facets(self, documents: Sequence[int]) -> list[tuple[str, int]]:
        """The classifiers of these documents and how many of them have each, most first."""

    def near(self, indexes: tuple[str, ...], grams: Iterable[Iterable[str]], limit: int) -> list[int]:
        """Documents whose names have all grams of one of the lists; the newest."""


def finder() -> Finder:
    """The one for the database in use."""
    return _Postgresql() if connections[ALIAS].vendor == "postgresql" else _Sqlite()


def _rows(statement: str, values: list[Any]) -> list[Any]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _marks(values: Iterable[Any]) -> str:
    return ", ".join("%s" for _ in values)


@dataclass(frozen=True, slots=True)
class _Source:
    """A statement that gives ids of documents, with its values."""

    statement: str
    values: list[Any]
    part: int = NAME


class _Searching:
    """What both have: how candidates are gathered."""

    begins = "d.project >= %s AND d.project < %s"

    def gather(self, question: Question) -> Gathered:
        """See `Finder.gather`."""
        if not question.words and not question.classifiers:
            return self._newest(question.indexes)
        sources = [*self._beginning(question), *self._having(question)]
        found = " UNION ALL ".join(f"SELECT id, {one.part} AS part FROM ({one.statement}) AS s" for one in sources)
        order = "found.part" if question.words else "d.released_at DESC, d.project"
        rows = _rows(
            f"SELECT d.id, d.project, found.part FROM ({found}) AS found"
            f" JOIN activity_searchdocument d ON d.id = found.id ORDER BY {order}",
            [value for one in sources for value in one.values],
        )
        best: dict[int, Candidate] = {}
        for document, project, part in rows:
            best.setdefault(document, Candidate(document, project, part))
        return Gathered(list(best.values()), _are_more([(document, part) for document, _, part in rows]))

    def _newest(self, indexes: Sequence[str]) -> Gathered:
        """The newest of each index by its index, then the newest of all."""
        each = " UNION ALL ".join(
            "SELECT * FROM (SELECT d.id, d.project, d.released_at FROM activity_searchdocument d"
            f" WHERE d.index_name = %s ORDER BY d.released_at DESC LIMIT {MOST + 1}) AS s"
            for _ in indexes
        )
        statement = f"SELECT id, project FROM ({each}) AS newest ORDER BY released_at DESC, project LIMIT {MOST + 1}"
        found = [Candidate(document, project, NAME) for document, project in _rows(statement, list(indexes))]
        return Gathered(found[:MOST], len(found) > MOST)

    def _beginning(self, question: Question) -> list[_Source]:
        """Names that begin with what was typed; with classifiers that name alone."""
        if not question.name:
            return []
        if question.classifiers:
            condition, values = "d.project = %s", [question.name]
            for classifier in question.classifiers:
                condition += (
                    " AND EXISTS (SELECT 1 FROM activity_searchclassifier c"
                    " WHERE c.document_id = d.id AND c.classifier = %s)"
                )
                values.append(classifier)
        else:
            condition, values = self.begins, [question.name, f"{question.name}~"]  # after all letters of names
        statement = f"""
            SELECT d.id FROM activity_searchdocument d WHERE d.index_name = %s AND {condition}
            ORDER BY d.project LIMIT {BEGINNING}"""
        return [_Source(statement, [index, *values]) for index in question.indexes]

    def _having(self, question: Question) -> list[_Source]:
        """The newest documents that have the words, in each of the parts."""
        raise NotImplementedError

    def facets(self, documents: Sequence[int]) -> list[tuple[str, int]]:
        """See `Finder.facets`."""
        if not documents:
            return []
        statement = f"""
            SELECT classifier, count(*) FROM activity_searchclassifier WHERE document_id IN ({_marks(documents)})
            GROUP BY classifier ORDER BY count(*) DESC, classifier LIMIT {FACETS}"""
        return [(classifier, int(number)) for classifier, number in _rows(statement, list(documents))]


def _are_more(found: list[tuple[int, int]]) -> bool:
    """Whether a part came to its limit, so that there may be others: (document, part) of all that was found."""
    named = {document for document, part in found if part == NAME}
    anywhere = {document for document, part in found if part == LONG}
    return len(anywhere) > MOST or (len(named) >= BEGINNING and not named <= anywhere)


class _Sqlite(_Searching):
    """FTS5: one table for the names, with the beginnings of their words, one for short texts, one for all."""

    def _having(self, question: Question) -> list[_Source]:
        marks = self._filter(question)
        if not question.words:
            return [self._source(LONG, marks)]
        sources = []
        if all(word.isascii() for word in question.words):  # as names are
            sources.append(self._source(NAME, [*(f'"{word}"*' for word in question.words), *marks]))
        spelled = [self._spellings(word) for word in question.words]
        if all(spelled):
            words = [f"({' OR '.join(map(_quoted, words))})" for words in spelled]
            sources += [self._source(part, [*words, *marks]) for part in (SHORT, LONG)]
        return sources

    def _filter(self, question: Question) -> list[str]:
        indexes = " OR ".join(_quoted(index_mark(index)) for index in question.indexes)
        return [f"({indexes})", *(_quoted(classifier_mark(classifier)) for classifier in question.classifiers)]

    def _source(self, part: int, conditions: list[str], limit: int | None = None) -> _Source:
        table, most = _TABLES[part]
        statement = f"SELECT rowid AS id FROM {table} WHERE {table} MATCH %s ORDER BY rowid DESC LIMIT {limit or most}"
        return _Source(statement, [" AND ".join(conditions)], part)

    def _spellings(self, word: str) -> list[str]:
        """The words of texts that a typed one stands for: itself, and the first of those it begins.

        They are read from the full text, as its tokenizer made them; one that no text has is none.
        """
        end = f"{word}\U0010ffff" if len(word) >= BEGINS else word
        # From one word straight to the next, without passing over all places where it stands.
        statement = f"""
            WITH RECURSIVE spelled (term) AS (
                SELECT (SELECT term FROM activity_searchword WHERE term >= %s AND term <= %s LIMIT 1)
                UNION ALL
                SELECT (
                    SELECT term FROM activity_searchword
                    WHERE term >= spelled.term || char(1) AND term <= %s LIMIT 1
                ) FROM spelled WHERE spelled.term IS NOT NULL LIMIT {SPELLINGS}
            ) SELECT term FROM spelled WHERE term IS NOT NULL"""
        return [row[0] for row in _rows(statement, [word, end, end])]

    def with_classifiers(self, question: Question, limit: int) -> list[int]:
        """See `Finder.with_classifiers`."""
        found = self._source(LONG, self._filter(question), limit)
        return [row[0] for row in _rows(found.statement, found.values)]

    def near(self, indexes: tuple[str, ...], grams: Iterable[Iterable[str]], limit: int) -> list[int]:
        """See `Finder.near`."""
        match = " OR ".join(f"({' AND '.join(map(_quoted, one))})" for one in grams)
        if not match:
            return []
        statement = f"""
            SELECT d.id FROM activity_searchgrams JOIN activity_searchdocument d ON d.id = activity_searchgrams.rowid
            WHERE activity_searchgrams MATCH %s AND d.index_name IN ({_marks(indexes)})
            ORDER BY activity_searchgrams.rowid DESC LIMIT %s"""
        return [row[0] for row in _rows(statement, [match, *indexes, limit])]


_TABLES = {
    NAME: ("activity_searchname", NAMED),
    SHORT: ("activity_searchshort", SUMMED_UP),
    LONG: ("activity_searchtext", MOST + 1),
}


def _quoted(word: str) -> str:
    return f'"{word}"'


class _Postgresql(_Searching):
    """tsvector, and trigrams compared by arrays, so that no extension is needed."""

    begins = "d.project ~>=~ %s AND d.project ~<~ %s"  # whatever the collation

    def _having(self, question: Question) -> list[_Source]:
        if not question.words:
            return [self._source(question, None, LONG, MOST + 1)]
        return [
            self._source(question, self._match(question.words, "*A", "*A"), NAME, NAMED),
            self._source(question, self._match(question.words, "ABC", "*ABC"), SHORT, SUMMED_UP),
            self._source(question, self._match(question.words, "", "*"), LONG, MOST + 1),
        ]

    def _match(self, words: Iterable[str], whole: str, beginning: str) -> str:
        """Every word; a long one as the beginning of one."""
        kinds = [(word, beginning if len(word) >= BEGINS else whole) for word in words]
        return " & ".join(f"'{word}':{kind}" if kind else f"'{word}'" for word, kind in kinds)

    def _source(self, question: Question, match: str | None, part: int, limit: int) -> _Source:
        indexes = " | ".join(_lexeme(index_mark(index)) for index in question.indexes)
        marks = " & ".join([f"({indexes})", *(_lexeme(classifier_mark(one)) for one in question.classifiers)])
        query, values = "%s::tsquery", [marks]
        if match is not None:
            query, values = f"(to_tsquery('simple', %s) && {query})", [match, marks]
        # The inner limit has no order: the planner then never reads the whole table backwards for a rare word.
        statement = f"""
            SELECT id FROM (
                SELECT d.id FROM activity_searchdocument d WHERE d.vector @@ {query} LIMIT {_LOOKED_AT}
            ) AS looked_at ORDER BY id DESC LIMIT {limit}"""
        return _Source(statement, values, part)

    def with_classifiers(self, question: Question, limit: int) -> list[int]:
        """See `Finder.with_classifiers`."""
        found = self._source(question, None, LONG, limit)
        return [row[0] for row in _rows(found.statement, found.values)]

    def near(self, indexes: tuple[str, ...], grams: Iterable[Iterable[str]], limit: int) -> list[int]:
        """See `Finder.near`."""
        query = " | ".join(f"({' & '.join(map(_lexeme, one))})" for one in grams)
        if not query:
            return []
        statement = f"""
            SELECT d.id FROM activity_searchdocument d
            WHERE d.gram_vector @@ %s::tsquery AND d.index_name IN ({_marks(indexes)}) LIMIT %s"""
        return [row[0] for row in _rows(statement, [query, *indexes, limit])]


_LOOKED_AT = 2000
"""Documents of which PostgreSQL takes the newest."""


def _lexeme(word: str) -> str:
    return f"'{word}'"
