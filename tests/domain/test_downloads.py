# SPDX-License-Identifier: Apache-2.0
"""What user agents tell, and the numbers of a window of days."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from packhouse.domain.downloads import (
    BROWSER,
    INSTALLERS,
    OTHER,
    WINDOW,
    Agent,
    DayCount,
    first_day,
    gather,
    read_agent,
)

PIP = (
    'pip/24.0 {"ci":null,"cpu":"x86_64","distro":{"name":"Debian GNU/Linux","version":"12"},"implementation":'
    '{"name":"CPython","version":"3.11.2"},"installer":{"name":"pip","version":"24.0"},"python":"3.11.2"}'
)
UV = (
    'uv/0.5.1 {"installer":{"name":"uv","version":"0.5.1","subcommand":["pip","install"]},"python":"3.12.7",'
    '"implementation":{"name":"CPython","version":"3.12.7"},"ci":true}'
)


@pytest.mark.parametrize(
    ("header", "agent"),
    [
        (PIP, Agent("pip", "3.11")),
        (UV, Agent("uv", "3.12")),
        ('uv/0.5.1 {"installer":{"name":"uv"},"python":null}', Agent("uv", "")),
        ('pip/9.0.1 {"python":"2.7.18"}', Agent("pip", "2.7")),
        ('pip/24.0 {"python":"3.14.0rc2"}', Agent("pip", "3.14")),
        ('pip/24.0 {"python":"3.1"', Agent("pip", "")),
        ('pip/24.0 {"python":"3.99.1"}', Agent("pip", "")),
        ('pip/24.0 {"python":["3.12"]}', Agent("pip", "")),
        ("poetry/1.8.3 CPython/3.11.7 Linux/6.1", Agent("poetry", "3.11")),
        ("pdm/2.20.0 PyPy/3.10.14", Agent("pdm", "3.10")),
        ("bandersnatch/6.6.0 (CPython 3.12.3-final0, Linux x86_64)", Agent("bandersnatch", "3.12")),
        ("setuptools/68.0.0 Python-urllib/3.9", Agent("setuptools", "3.9")),
        ("python-requests/2.32.3", Agent("requests", "")),
        ("curl/8.5.0", Agent("curl", "")),
        ("Wget/1.21", Agent("wget", "")),
        ("Mozilla/5.0 (X11; Linux x86_64) CPython/3.12", Agent(BROWSER, "")),
        ("my-own-thing/1.0 CPython/3.13.1", Agent(OTHER, "3.13")),
        ("", Agent(OTHER, "")),
        ("/ { [", Agent(OTHER, "")),
        ("pip", Agent("pip", "")),
    ],
)
def test_installers_and_their_pythons(header: str, agent: Agent) -> None:
    assert read_agent(header) == agent


@given(st.one_of(st.text(), st.builds("pip/1 {{{}".format, st.text()), st.builds("uv/1 CPython/{}".format, st.text())))
@example('pip/1 {"a":' + "[" * 5000)
@example("\ud800{")
def test_whatever_is_sent_the_answer_is_on_our_lists(header: str) -> None:
    installer, python = read_agent(header)
    assert installer in INSTALLERS | {BROWSER, OTHER}
    assert python == "" or re.fullmatch(r"2\.7|3\.[0-9]{1,2}", python)


TODAY = date(2026, 11, 24)


def test_a_window_without_downloads() -> None:
    found = gather([], TODAY)
    assert (found.last_day, found.last_week, found.last_month) == (0, 0, 0)
    assert [day for day, _ in found.dated] == [TODAY - timedelta(days=29 - place) for place in range(WINDOW)]


def test_today_is_the_last_day_and_what_lies_outside_is_passed_over() -> None:
    counts = [
        DayCount(TODAY, "pip", "3.12", 1),
        DayCount(TODAY, "uv", "3.12", 2),
        DayCount(TODAY - timedelta(days=6), "uv", "", 4),
        DayCount(TODAY - timedelta(days=7), "uv", "3.13", 8),
        DayCount(TODAY - timedelta(days=29), "uv", "3.13", 16),
        DayCount(TODAY - timedelta(days=30), "uv", "3.13", 32),
        DayCount(TODAY + timedelta(days=1), "uv", "3.13", 64),
    ]
    found = gather(counts, TODAY, 1000)
    assert (found.last_day, found.last_week, found.last_month, found.total) == (3, 7, 31, 1000)
    assert found.installers == (("uv", 30), ("pip", 1))
    assert found.pythons == (("3.13", 24), ("", 4), ("3.12", 3))
    assert found.dated[0] == (first_day(TODAY), 16)
