# SPDX-License-Identifier: Apache-2.0
"""What people read on pages: times, sizes, lines to copy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from packhouse.web import tags

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=47), "1 day ago"),
        (timedelta(days=29), "29 days ago"),
        (timedelta(days=30), "25 October 2026"),
        (timedelta(seconds=-10), "in a minute"),
        (timedelta(days=-5), "in 5 days"),
        (timedelta(days=-90), "22 February 2027"),
    ],
)
def test_times_are_in_words(ago: timedelta, words: str) -> None:
    assert tags.in_words(NOW - ago, NOW) == words


def test_a_time_carries_its_exact_moment() -> None:
    assert tags.day(NOW) == (
        '<time datetime="2026-11-24T12:00:00Z" title="24 November 2026, 12:00:00 UTC">24 November 2026</time>'
    )
    assert tags.day(None) == "never"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123456, "123 kB"), (1_400_000, "1.4 MB"), (2 * 10**12, "2.0 TB")],
)
def test_sizes_have_units(count: int, words: str) -> None:
    assert tags.size(count) == words


def test_a_line_to_copy_is_escaped_and_keeps_options_whole() -> None:
    html = tags.line("pip install --index-url ", "http://h/simple/?a&b", " <name>")
    assert '<span class="nowrap">--index-url</span> http://h/simple/?a&amp;b &lt;name&gt;</code>' in html


def test_a_digest_is_short_and_whole_to_copy() -> None:
    html = tags.digest("ab" * 32)
    assert "abababababab…" in html
    assert f'data-copy="{"ab" * 32}"' in html
    assert tags.digest("") == ""


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("curl/8.0", "curl"),
        ("", "Unknown browser"),
    ],
)
def test_browsers_have_names(agent: str, words: str) -> None:
    assert tags.browser(agent) == words


def test_several_lines_are_one_thing_to_copy() -> None:
    assert "one\ntwo</code>" in tags.line("one⏎two", shell=False)


@pytest.mark.parametrize(
    ("prerelease", "yanked", "pinned", "expected"),
    [
        (False, None, False, "paketo"),
        (False, None, True, "paketo==1.0"),
        (True, None, False, "paketo==1.0"),
        (False, "", False, "paketo==1.0"),
    ],
)
def test_a_version_is_named_where_installers_would_pass_it_over(
    prerelease: bool, yanked: str | None, pinned: bool, expected: str
) -> None:
    release = {"version": "1.0", "prerelease": prerelease, "yanked": yanked}
    assert tags.wanted("paketo", release, pinned) == expected


def test_long_descriptions_are_fitted_once_for_each_rule_and_prefix() -> None:
    from django.urls import get_script_prefix, set_script_prefix

    from packhouse.web import tags

    html = "<p>x</p>" * 10_000 + '<img src="https://example.org/x.png" alt="x">'
    before = get_script_prefix()
    try:
        shown = {rule: tags.readme(html, rule) for rule in ("block", "proxy", "allow")}
        assert tags.readme(html, "proxy") == shown["proxy"]
        assert len(set(shown.values())) == 3
        set_script_prefix("/pkg/")
        assert 'src="/pkg/_/image/' in tags.readme(html, "proxy")
    finally:
        set_script_prefix(before)
