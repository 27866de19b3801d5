# SPDX-License-Identifier: Apache-2.0
"""Several servers on one database and one bucket: what one acknowledged all show, whatever dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.corpus import make_wheel
from tests.crash.nodes import Company, company, crash_database, kill_node, stop_bucket, under_load

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]

PAIRS = 30


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


@pytest.mark.parametrize("fault", [kill_node, crash_database, stop_bucket])
def test_a_fault_under_load_loses_nothing(made: Company, fault: Callable[[Company], None]):
    acknowledged, refused = under_load(made, fault)
    assert acknowledged > 0
    assert [sentence for sentence in refused if " 503 " not in sentence and "503" not in sentence] == []
    if fault is kill_node:
        made.restart("a")
    for name in made.nodes:
        made.await_well(name)
    assert made.check("c") == []
    assert made.nodes["b"].command("verify").returncode == 0
