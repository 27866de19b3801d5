# SPDX-License-Identifier: Apache-2.0
"""Search: documents made from the journal by a follower, and the finding of them.

A search sees what the index shows and nothing else: asking about an index one may not read is refused as reading
its pages is. A document is disposable; `rebuild` makes all of them again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from packhouse.catalogue import queries
from packhouse.catalogue.activity.models import JobPosition, SearchClassifier, SearchDocument
from packhouse.catalogue.activity.searching import ALIAS, MOST, Candidate, Finder, Question, finder
from packhouse.catalogue.models import Index, JournalEntry, Placement, Project
from packhouse.catalogue.outlines import Outline, OutlinedRelease, outlines, summaries
from packhouse.domain.permissions import Action, Identity, may
from packhouse.domain.project_json import FileFacts, ProjectFacts, latest_release
from packhouse.domain.searching import (
    classifier_mark,
    exact_name,
    grams,
    index_mark,
    near_grams,
    place_of,
    slips,
    spellings,
    words_of,
)
from packhouse.services import access, serving
from packhouse.services.indexes import indexes_below_all
from packhouse.services.journal import last_serial
from packhouse.services.resources import now

FOLLOWER = "search"
BATCH = 500
"""Journal entries read at once."""
SMALL_BATCH = 100
"""The same, while somebody waits for an answer."""
CATCH_UP_SECONDS = 2.0
"""How long a search may spend on reading the journal before it answers."""

PER_PAGE = 20
BROWSED = 5000
"""Projects that `browse` tells of."""
NEAR = 200
"""Names that are compared with what was typed."""
FEW = 3
"""Found projects below which names that are nearly the query are added."""
MAX_CLASSIFIERS = 10
_DESCRIPTION = 100_000  # characters of a README that are searched


@dataclass(frozen=True, slots=True)
class Hit:
    """A project found; `near`: only its name is nearly what was typed."""

    project: str
    display_name: str
    version: str
    summary: str
    released_at: datetime
    near: bool = False
    index: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what was found; `total` counts all pages, `facets` the projects of each classifier on them.

    `more`: there are others, which are not counted and on no page.
    """

    query: str
    classifiers: tuple[str, ...]
    hits: tuple[Hit, ...]
    total: int
    page: int
    pages: int
    facets: tuple[tuple[str, int], ...] = ()
    more: bool = False


def search(
    identity: Identity,
    index_name: str,
    query: str,
    classifiers: Iterable[str] = (),
    page: int = 1,
    per_page: int = PER_PAGE,
    *,
    at: datetime | None = None,
) -> Found:
    """Search an index as it serves at the moment `at` (now); no words and no classifiers find everything, newest first.

    Whatever is typed is text. Raises as reading the index would.
    """
    may(identity, Action.READ, index=access.index_right(identity, index_name)).demand()
    chosen = tuple(dict.fromkeys(c.replace("\x00", "") for c in classifiers))[:MAX_CLASSIFIERS]
    question = Question(
        indexes=tuple(sorted(indexes_below_all([index_name]))),
        words=tuple(words_of(query)),
        name=exact_name(query),
        classifiers=chosen,
    )
    return _answer(question, query, page, per_page, _Sieve(index_name, at or now()))


def browse(index_name: str, classifiers: Iterable[str], at: datetime | None = None) -> list[tuple[str, str]]:
    """(display name, version) of the newest releases with all of these classifiers, by name, at most `BROWSED`.

    For askers who may read the index. Without classifiers nothing is found.
    """
    chosen = tuple(dict.fromkeys(c.replace("\x00", "") for c in classifiers))[:MAX_CLASSIFIERS]
    if not chosen:
        return []
    follow()
    indexes = tuple(sorted(indexes_below_all([index_name])))
    found = _hits(
        finder().with_classifiers(Question(indexes, (), classifiers=chosen), BROWSED), _Sieve(index_name, at or now())
    )
    return sorted((hit.display_name, hit.version) for hit in found)


