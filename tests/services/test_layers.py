# SPDX-License-Identifier: Apache-2.0
"""Layers and policies of indexes: who answers for a name, what is hidden, and that every page follows at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press
from tests.services.conftest import press_of

from packhouse.catalogue.composition import owning_layer
from packhouse.catalogue.models import File, Index, JournalEntry, Layer, User
from packhouse.domain.project_json import ReleaseFacts
from packhouse.errors import Kind, PackhouseError
from packhouse.services import explaining, files, index_rules, indexes, pages, search, serving
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import COMMAND
from packhouse.services.resources import Resources

pytestmark = pytest.mark.django_db


@pytest.fixture
def make(alice: User, main: Index, resources: Resources, clock: TickingClock) -> Callable[..., Press]:
    """Make an index with layers; gives a press for it."""

    def made(name: str, *layers: str) -> Press:
        indexes.create_index(COMMAND, name, layers=[LayerSpec.parse(layer) for layer in layers], clock=clock)
        return press_of(alice, resources, name)

    return made


def page(index: str, project: str, clock: TickingClock, kind: str = "json") -> Any:
    return pages.read_page(index, project, kind, clock)


def shown(index: str, project: str, clock: TickingClock) -> list[str]:
    found = page(index, project, clock)
    return [file["filename"] for file in json.loads(found.body)["files"]] if found else []


def versions(index: str, project: str, clock: TickingClock) -> list[str]:
    found = page(index, project, clock)
    return list(json.loads(found.body)["versions"]) if found else []


def rule(name: str, key: str, value: str, clock: TickingClock) -> None:
    index_rules.change_rule(COMMAND, name, key, value, clock=clock)


def test_hostile_237_the_first_layer_that_owns_a_name_answers_alone(
    make: Callable[..., Press], press: Press, clock: TickingClock
) -> None:
    make("low").wheel("foo", "1.0")
    press.wheel("foo", "9.0")
    make("both", "index:low", "index:main")
    make("other", "index:main", "index:low")
    assert versions("both", "foo", clock) == ["1.0"]
    assert versions("other", "foo", clock) == ["9.0"]
    owner = owning_layer(indexes.find_index("both").pk, "foo")
    assert owner is not None
    assert (owner.name, owner.own, len(owner.path)) == ("low", True, 2)
    for filename in File.objects.filter(release__version="9.0").values_list("filename", "sha256"):
        with pytest.raises(PackhouseError) as caught:
            files.offered_file("both", filename[1], filename[0], now=clock())
        assert caught.value.kind is Kind.MISSING


def test_layers_are_added_moved_and_removed_and_pages_above_follow(
    make: Callable[..., Press], press: Press, clock: TickingClock
) -> None:
    low = make("low")
    low.wheel("foo", "1.0")
    press.wheel("foo", "2.0")
    make("mid", "own")
    make("top", "index:mid")
    assert shown("top", "foo", clock) == []
    indexes.add_layer(COMMAND, "mid", LayerSpec("index", "low"), clock=clock)
    assert versions("top", "foo", clock) == ["1.0"]
    indexes.add_layer(COMMAND, "mid", LayerSpec("index", "main"), 0, clock=clock)
    assert versions("top", "foo", clock) == ["2.0"]
    before = page("top", "foo", clock)
    indexes.move_layer(COMMAND, "mid", LayerSpec("index", "low"), 0, clock=clock)
    after = page("top", "foo", clock)
    assert versions("top", "foo", clock) == ["1.0"]
    assert after.modified > before.modified
    indexes.remove_layer(COMMAND, "mid", LayerSpec("index", "low"), clock=clock)
    assert versions("top", "foo", clock) == ["2.0"]
    assert [layer.spelled for layer in indexes.layers_of("mid")] == ["index:main", "own"]
    kinds = JournalEntry.objects.filter(index_name="mid", kind="index layers set")
    assert kinds.count() == 4
    assert not Layer.objects.filter(index__name="mid", to_serial=None).exclude(kind__in=("own", "index")).exists()


def test_layers_that_make_no_sense_are_refused_and_nothing_changes(
    make: Callable[..., Press], clock: TickingClock
) -> None:
    make("low")
    make("top", "own", "index:low")
    for name, layer, code in (
        ("low", "index:top", "layer-loop"),
        ("top", "index:low", "layer-repeated"),
        ("top", "index:nowhere", "index-unknown"),
        ("top", "cloud:x", "layer-invalid"),
        ("top", "upstream:nobody", "upstream-unknown"),
    ):
        with pytest.raises(PackhouseError) as caught:
            indexes.add_layer(COMMAND, name, LayerSpec.parse(layer), clock=clock)
        assert caught.value.code == code
    with pytest.raises(PackhouseError) as caught:
        indexes.remove_layer(COMMAND, "low", LayerSpec("own"), clock=clock)
    assert caught.value.code == "layer-last"
    with pytest.raises(PackhouseError) as caught:
        indexes.move_layer(COMMAND, "low", LayerSpec("index", "main"), 0, clock=clock)
    assert caught.value.code == "layer-unknown"
    assert not JournalEntry.objects.filter(kind="index layers set").exists()


def test_an_index_of_others_alone_takes_no_files(make: Callable[..., Press], press: Press, clock: TickingClock) -> None:
    from packhouse.services import promoting

    press.wheel("foo", "1.0")
    top = make("top", "index:main")
    for act in (
        lambda: top.wheel("foo", "2.0"),
        lambda: promoting.promote(COMMAND, "foo", "1.0", "main", "top", clock=clock),
    ):
        with pytest.raises(PackhouseError) as caught:
            act()
        assert (caught.value.kind, caught.value.code) == (Kind.FORBIDDEN, "index-without-own")
    indexes.add_layer(COMMAND, "top", LayerSpec("own"), clock=clock)
    top.wheel("foo", "2.0")
    assert versions("top", "foo", clock) == ["1.0"]  # the layer before it still answers


def test_search_and_news_are_judged_one_by_one_only_where_something_may_be_hidden(
    make: Callable[..., Press], clock: TickingClock
) -> None:
    from packhouse.services.upstreams import Wanted, set_upstream

    set_upstream(COMMAND, "elsewhere", Wanted(url="http://127.0.0.1:9/simple/"), clock=clock)
    make("plain", "own", "upstream:elsewhere")
    make("above", "index:plain")
    make("two", "own", "index:plain")
    assert [serving.has_policy(name) for name in ("plain", "above", "two", "nowhere")] == [False, False, True, False]
    rule("plain", "deny", "foo", clock)
    assert serving.has_policy("above")


def test_hostile_234_a_deleted_project_stays_owned(
    make: Callable[..., Press], press: Press, clock: TickingClock
) -> None:
    from packhouse.services import releases

    low = make("low")
    low.wheel("foo", "1.0")
    make("both", "index:main", "index:low")
    press.wheel("foo", "2.0")
    releases.delete(COMMAND, "foo", "2.0", clock=clock)
    assert page("both", "foo", clock) is not None
    assert shown("both", "foo", clock) == []


def test_a_cooldown_hides_until_it_ends_and_no_commit_is_needed(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    clock.move(days=10)
    rule("main", "minimum_age", "7d", clock)
    press.wheel("foo", "2.0")
    made = page("main", "foo", clock)
    assert versions("main", "foo", clock) == ["1.0"]
    file = File.objects.get(release__version="2.0")
    assert made.valid_until == file.uploaded_at.timestamp() + 7 * 86_400
    with pytest.raises(PackhouseError) as caught:
        files.offered_file("main", file.sha256, file.filename, now=clock())
    assert (caught.value.kind, caught.value.code) == (Kind.FORBIDDEN, "file-too-new")
    assert "'main'" in caught.value.message
    assert "minimum_age" in caught.value.message
    with pytest.raises(PackhouseError):
        files.offered_file("main", file.sha256, file.filename, metadata=True, now=clock())
    clock.move(days=7)
    later = page("main", "foo", clock)
    assert versions("main", "foo", clock) == ["1.0", "2.0"]
    assert later.modified > made.modified
    assert later.valid_until is None
    assert files.offered_file("main", file.sha256, file.filename, now=clock()).filename == file.filename


def test_rules_hold_through_every_index_that_has_the_layer(
    make: Callable[..., Press], press: Press, clock: TickingClock
) -> None:
    press.wheel("foo", "1.0")
    press.wheel("foo", "2.0")
    make("top", "index:main")
    rule("main", "deny", "foo>=2", clock)
    assert versions("main", "foo", clock) == versions("top", "foo", clock) == ["1.0"]
    rule("top", "allow", "bar", clock)
    assert versions("main", "foo", clock) == ["1.0"]
    assert versions("top", "foo", clock) == []
    rule("top", "allow_mode", "warn", clock)
    assert versions("top", "foo", clock) == ["1.0"]
    rule("main", "deny_mode", "off", clock)
    assert versions("top", "foo", clock) == ["1.0", "2.0"]
    rule("main", "deny", "default", clock)
    rule("main", "deny_mode", "default", clock)
    assert indexes.rules_of("main") == {}


def test_hostile_243_page_json_file_search_and_news_tell_the_same(
    make: Callable[..., Press], press: Press, clock: TickingClock, alice: User
) -> None:
    from packhouse.catalogue import queries
    from packhouse.domain.permissions import ANONYMOUS

    press.wheel("foo", "1.0", summary="first")
    press.wheel("foo", "2.0", summary="second")
    press.wheel("bar", "1.0")
    rule("main", "deny", "foo==2.0, bar", clock)
    found = queries.answering("main", "foo")
    assert found is not None
    served = serving.served(found, clock())
    assert [release.version for release in served.facts.releases] == ["1.0"]
    assert [file.version for file in served.hidden] == ["2.0"]
    search.catch_up()
    hits = search.search(ANONYMOUS, "main", "").hits
    assert [(hit.project, hit.version) for hit in hits] == [("foo", "1.0")]
    news = serving.newest_served("main", ["main"], 5, clock(), even_quarantined=True)
    assert [(one.name, one.version) for one in news] == [("foo", "1.0")]
    rule("main", "deny", "none", clock)
    assert {hit.project for hit in search.search(ANONYMOUS, "main", "").hits} == {"foo", "bar"}


def test_explaining_names_the_layer_the_rule_and_both_ends(
    make: Callable[..., Press], press: Press, clock: TickingClock
) -> None:
    press.wheel("foo", "1.0")
    make("top", "own", "index:main")
    rule("main", "minimum_age", "2d", clock)
    rule("top", "deny", "foo", clock)
    rule("top", "deny_mode", "warn", clock)
    found = explaining.explain("top", "foo", clock())
    assert [(layer.layer, layer.answers) for layer in found.layers] == [("own", False), ("index:main", True)]
    assert (found.source, found.through, found.served) == ("main", ("top", "main"), 0)
    hidden, warned = found.grounds
    uploaded = File.objects.get().uploaded_at
    assert (hidden.rule, hidden.index, hidden.enforced, hidden.since) == ("minimum_age", "main", True, uploaded)
    assert hidden.until is not None
    assert (hidden.until - uploaded).days == 2
    set_at = JournalEntry.objects.get(kind="index rule set", detail__key="deny").at
    assert (warned.rule, warned.index, warned.enforced, warned.since) == ("deny", "top", False, set_at)
    assert not explaining.explain("top", "nobody", clock()).known


def test_unfit_values_and_unknown_rules_are_refused(main: Index, clock: TickingClock) -> None:
    for key, value, code in (
        ("minimum_age", "7", "rule-value-invalid"),
        ("deny", "foo<", "rule-value-invalid"),
        ("deny_mode", "maybe", "rule-value-invalid"),
        ("minimum-age", "7d", "rule-unknown"),
    ):
        with pytest.raises(PackhouseError) as caught:
            rule("main", key, value, clock)
        assert caught.value.code == code


def told_of(release: ReleaseFacts) -> tuple[int, str, datetime, str | None]:
    """What an outline tells of a release."""
    first = min(f"{0 if file.packagetype == 'bdist_wheel' else 1}{file.filename}" for file in release.files)
    return len(release.files), first, max(file.upload_time for file in release.files), release.yanked


def test_many_names_are_owned_and_outlined_as_each_of_them_is(
    make: Callable[..., Press], press: Press, clock: TickingClock
) -> None:
    from packhouse.catalogue import queries
    from packhouse.catalogue.composition import owners_of
    from packhouse.catalogue.outlines import outlines
    from packhouse.services import releases

    low = make("low")
    make("top", "index:low", "own", "index:main")
    for name in ("a", "b", "c", "d"):
        press.wheel(name, "1.0")
        press.wheel(name, "2.0rc1")
    low.wheel("a", "0.5")
    low.wheel("e", "1.0")
    for version in ("1.0", "2.0rc1"):
        releases.delete(COMMAND, "c", version, clock=clock)
    releases.yank(COMMAND, "d", "1.0", reason="", clock=clock)
    for version, reason in (("1.0", ""), ("1.1", "broken")):
        low.wheel("f", version)
        low.sdist("f", version)
        releases.yank(COMMAND, "f", version, reason=reason, clock=clock)
    low.wheel("f", "1.2")
    low.sdist("f", "1.2")
    releases.yank(COMMAND, "f", "1.2", filename="f-1.2.tar.gz", reason="old", clock=clock)
    rule("main", "deny", "b<2", clock)
    rule("top", "minimum_age", "1h", clock)
    clock.move(hours=2)
    names = ["a", "b", "c", "d", "e", "f", "nobody"]
    for index in ("top", "main", "low"):
        pk = indexes.find_index(index).pk
        owners = owners_of(pk, names)
        assert owners == {name: owner for name in names if (owner := owning_layer(pk, name)) is not None}
        known = outlines(index, names, clock())
        for name in names:
            found = queries.answering(index, name)
            facts = None if found is None else serving.served(found, clock()).facts
            alone = {} if facts is None else {one.version: told_of(one) for one in facts.releases}
            outline = known.get(name)
            together = {} if outline is None else outline.releases
            assert {
                key: (one.files.count, one.files.spokesman.rpartition("/")[0], one.released_at, one.yanked)
                for key, one in together.items()
            } == alone
