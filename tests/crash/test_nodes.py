# SPDX-License-Identifier: Apache-2.0
"""Several servers on one database and one bucket: what one acknowledged all show, whatever dies."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.corpus import make_wheel
from tests.crash.node_trials import FAULTS, SHORT, NodeFigures, finish, run_trial
from tests.crash.nodes import Company, company

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]

PAIRS = 30
OFTEN = [name for name in FAULTS if "killed" in name or "SIGSTOP" in name or "500" in name]
"""The faults of every run; the others are for `make test-full` and `make crash-test`."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with company(tmp_path_factory.mktemp("company")) as running:
        yield running


def test_what_one_node_acknowledged_the_next_request_to_another_shows(made: Company):
    stale = []
    for number in range(PAIRS):
        filename, data = make_wheel("between", f"1.{number}")
        assert made.client("a").publish(made.token, filename, data).status == 200
        page = made.client("b").ask("/simple/between/").text
        stale += [] if filename in page else [filename]
    assert stale == []
    address = made.client("c").ask("/simple/between/").text
    assert f"between-1.{PAIRS - 1}" in address


def test_a_session_and_a_token_are_the_same_everywhere(made: Company):
    for name in made.nodes:
        assert made.client(name).page("/manage/account/").status == 200
    person = made.nodes["a"].make_user()
    token = made.nodes["b"].make_token(person)
    filename, data = make_wheel("anywhere", "1.0")
    assert made.client("c").publish(token, filename, data).status == 200
    assert made.client("a").page("/manage/account/token/").status == 200
    made.nodes["a"].must("token", "revoke", token)
    again, more = make_wheel("anywhere", "1.1")
    assert [made.client(name).publish(token, again, more).status for name in made.nodes] == [401, 401, 401]


@pytest.mark.parametrize(
    "fault", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.full) for name in FAULTS]
)
def test_a_fault_under_load_loses_nothing(made: Company, fault: str):
    figures = NodeFigures()
    run_trial(made, fault, random.Random(len(fault)), figures, SHORT)
    assert figures.faults() == []
    assert figures.answers > 0
    assert figures.reads > 0


def test_after_all_faults_everything_is_as_acknowledged(made: Company):
    assert finish(made).all() == []


def test_the_balancer_passes_on_what_a_server_says_of_an_upload_and_keeps_the_server(made: Company):
    """A refusal while the bucket is away is ours, word by word, and pages come from the same servers meanwhile."""
    filename, data = make_wheel("balanced", "1.0")
    assert made.client().publish(made.token, filename, data).status == 200
    made.before.set("failing")
    try:
        for number in range(7):  # more than would take every server out
            refused = made.client().publish(made.token, *make_wheel("balanced", f"2.{number}"))
            assert (refused.status, "bucket" in refused.text) == (503, True), refused.text
            page = made.client().ask("/simple/balanced/")
            assert (page.status, filename in page.text) == (200, True)
    finally:
        made.before.set("well")
    again = made.client().publish(made.token, *make_wheel("balanced", "2.0"))
    assert again.status == 200, again.text