class _Sieve:
    """Lets through what an index serves of what was found; where no rule can hide anything, all of it, unasked."""

    def __init__(self, index_name: str, at: datetime) -> None:
        self._index = index_name
        self._at = at
        self._silent = not serving.has_policy(index_name)

    def documents(self, ids: list[int]) -> list[int]:
        """Those of these documents that are of projects of which a release is served, in the same order."""
        if self._silent:
            return ids
        rows = {row.pk: row for row in SearchDocument.objects.filter(pk__in=ids).only("pk", "project", "index_name")}
        known = outlines(self._index, {row.project for row in rows.values()}, self._at)
        return [pk for pk in ids if pk in rows and _shows(known.get(rows[pk].project), rows[pk].index_name)]

    def hits(self, hits: list[Hit]) -> list[Hit]:
        """These hits with the latest release that is served of each; those of which none is are left out."""
        if self._silent:
            return hits
        known = outlines(self._index, {hit.project for hit in hits}, self._at)
        shown = [(hit, known[hit.project]) for hit in hits if _shows(known.get(hit.project), hit.index)]
        told = summaries(outline.latest for _, outline in shown if outline.latest is not None)
        return [_hit_of(hit, outline.latest, told) for hit, outline in shown if outline.latest is not None]


def _shows(outline: Outline | None, index_name: str) -> bool:
    """Whether what was found in an index is what answers, and a release of it is served."""
    return outline is not None and outline.index == index_name and outline.latest is not None


def _hit_of(hit: Hit, latest: OutlinedRelease, told: dict[int, str]) -> Hit:
    if latest.version == hit.version:
        return hit
    return replace(hit, version=latest.version, summary=told[latest.first], released_at=latest.released_at)


def _answer(question: Question, query: str, page: int, per_page: int, sieve: _Sieve) -> Found:
    engine = finder()
    found = engine.gather(question)
    documents = sieve.documents([one.document for one in _ordered(question, found.candidates)[:MOST]])
    pages = max(1, math.ceil(len(documents) / per_page))
    wanted = max(1, min(page, pages))
    hits, total = _hits(documents[(wanted - 1) * per_page : wanted * per_page], sieve), len(documents)
    if total < FEW and question.words and not question.classifiers:
        near = sieve.hits(_near(engine, question, {hit.project for hit in hits}))
        hits, total = [*hits, *near], total + len(near)
    facets = tuple(engine.facets(documents))
    return Found(query, question.classifiers, tuple(hits), total, wanted, pages, facets, found.more)


def _ordered(question: Question, found: list[Candidate]) -> list[Candidate]:
    """Best first, the newer of equals; as they are, newest first, when no words were asked for."""
    if not question.words:
        return found
    name, words = question.name, question.words
    return sorted(found, key=lambda one: (*place_of(name, words, one.project, one.part), -one.document))


def _hits(ids: list[int], sieve: _Sieve) -> list[Hit]:
    rows = SearchDocument.objects.defer("description").in_bulk(ids)
    return sieve.hits([_hit(rows[pk]) for pk in ids if pk in rows])


def _hit(row: SearchDocument, *, near: bool = False) -> Hit:
    return Hit(row.project, row.display_name, row.version, row.summary, row.released_at, near, row.index_name)


def _near(engine: Finder, question: Question, known: set[str]) -> list[Hit]:
    """Projects whose names are a slip from what was typed, or else two, nearest first."""
    typed = question.name
    for distance in (1, 2):
        found = engine.near(question.indexes, near_grams(typed, distance), NEAR)
        rows = SearchDocument.objects.defer("description").in_bulk(found)
        distances = {pk: slips(typed, row.project) for pk, row in rows.items() if row.project not in known}
        near = sorted((distance, rows[pk].project, pk) for pk, distance in distances.items() if distance is not None)
        if near:
            return [_hit(rows[pk], near=True) for _, _, pk in near[:PER_PAGE]]
    return []


def catch_up(seconds: float = CATCH_UP_SECONDS) -> None:
    """Bring the documents up to the journal, so that what was just published is found by this very request.

    Gives up after `seconds` (after a restore, or during a large import): the worker goes on from there.
    """
    until = time.monotonic() + seconds
    while follow(SMALL_BATCH) and time.monotonic() < until:
        pass


