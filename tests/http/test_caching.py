# SPDX-License-Identifier: Apache-2.0
"""Caching of pages (standards C1 to C9, checks 20 to 22; decision 4; hostile-168 to hostile-170)."""

from __future__ import annotations

import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import brotli
import pytest
import zstandard
from tests.http.client import PIP, V1_JSON, Site, fresh, sdist, wheel

PAGE = "/simple/shelf-sample-project/"
PAGES = ["/simple/", PAGE]
DECODERS = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data),
}


@pytest.mark.parametrize("path", PAGES)
def test_C1_decision_4_short_and_to_be_revalidated(shelf: Site, path: str):
    control = shelf.ask(path)["cache-control"]
    assert control == "max-age=0, must-revalidate"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("encoding", ["identity", *DECODERS])
@pytest.mark.parametrize("accept", ["text/html", V1_JSON])
def test_C2_C7_check_13_20_strong_tags_per_encoding(shelf: Site, path: str, encoding: str, accept: str):
    plain = shelf.ask(path, accept=accept)
    answer = shelf.ask(path, accept=accept, accept_encoding=encoding)
    assert "accept-encoding" in answer.vary
    assert answer["etag"].startswith('"')
    sent = answer["content-encoding"]
    if sent:
        assert DECODERS[sent](answer.body) == plain.body
        assert answer["etag"] != plain["etag"]
    again = shelf.ask(path, accept=accept, accept_encoding=encoding, if_none_match=answer["etag"])
    assert (again.status, again.body) == (304, b"")
    assert [again[name] for name in ("etag", "vary", "cache-control")] == [
        answer[name] for name in ("etag", "vary", "cache-control")
    ]


def test_C7_large_pages_are_compressed_in_every_offered_encoding(site: Site):
    name = fresh("wide")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: site.publish(wheel(name, f"1.{n}")), range(12)))
    for encoding in DECODERS:
        answer = site.ask(f"/simple/{name}/", accept=V1_JSON, accept_encoding=encoding)
        assert answer["content-encoding"] == encoding
        assert json.loads(DECODERS[encoding](answer.body))["name"] == name
    both = site.ask(f"/simple/{name}/", accept_encoding="gzip, deflate, zstd")  # uv
    assert both["content-encoding"] == "zstd"
    assert site.ask(f"/simple/{name}/", accept_encoding="gzip;q=0").body.startswith(b"<!DOCTYPE")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        pytest.param("*", 304, id="hostile-170-star"),
        pytest.param("W/{tag}", 304, id="hostile-170-weak"),
        pytest.param('"a", "b", {tag}', 304, id="hostile-170-list"),
        pytest.param('"a"', 200, id="hostile-170-other"),
        pytest.param(", ".join(f'"{n}"' for n in range(400)), 200, id="hostile-170-many"),
        pytest.param("garbage", 200, id="hostile-170-garbage"),
    ],
)
def test_if_none_match(shelf: Site, given: str, status: int):
    tag = shelf.ask(PAGE)["etag"]
    assert shelf.ask(PAGE, if_none_match=given.replace("{tag}", tag)).status == status


def test_C2_tags_differ_by_representation(shelf: Site):
    tags = {shelf.ask(PAGE, accept=accept)["etag"] for accept in ("text/html", V1_JSON, PIP)}
    assert len(tags) == 2
    assert shelf.ask(PAGE, if_none_match=shelf.ask(PAGE, accept=V1_JSON)["etag"]).status == 200


def test_C3_last_modified_is_later_each_time_and_answers_conditions(site: Site):
    name = fresh()
    times = []
    for number in range(3):
        site.publish(wheel(name, f"1.{number}"))
        times.append(parsedate_to_datetime(site.ask(f"/simple/{name}/")["last-modified"]))
    assert times[0] < times[1] < times[2]
    since = site.ask(f"/simple/{name}/")["last-modified"]
    assert site.ask(f"/simple/{name}/", if_modified_since=since).status == 200  # younger than 2 s: decision 8
    while time.time() < times[2].timestamp() + 2.1:
        time.sleep(0.1)
    assert site.ask(f"/simple/{name}/", if_modified_since=since).status == 304
    earlier = "Mon, 01 Jan 2001 00:00:00 GMT"
    assert site.ask(f"/simple/{name}/", if_modified_since=earlier).status == 200


def test_C4_C5_a_forced_check_is_still_answered_304(shelf: Site):
    tag = shelf.ask(PAGE, accept=PIP)["etag"]
    for control in ("max-age=0", "no-cache"):
        assert shelf.ask(PAGE, accept=PIP, if_none_match=tag, cache_control=control).status == 304


