# SPDX-License-Identifier: Apache-2.0
"""Races between clients (standards L16, L19; check 30; hostile-253 to hostile-258, hostile-265)."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.http.client import Site, fresh, wheel
from tests.http.crowds import SERVERS, at_once

pytestmark = pytest.mark.parametrize("site", SERVERS, indirect=True)


def test_hostile_253_fifty_clients_one_file(site: Site):
    name = fresh()
    file = wheel(name)
    answers = at_once([lambda: site.upload(file)] * 50)
    assert Counter(answer.status for answer in answers) == {200: 50}
    assert [f["filename"] for f in site.json(f"/simple/{name}/")["files"]] == [file[0]]


def test_hostile_254_fifty_clients_fifty_files_of_one_name(site: Site):
    name = fresh()
    files = [wheel(name, description=f"number {number}") for number in range(50)]
    answers = at_once([lambda file=file: site.upload(file) for file in files])  # type: ignore[misc]
    assert Counter(answer.status for answer in answers) == {200: 1, 400: 49}
    assert all(a.text.startswith("File already exists") for a in answers if a.status == 400)
    winner = next(file for file, answer in zip(files, answers, strict=True) if answer.status == 200)
    assert site.ask(site.file_path(name, winner[0])).body == winner[1]


def test_L19_check_13_30_hostile_255_twenty_wheels_of_a_new_project(site: Site):
    name = fresh()
    files = [wheel(name, tags=f"cp3{number}-abi3-any") for number in range(20)]
    tokens = [site.token, site.make_token(site.owner)] * 10
    pairs = list(zip(files, tokens, strict=True))
    answers = at_once([lambda f=file, t=token: site.upload(f, token=t) for file, token in pairs])  # type: ignore[misc]
    assert Counter(answer.status for answer in answers) == {200: 20}
    page = site.json(f"/simple/{name}/")
    assert (len(page["files"]), page["versions"]) == (20, ["1.0"])
    assert [p["name"] for p in site.json("/simple/")["projects"]].count(name) == 1


def test_two_people_one_new_name(site: Site):
    name = fresh()
    tokens = [site.token, site.stranger_token] * 4
    files = [wheel(name, f"1.{number}") for number in range(8)]
    pairs = list(zip(files, tokens, strict=True))
    answers = at_once([lambda f=file, t=token: site.upload(f, token=t) for file, token in pairs])  # type: ignore[misc]
    owners = {token for token, answer in zip(tokens, answers, strict=True) if answer.status == 200}
    assert len(owners) == 1
    assert Counter(answer.status for answer in answers) == {200: 4, 403: 4}


def test_hostile_257_L16_the_answer_was_lost_and_the_client_comes_again(site: Site):
    name = fresh()
    file = wheel(name)
    first = at_once([lambda: site.upload(file)] * 2)
    assert {answer.status for answer in [*first, site.upload(file)]} == {200}


def test_hostile_258_a_token_revoked_meanwhile_publishes_nothing_more(site: Site):
    name = fresh()
    token = site.make_token(site.owner)
    site.publish(wheel(name, "0"), token=token)

    def publish(number: int) -> int:
        return site.upload(wheel(name, str(number + 1)), token=token).status

    with ThreadPoolExecutor(3) as pool:
        uploads = [pool.submit(publish, number) for number in range(20)]
        uploads[2].result()
        site.must("token", "revoke", token)
        after = len(site.json(f"/simple/{name}/")["files"])
        statuses = Counter(upload.result() for upload in uploads)
    assert set(statuses) <= {200, 401}
    assert len(site.json(f"/simple/{name}/")["files"]) == after == statuses[200] + 1
