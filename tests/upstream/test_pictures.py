# SPDX-License-Identifier: Apache-2.0
"""Fetching pictures from elsewhere, against a simulated host (hostile-149, 217)."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from functools import partial

import pytest
from tests.infra.picture_host import PNG, PictureHost, picture_host

from packhouse.domain.destinations import is_permitted, read_networks
from packhouse.domain.pictures import Picture
from packhouse.upstream.dialling import Resolve
from packhouse.upstream.errors import UnreachableError, UnusableError
from packhouse.upstream.pictures import fetch_picture

LOOPBACK = partial(is_permitted, allowed=read_networks(["127.0.0.0/8", "::1"]))


@pytest.fixture
def host() -> Iterator[PictureHost]:
    with picture_host() as running:
        yield running


def fetch(url: str, **options: object) -> Picture:
    return fetch_picture(url, LOOPBACK, **options)  # type: ignore[arg-type]


def test_a_picture_is_what_its_bytes_say(host: PictureHost) -> None:
    assert fetch(host.address("/a.png")) == Picture("image/png", PNG)
    assert fetch(host.address("/called.svg")).media_type == "image/png"


def test_hostile_217_nothing_of_ours_goes_along(host: PictureHost) -> None:
    fetch(host.address("/a.png"))
    for _, headers in host.asked:
        assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
        assert headers["host"] == f"127.0.0.1:{host.port}"


@pytest.mark.parametrize(
    "path", ["/a.svg", "/a.html", "/empty", "/none", "/large", "/endless/", "/zipped/", "/status/401", "/nowhere/"]
)
def test_hostile_149_what_is_no_picture(host: PictureHost, path: str) -> None:
    with pytest.raises(UnusableError):
        fetch(host.address(path))


@pytest.mark.parametrize("path", ["/status/500", "/status/503", "/status/429", "/short/"])
def test_what_may_be_better_later(host: PictureHost, path: str) -> None:
    with pytest.raises(UnreachableError):
        fetch(host.address(path))


def test_hostile_149_three_redirects_and_no_more(host: PictureHost) -> None:
    assert fetch(host.address("/hops/3")).media_type == "image/png"
    with pytest.raises(UnusableError, match="too often"):
        fetch(host.address("/hops/4"))


@pytest.mark.parametrize(
    "target", ["169.254.169.254", "10.0.0.1", "[::ffff:10.0.0.1]", "0x0a.1", "167772161", "user@127.0.0.1"]
)
def test_hostile_217_each_redirect_is_judged(host: PictureHost, target: str) -> None:
    with pytest.raises(UnusableError):
        fetch(host.address(f"/away/{target}"))


@pytest.mark.parametrize("scheme", ["file", "gopher", "javascript"])
def test_hostile_217_redirects_stay_on_the_web(host: PictureHost, scheme: str) -> None:
    with pytest.raises(UnusableError):
        fetch(host.address(f"/scheme/{scheme}"))


@pytest.mark.parametrize(
    "spelling",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "localhost",
        "localhost.",
        "[::ffff:127.0.0.1]",
        "[::1]",
    ],
)
def test_hostile_217_this_machine_in_every_spelling(host: PictureHost, spelling: str) -> None:
    with pytest.raises((UnusableError, UnreachableError)):  # a resolver may not know `localhost.`
        fetch_picture(host.address("/a.png", spelling), is_permitted)
    assert host.asked == []


def test_hostile_217_resolved_once_and_connected_to_that_address(host: PictureHost) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked: list[str] = []

    def rebinding(name: str, _port: int) -> list[str]:
        asked.append(name)
        return next(answers)

    url = host.address("/a.png", "rebind.example")
    assert fetch(url, resolve=rebinding).media_type == "image/png"
    assert asked == ["rebind.example"]
    assert host.asked[0][1]["host"] == f"rebind.example:{host.port}"
    with pytest.raises(UnusableError):
        fetch(url, resolve=rebinding)


def test_hostile_217_a_redirect_is_resolved_and_judged_anew(host: PictureHost) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    with pytest.raises(UnusableError):
        fetch(host.address("/hops/1", "rebind.example"), resolve=lambda _name, _port: next(answers))


def test_hostile_217_one_address_that_is_not_permitted_speaks_against_all(host: PictureHost) -> None:
    with pytest.raises(UnusableError):
        fetch(host.address("/a.png", "two.example"), resolve=lambda _name, _port: ["127.0.0.1", "10.0.0.1"])
    assert host.asked == []


def test_another_address_is_tried_when_one_does_not_answer(host: PictureHost) -> None:
    found = fetch(host.address("/a.png", "two.example"), resolve=lambda _name, _port: ["::1", "127.0.0.1"])
    assert found.body == PNG


def test_a_host_nobody_knows() -> None:
    def unknown(_name: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "unknown")

    resolvers: tuple[Resolve, ...] = (unknown, lambda _name, _port: [])
    for resolve in resolvers:
        with pytest.raises(UnreachableError):
            fetch("http://nobody.example/a.png", resolve=resolve)


@pytest.mark.parametrize("path", ["/drip/", "/held/"])
def test_hostile_218_no_drip_holds_longer_than_the_time_given(host: PictureHost, path: str) -> None:
    begun = time.monotonic()
    with pytest.raises(UnreachableError):
        fetch(host.address(path), seconds=0.5)
    assert time.monotonic() - begun < 60


def test_a_resolver_that_hangs_is_given_up() -> None:
    def hanging(_name: str, _port: int) -> list[str]:
        time.sleep(1)
        return ["127.0.0.1"]

    with pytest.raises(UnreachableError):
        fetch("http://slow.example/a.png", resolve=hanging, seconds=0.2)
