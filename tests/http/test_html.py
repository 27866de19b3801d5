# SPDX-License-Identifier: Apache-2.0
"""The HTML pages (standards H1 to H12, checks 10 and 14)."""

from __future__ import annotations

import re
import warnings
from html import unescape
from urllib.parse import unquote, urljoin, urlsplit

import html5lib
import pytest
from tests.http.client import V1_HTML, Answer, Site, fresh, sha256, wheel

PAGE = "/simple/shelf-sample-project/"
ANCHOR = re.compile(r"<a ([^>]+)>([^<]+)</a>")
HATCH = re.compile(r"<a [^>]+>(.+?)</a>")
RENOVATE = re.compile(r"<a\s+([^>]*)href=\"([^\"]*)\"([^>]*)>([^<]*)</a>")
DEPENDABOT = re.compile(r"<a\s(?:(?!<a\s).)*?>(.*?)</a>", re.DOTALL)


@pytest.fixture
def page(shelf: Site) -> Answer:
    return shelf.ask(PAGE, accept="text/html")


def attributes(page: Answer, filename: str) -> dict[str, str]:
    """The attributes of one link, as a parser reads them."""
    found = [head for head, text in ANCHOR.findall(page.text) if text == filename]
    assert len(found) == 1, filename
    return {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', found[0])}


@pytest.mark.parametrize("path", ["/simple/", PAGE])
@pytest.mark.parametrize("accept", ["text/html", V1_HTML])
def test_H1_valid_html5(shelf: Site, path: str, accept: str):
    answer = shelf.ask(path, accept=accept)
    assert answer.text.startswith("<!DOCTYPE html>")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        html5lib.HTMLParser(strict=True).parse(answer.text)


def test_H2_root_links_lead_to_projects(shelf: Site):
    root = shelf.ask("/simple/")
    links = ANCHOR.findall(root.text)
    names = [project["name"] for project in shelf.json("/simple/")["projects"]]
    assert [unescape(text) for _, text in links] == names
    for head, _ in links[:20]:
        href = re.search(r'href="([^"]*)"', head)
        assert href
        assert shelf.ask(urlsplit(urljoin(root.url, href[1])).path).status == 200


def test_H3_text_is_the_last_part_of_the_path(shelf: Site, page: Answer):
    links = RENOVATE.findall(page.text)
    assert {text for *_, text in links} == set(shelf.shelf)
    for _, href, _, text in links:
        assert text == unquote(urlsplit(href).path.rpartition("/")[2])


def test_H4_sha256_in_every_fragment(shelf: Site, page: Answer):
    for filename, data in shelf.shelf.values():
        assert attributes(page, filename)["href"].endswith(f"#sha256={sha256(data)}")
    assert len(re.findall(r"#sha256=[0-9a-f]{64}\"", page.text)) == len(shelf.shelf)


def test_H5_H9_nothing_is_said_of_signatures_or_provenance_that_are_not_there(page: Answer):
    assert "data-gpg-sig" not in page.text
    assert "data-provenance" not in page.text


def test_H6_requires_python_is_escaped(page: Answer):
    assert 'data-requires-python="&gt;=3.8,&lt;4"' in page.text
    assert ">=3.8" not in page.text


def test_H7_what_is_not_yanked_has_no_attribute(page: Answer):
    assert "data-yanked" not in page.text


def test_H8_both_names_of_core_metadata_and_only_where_it_is_served(shelf: Site, page: Answer):
    for filename in shelf.shelf:
        found = attributes(page, filename)
        core = found.get("data-core-metadata")
        assert core == found.get("data-dist-info-metadata")
        answer = shelf.ask(shelf.file_path("shelf-sample-project", filename) + ".metadata")
        assert (core == f"sha256={sha256(answer.body)}") if core else (answer.status == 404)


def test_H10_status(page: Answer):
    assert '<meta name="pypi:project-status" content="active">' in page.text


def test_H11_size_and_upload_time(shelf: Site, page: Answer):
    for filename, data in shelf.shelf.values():
        found = attributes(page, filename)
        assert found["data-size"] == str(len(data))
        assert found["data-upload-time"] == shelf.entry("shelf-sample-project", filename)["upload-time"]


@pytest.mark.parametrize("regex", [HATCH, RENOVATE, DEPENDABOT], ids=["hatch", "renovate", "dependabot"])
def test_H12_the_expressions_clients_search_with_find_every_file(shelf: Site, page: Answer, regex: re.Pattern[str]):
    found = [match if isinstance(match, str) else match[-1] for match in regex.findall(page.text)]
    assert sorted(found) == sorted(shelf.shelf)


def test_H12_one_link_a_line_no_base_none_in_comments(page: Answer):
    assert "<base" not in page.text
    assert all(line.count("<a ") <= 1 for line in page.text.splitlines())
    assert not re.search(r"<!--.*<a .*-->", page.text, re.DOTALL)
    assert page.text.endswith("-->\n")
    assert re.search(rf"<!--SERIAL {page['x-pypi-last-serial']}-->\n$", page.text)


def test_H6_hostile_139_quotes_and_ampersands_of_a_summary_stay_out_of_the_page(site: Site):
    name = fresh()
    site.publish(wheel(name, summary='"><script>alert(1)</script>&amp;'))
    assert "<script" not in site.ask(f"/simple/{name}/").text
