# SPDX-License-Identifier: Apache-2.0
"""Search: what is found, in which order, and what never is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press
from tests.services.conftest import press_of

from packhouse.catalogue.activity.models import JobPosition, SearchDocument
from packhouse.catalogue.models import User
from packhouse.domain.listing import Status
from packhouse.domain.permissions import ANONYMOUS, ReadMode
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, indexes, journal, projects, releases, search
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import COMMAND
from packhouse.services.resources import Resources

pytestmark = pytest.mark.django_db


def names(query: str, index: str = "main", **options: Any) -> list[str]:
    while search.follow():
        pass
    return [hit.project for hit in search.search(ANONYMOUS, index, query, **options).hits]


@pytest.fixture
def shelf(press: Press) -> Press:
    press.wheel("numpy", "1.0", summary="Arrays of numbers", keywords="array,matrix", description="Fast numerics.")
    press.wheel("pandas", "1.0", summary="Data frames on top of numpy", classifier="Topic :: Data")
    press.wheel("httpx", "1.0", summary="An HTTP client", classifier="Topic :: Web", description="Like requests.")
    press.wheel("requests", "1.0", summary="HTTP for humans", classifier="Topic :: Web")
    press.wheel("requests-cache", "1.0", summary="A cache for HTTP", classifier="Topic :: Web")
    return press


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("numpy", "numpy"),
        ("NumPy", "numpy"),
        ("requests", "requests"),
        ("requests cache", "requests-cache"),
        ("requests_cache", "requests-cache"),
        ("frames", "pandas"),
        ("data fra", "pandas"),
        ("matrix", "numpy"),
        ("numerics", "numpy"),
        ("http humans", "requests"),
        ("pand", "pandas"),
    ],
)
def test_words_in_names_summaries_keywords_and_descriptions(query: str, first: str, shelf: Press) -> None:
    assert names(query)[0] == first


@pytest.mark.parametrize("query", ["cafe", "Café", "CAFE\u0301", "fur", "für", "Für all"])
def test_accents_make_no_difference(query: str, press: Press) -> None:
    press.wheel("barista", "1.0", summary="Café au lait für alle")
    press.wheel("tea", "1.0", summary="Something else")
    assert names(query) == ["barista"]


def test_the_exact_name_comes_first_then_names_it_begins(shelf: Press) -> None:
    assert names("requests")[:3] == ["requests", "requests-cache", "httpx"]
    assert names("numpy") == ["numpy", "pandas"]


@pytest.mark.parametrize(
    ("typed", "meant"), [("nmupy", "numpy"), ("reqeusts", "requests"), ("pnadas", "pandas"), ("htpx", "httpx")]
)
def test_a_slip_is_forgiven(typed: str, meant: str, shelf: Press) -> None:
    assert names(typed)[0] == meant
    assert search.search(ANONYMOUS, "main", typed).hits[0].near


def test_nothing_is_found_for_nonsense(shelf: Press) -> None:
    assert names("qwertyuiop zxcvbnm") == []


def test_classifiers_filter_and_are_counted(shelf: Press) -> None:
    assert sorted(names("http", classifiers=["Topic :: Web"])) == ["httpx", "requests", "requests-cache"]
    found = search.search(ANONYMOUS, "main", "")
    assert found.facets == (("Topic :: Web", 3), ("Topic :: Data", 1))
    assert found.total == 5
    assert search.search(ANONYMOUS, "main", "", ["Topic :: Web", "Topic :: Data"]).hits == ()


def test_pages(shelf: Press) -> None:
    assert names("", per_page=2) == ["requests-cache", "requests"]
    assert names("", per_page=2, page=3) == ["numpy"]
    found = search.search(ANONYMOUS, "main", "", per_page=2)
    assert (found.total, found.page, found.pages) == (5, 1, 3)


@pytest.mark.parametrize("page", [-5, 0, 10**9])
def test_hostile_246_a_page_beyond_the_ends_is_the_nearest(page: int, shelf: Press) -> None:
    assert names("http", page=page)


@pytest.mark.parametrize(
    "query",
    [
        "' OR 1=1--", "%", "_", "NEAR(", '"', "*", "name:x", "a AND", "NOT", "^", "{name} : x", "-x", "a & | !", "<->",
        "':*", "\\", "\x00", "\ud800", "{{7*7}}", "${jndi:x}", "x" * 10_240, "a " * 1000, "(((", "þþþ", "\u202e",
    ],
)  # fmt: skip
def test_hostile_245_every_query_is_text(query: str, shelf: Press) -> None:
    found = search.search(ANONYMOUS, "main", query, classifiers=[query.encode("utf-8", "replace").decode()])
    assert found.total == 0
    assert isinstance(names(query), list)


def test_a_newer_release_takes_the_place_of_the_older(shelf: Press) -> None:
    shelf.wheel("numpy", "2.0", summary="Tensors")
    assert names("tensors") == ["numpy"]
    assert "numpy" not in names("numbers")
    assert search.search(ANONYMOUS, "main", "tensors").hits[0].version == "2.0"


def test_yanked_deleted_and_quarantined(shelf: Press, clock: TickingClock) -> None:
    shelf.wheel("numpy", "2.0", summary="Tensors")
    releases.yank(COMMAND, "numpy", "2.0", clock=clock)
    assert names("numbers") == ["numpy"]
    projects.set_status(COMMAND, "pandas", Status.QUARANTINED, clock=clock)
    projects.delete_project(COMMAND, "httpx", clock=clock)
    assert sorted(names("")) == ["numpy", "requests", "requests-cache"]
    projects.set_status(COMMAND, "pandas", Status.ACTIVE, clock=clock)
    assert "pandas" in names("")


def test_hostile_248_nobody_finds_what_they_may_not_read(
    shelf: Press, alice: User, bob: User, resources: Resources, clock: TickingClock
) -> None:
    indexes.create_index(COMMAND, "team", ReadMode.CLOSED, [LayerSpec("own"), LayerSpec("index", "main")], clock=clock)
    indexes.grant_read(COMMAND, "team", alice, clock=clock)
    press_of(alice, resources, "team").wheel("secret", "1.0", summary="numpy inside", classifier="Topic :: Secret")
    assert names("secret") == []
    assert names("numpy") == ["numpy", "pandas"]
    assert "Topic :: Secret" not in dict(search.search(ANONYMOUS, "main", "").facets)
    for who, kind in ((ANONYMOUS, Kind.UNAUTHENTICATED), (access.identity_of_user(bob), Kind.FORBIDDEN)):
        with pytest.raises(PackhouseError) as caught:
            search.search(who, "team", "numpy")
        assert caught.value.kind is kind
    reader = access.identity_of_user(alice)
    assert {hit.project for hit in search.search(reader, "team", "numpy").hits} == {"numpy", "secret", "pandas"}
    with pytest.raises(PackhouseError):
        search.search(ANONYMOUS, "nowhere", "numpy")


def test_the_follower_reads_every_entry_once(shelf: Press) -> None:
    while search.follow(batch=3):
        pass
    assert JobPosition.objects.get(name="search").serial == journal.last_serial()
    assert SearchDocument.objects.count() == 5
    assert search.follow() == 0


def test_catching_up_reads_all_there_is_within_its_time(shelf: Press) -> None:
    search.catch_up(seconds=60)
    assert JobPosition.objects.get(name="search").serial == journal.last_serial()
    shelf.wheel("numpy", "2.0", summary="Tensors")
    search.catch_up()
    assert [hit.project for hit in search.search(ANONYMOUS, "main", "tensors").hits] == ["numpy"]
    search.rebuild()
    search.catch_up(seconds=0)  # no time: one batch, and the answer is not held up
    assert 0 < JobPosition.objects.get(name="search").serial <= search.SMALL_BATCH


def test_what_a_slower_follower_read_meanwhile_is_not_written_over_the_newer(shelf: Press) -> None:
    names("")
    shelf.wheel("numpy", "2.0", summary="Tensors")
    position = JobPosition.objects.get(name="search").serial
    slow = search.Reached(before=position - 1, after=position)
    SearchDocument.objects.filter(project="numpy").update(summary="of the other follower")
    search.refresh_documents(["numpy"], slow)
    assert SearchDocument.objects.get(project="numpy").summary == "of the other follower"
    assert JobPosition.objects.get(name="search").serial == position


def test_documents_are_disposable(shelf: Press) -> None:
    before = names("http")
    search.rebuild()
    assert SearchDocument.objects.count() == 0
    assert names("http") == before


def test_a_follower_ahead_of_the_journal_begins_again(shelf: Press) -> None:
    names("")
    JobPosition.objects.update(serial=10**6)
    SearchDocument.objects.all().delete()
    assert len(names("")) == 5


def test_a_search_takes_as_many_queries_for_many_as_for_few(shelf: Press) -> None:
    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    def count() -> int:
        names("")
        with CaptureQueriesContext(connections["activity"]) as queries:
            search.search(ANONYMOUS, "main", "http", ["Topic :: Web"])
        return len(queries)

    before = count()
    for number in range(10):
        shelf.wheel(f"http{number}", "1.0", classifier="Topic :: Web")
    assert count() == before <= 4


def shelve(count: int, start: int = 0, **values: Any) -> None:
    """Documents made directly: `{}` in a value is the number."""
    from datetime import timedelta

    from packhouse.domain.searching import grams, index_mark, spellings

    def made(number: int) -> SearchDocument:
        index = values.get("index_name", "main")
        texts = {key: str(value).format(number) for key, value in values.items()}
        name = texts.pop("project", f"tool{number}")
        return SearchDocument(
            **{"index_name": index, "version": "1.0", "marks": index_mark(index), **texts},
            project=name,
            display_name=name,
            name=spellings(name),
            grams=" ".join(grams(name)),
            released_at=TickingClock()() + timedelta(minutes=number),
        )

    SearchDocument.objects.bulk_create(made(number) for number in range(start, start + count))


def test_of_very_many_some_hundred_are_shown_and_the_best_names_are_among_them(press: Press) -> None:
    shelve(1, project="python", description="A language")
    shelve(1, project="oldpython-tool", summary="for python")
    shelve(600, 100, description="for python")
    found = search.search(ANONYMOUS, "main", "python")
    assert found.hits[0].project == "python"
    assert (found.total, found.more, found.pages) == (200, True, 10)
    last = search.search(ANONYMOUS, "main", "python", page=10**6)
    assert (last.page, len(last.hits)) == (10, 20)
    everything = search.search(ANONYMOUS, "main", "")
    assert (everything.total, everything.more, everything.hits[0].project) == (200, True, "tool699")


def test_what_is_complete_is_not_said_to_be_more(press: Press) -> None:
    shelve(200, description="for python")
    found = search.search(ANONYMOUS, "main", "python")
    assert (found.total, found.more) == (200, False)


def test_names_that_begin_with_what_was_typed_are_never_crowded_out(press: Press) -> None:
    shelve(3, project="numeric{}")
    shelve(600, 100, project="x{}", summary="numeric things of numerics")
    shown = [hit.project for hit in search.search(ANONYMOUS, "main", "numeri").hits]
    assert shown[:3] == ["numeric2", "numeric1", "numeric0"]


def test_hostile_248_a_crowded_closed_index_hides_nothing_of_the_open_one(press: Press) -> None:
    shelve(1, project="elder", summary="about parcels")
    shelve(600, 100, index_name="team", project="parcels-{}", summary="parcels")
    found = search.search(ANONYMOUS, "main", "parcels")
    assert ([hit.project for hit in found.hits], found.total, found.more) == (["elder"], 1, False)
    assert [hit.project for hit in search.search(ANONYMOUS, "main", "parcls-123").hits] == []


def test_one_letter_is_a_word_or_the_beginning_of_a_name(press: Press) -> None:
    shelve(1, project="zebra", summary="stripes")
    shelve(1, project="letter", summary="z is the last")
    shelve(1, project="other", summary="zones")
    assert names("z") == ["zebra", "letter"]


def test_two_slips_of_a_long_name_are_forgiven(press: Press) -> None:
    shelve(1, project="tensorflow-probability")
    shelve(300, 100)
    assert names("tensorlfow-probabilty") == ["tensorflow-probability"]


def test_a_word_that_no_tokenizer_has_is_not_found(press: Press) -> None:
    from packhouse.domain.searching import words_of

    shelve(1, summary="日本語 und mehr")
    assert names("日本語") == ["tool0"]
    tried = [*range(0x80, 0x3100), *range(0x1D400, 0x1D800), *range(0x1F100, 0x1F190)]
    letters = [chr(number) for number in tried if len(words_of(f"a{chr(number)}a")) == 1]
    words = ["".join(letters[at : at + 12]) for at in range(0, len(letters), 12)]
    shelve(1, 1, description=" ".join(words))
    for at in range(0, len(words), 15):
        assert search.search(ANONYMOUS, "main", " ".join(words[at : at + 15])).total <= 1