def follow(batch: int = BATCH) -> int:
    """Bring the documents up to the journal, one batch; returns how many entries were read.

    Any number may follow at once, in any process: a batch that another read meanwhile is not written again, since
    its documents may be older than the other's.
    """
    position, _ = JobPosition.objects.get_or_create(name=FOLLOWER, defaults={"serial": 0})
    newest = last_serial()  # read after the position, which so is never the greater of the two
    if position.serial == newest:
        return 0
    since = position.serial if position.serial < newest else 0  # 0: an older catalogue was restored, begin again
    rows = JournalEntry.objects.filter(serial__gt=since).order_by("serial").values_list("serial", "project")
    entries = list(rows[:batch])
    if entries:
        names = {project for _, project in entries if project}
        refresh_documents(names, reached=Reached(position.serial, entries[-1][0]))
    return len(entries)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the journal was read: from the position that was found to the one that is to be written."""

    before: int
    after: int


def refresh_documents(names: Iterable[str], reached: Reached | None = None) -> None:
    """Make the documents of these projects again, and remember how far the journal was read, in one transaction."""
    fresh = [document for name in sorted(names) for document in _documents(name)]
    with transaction.atomic(using=ALIAS):
        # The move of the position is the lock: who moves it second finds another value there and writes nothing.
        position = JobPosition.objects.filter(name=FOLLOWER)
        if reached and not position.filter(serial=reached.before).update(serial=reached.after, updated_at=now()):
            return
        SearchDocument.objects.filter(project__in=list(names)).delete()
        for draft in fresh:
            draft.document.save()
            SearchClassifier.objects.bulk_create(
                SearchClassifier(document=draft.document, classifier=classifier) for classifier in draft.classifiers
            )


def rebuild() -> None:
    """Forget all documents; the follower makes them again from the beginning."""
    with transaction.atomic(using=ALIAS):
        SearchClassifier.objects.all().delete()
        SearchDocument.objects.all().delete()
        JobPosition.objects.filter(name=FOLLOWER).delete()


@dataclass(frozen=True, slots=True)
class _Draft:
    document: SearchDocument
    classifiers: tuple[str, ...]


def _documents(name: str) -> list[_Draft]:
    """A document for each index whose own layer shows a file of the project now."""
    project = Project.objects.filter(name=name, deleted_serial=None).first()
    if project is None:
        return []
    placed = Placement.objects.filter(project=project, to_serial=None).values("index_id")
    indexes = Index.objects.filter(pk__in=placed).values_list("name", flat=True)
    drafts = (_document(index, queries.project_facts(index, project)) for index in indexes)
    return [draft for draft in drafts if draft is not None]


def _document(index: str, facts: ProjectFacts) -> _Draft | None:
    """What is searched of a project: its latest release as its first wheel, or else its first file, tells it."""
    release = latest_release(facts.releases)
    if release is None or not release.files:
        return None
    file = min(release.files, key=lambda one: (one.packagetype != "bdist_wheel", one.filename))
    description = queries.description_of(release)
    classifiers = tuple(dict.fromkeys(c[:300] for c in _list(file, "classifiers")))
    document = SearchDocument(
        index_name=index,
        project=facts.name,
        display_name=facts.display_name,
        version=release.version,
        name=spellings(facts.name),
        grams=" ".join(grams(facts.name)),
        marks=" ".join([index_mark(index), *map(classifier_mark, classifiers)]),
        summary=_text(file, "summary"),
        keywords=" ".join(_list(file, "keywords")),
        description="" if description is None else description.text[:_DESCRIPTION],
        released_at=max(one.upload_time for one in release.files),
    )
    return _Draft(document, classifiers)


def _text(file: FileFacts, key: str) -> str:
    return str(file.core.get(key) or "")


def _list(file: FileFacts, key: str) -> list[str]:
    value = file.core.get(key) or []
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]