@pytest.mark.parametrize("make", [wheel, sdist])
def test_C6_check_13_22_what_was_published_is_read_at_once_from_every_worker(site: Site, make: object):
    """Twenty uploads, each followed by reads over new connections, which two workers share."""
    name = fresh("now")
    listed: set[str] = set()
    page: dict[str, Any] = {}
    for number in range(20):
        filename, _ = site.publish(make(name, f"1.{number}"))  # type: ignore[operator]
        listed.add(filename)
        for _ in range(3):
            page = site.json(f"/simple/{name}/", cache_control="no-cache")
            assert {file["filename"] for file in page["files"]} == listed
        root = {p["name"]: p["_last-serial"] for p in site.json("/simple/")["projects"]}
        assert root[name] == page["meta"]["_last-serial"]


def test_C6_readers_beside_writers_never_go_back(site: Site):
    """While one publishes, readers on both workers see the list grow and never shrink."""
    name = fresh("grow")
    site.publish(wheel(name, "0"))

    def read(_: int) -> list[int]:
        return [len(site.json(f"/simple/{name}/")["files"]) for _ in range(25)]

    with ThreadPoolExecutor(4) as pool:
        readings = [pool.submit(read, number) for number in range(3)]
        for number in range(1, 10):
            site.publish(wheel(name, str(number)))
        for reading in readings:
            seen = reading.result()
            assert seen == sorted(seen)
    assert len(site.json(f"/simple/{name}/")["files"]) == 10


def test_C8_check_13_39_serials_rise_and_agree(site: Site):
    name = fresh()
    site.publish(wheel(name, "1.0"))
    first = site.ask(f"/simple/{name}/", accept=V1_JSON)
    site.publish(wheel(name, "2.0"))
    second = site.ask(f"/simple/{name}/", accept=V1_JSON)
    assert int(second["x-pypi-last-serial"]) > int(first["x-pypi-last-serial"])
    assert second.json()["meta"]["_last-serial"] == int(second["x-pypi-last-serial"])
    root = site.ask("/simple/", accept=V1_JSON)
    listed = {p["name"]: p["_last-serial"] for p in root.json()["projects"]}
    assert listed[name] <= int(second["x-pypi-last-serial"])
    assert int(root["x-pypi-last-serial"]) >= max(listed.values())


@pytest.mark.parametrize(
    "path", ["/simple/no-such/", "/pypi/no-such/json", "/files/" + "0" * 64 + "/x.whl", "/legacy/"]
)
def test_C9_refusals_are_not_kept(site: Site, path: str):
    answer = site.ask(path)
    assert answer.status in {404, 405}
    assert answer["cache-control"] in {"no-store", "no-store, private"}


@pytest.mark.parametrize(
    "name",
    ["x_forwarded_host", "x_host", "x_original_url", "x_rewrite_url", "x_http_method_override", "forwarded", "cookie"],
)
def test_hostile_168_nothing_a_cache_does_not_know_of_changes_the_answer(shelf: Site, name: str):
    plain = shelf.ask(PAGE)
    value = {"x_http_method_override": "DELETE", "cookie": "sessionid=x", "forwarded": "host=evil.example"}
    answer = shelf.ask(PAGE, **{name: value.get(name, "evil.example")})
    if answer.status == 421:  # the host is not one of ours
        return
    assert (answer.status, answer.body, answer["etag"]) == (200, plain.body, plain["etag"])


def test_hostile_168_a_shared_cache_gives_each_client_its_own(shelf: Site):
    """A cache that stores by what Vary names, asked by clients of every kind in turn."""
    store: dict[tuple[str, ...], tuple[str, bytes]] = {}
    for accept in ("text/html", V1_JSON, PIP, "*/*"):
        for encoding in ("", "gzip", "gzip, deflate, zstd"):
            answer = shelf.ask(PAGE, accept=accept, accept_encoding=encoding)
            assert answer.vary == {"accept", "accept-encoding"}
            key = (accept, encoding)
            assert store.setdefault(key, (answer.type, answer.body)) == (answer.type, answer.body)
            assert (answer.type == V1_JSON) is ("json" in accept)


def test_hostile_169_public_pages_do_not_vary_by_who_asks(shelf: Site):
    answer = shelf.ask(PAGE, authorization="Bearer nonsense")
    assert answer.status == 200
    assert not {"cookie", "authorization"} & answer.vary
    assert "private" not in answer["cache-control"]
    assert "set-cookie" not in answer
