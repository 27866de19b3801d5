# SPDX-License-Identifier: Apache-2.0
"""Each refusal of an upload links to what its code means, on this very server (issue 3, point 1)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from tests.http.client import UV_ERRORS, Answer, Site, fresh, wheel

from packhouse.domain.codes import PRECEDENCE


def refused(site: Site, accept: str) -> Answer:
    answer = site.upload(wheel(fresh(), lines=["Requires-Python: abc"], record=b"x,md5=1,1\n"), accept=accept)
    assert answer.status == 400
    return answer


def leads(site: Site, link: str) -> bool:
    """Whether the link is an absolute one to a place on a page of this server."""
    parts = urlsplit(link)
    assert link.startswith(f"{site.server.url}/help/upload-errors/#")
    page = site.ask(parts.path)
    return page.status == 200 and f'id="{parts.fragment}"' in page.text


def test_json_has_a_link_with_each_error(site: Site):
    said = refused(site, UV_ERRORS).json()
    assert said["reason"] == said["errors"][0]["reason"] == "requires-python-invalid"
    for error in said["errors"]:
        assert error["help"].endswith(f"#{error['reason']}")
        assert leads(site, error["help"])
    assert said["code"] == f"{said['errors'][0]['message']} See {said['errors'][0]['help']}"
    assert said["message"].split("\n") == [error["message"] for error in said["errors"]]


def test_plain_text_has_a_link_in_each_line(site: Site):
    lines = refused(site, "").text.splitlines()
    assert len(lines) > 1
    for line in lines:
        assert leads(site, line.rpartition(" See ")[2])


def test_a_page_has_a_link_with_each_sentence(site: Site):
    text = refused(site, "text/html").text
    assert f'<a href="{site.server.url}/help/upload-errors/#requires-python-invalid"' in text
    assert f'<a href="{site.server.url}/help/upload-errors/#record-weak-hash"' in text


@pytest.mark.parametrize("accept", ["", "text/plain", UV_ERRORS, "text/html"])
def test_E10_the_wording_that_tools_look_for_comes_first(site: Site, accept: str):
    name = fresh()
    site.publish(wheel(name))
    answer = site.upload(wheel(name, description="other"), accept=accept)
    said = answer.json()["code"] if answer.type == "application/json" else answer.text
    assert said.startswith("File already exists") or accept == "text/html"
    assert "/help/upload-errors/#file-exists" in said


@pytest.mark.once
def test_the_page_explains_every_code_of_an_upload(site: Site):
    page = site.ask("/help/upload-errors/")
    assert page.status == 200
    missing = [code for code in PRECEDENCE if f'id="{code}"' not in page.text]
    assert missing == []
    assert page.text.count("<h1>") == 1
    assert "`" not in page.text.partition("<h1>")[2].partition("</main>")[0]


def test_L11_the_first_sentence_stands_behind_the_status(site: Site):
    answer = refused(site, "")
    if site.mode == "origin":  # whose server sends the usual words, whatever it is told
        assert answer.reason == "Bad Request"
    else:
        assert answer.text.startswith(answer.reason + " See http")
        assert answer.reason.startswith("requires-python: ")


def test_L11_what_a_file_says_stays_one_line_behind_the_status(site: Site):
    lines = ["Requires-Python: \u0161\u00e9\t>=" + "x" * 2000]
    answer = site.upload(wheel(fresh(), lines=lines))
    assert answer.status == 400
    assert len(answer.reason) <= 400
    assert answer.reason.isprintable()
