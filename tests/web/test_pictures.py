# SPDX-License-Identifier: Apache-2.0
"""Pictures from elsewhere on pages of ours, by the rule `images` (hostile-149): block, proxy, allow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.infra.picture_host import PNG, PictureHost, picture_host

from packhouse.services.resources import now

if TYPE_CHECKING:
    from tests.infra.accounts import Browser


@pytest.fixture
def host() -> Iterator[PictureHost]:
    with picture_host() as running:
        yield running


@pytest.fixture
def shown(browser: Browser, host: PictureHost) -> Browser:
    """A browser before a server with a project whose README shows a picture of `host`."""
    from tests.infra.accounts import make_user
    from tests.infra.clock import TickingClock
    from tests.infra.publishing import Press, make_resources

    from packhouse.catalogue.models import FileDescription
    from packhouse.services import access
    from packhouse.services.indexes import ensure_main
    from packhouse.web.resources import hold

    ensure_main()
    stock = replace(make_resources(TickingClock(), outbound_allow=("127.0.0.1/32",)), clock=now)
    hold(stock)
    Press(stock, access.identity_of_user(make_user())).wheel("foo", "1.0", description="x")
    html = "".join(f'<img src="{host.address(path)}" alt="{path}">' for path in ("/a.png", "/a.svg"))
    FileDescription.objects.update(html=html)
    return browser


def set_rule(value: str) -> None:
    from packhouse.services.index_rules import change_rule
    from packhouse.services.journal import COMMAND

    change_rule(COMMAND, "main", "images", value, clock=now)


def page(browser: Browser) -> str:
    return str(browser.get("/project/foo/").content.decode())


def sources(browser: Browser) -> list[str]:
    return re.findall(r'<img src="([^"]+)"', page(browser))


def test_block_is_the_rule_unless_another_is_set(shown: Browser, host: PictureHost) -> None:
    assert sources(shown) == []
    assert "not loaded here" in page(shown)
    assert f'href="{host.address("/a.png")}"' in page(shown)
    assert host.asked == []


def test_proxy_gives_a_picture_as_nothing_else(shown: Browser, host: PictureHost) -> None:
    set_rule("proxy")
    good, bad = sources(shown)
    assert good.startswith("/_/image/")
    answer = shown.get(good)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, PNG, "image/png")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Set-Cookie" not in answer
    assert "cookie" not in host.asked[0][1]
    assert shown.get(bad).status_code == 404
    assert shown.get(good).status_code == 200
    assert [path for path, _ in host.asked] == ["/a.png", "/a.svg"]


def test_the_proxy_is_open_to_no_address_but_those_we_show(shown: Browser, host: PictureHost) -> None:
    set_rule("proxy")
    good = sources(shown)[0]
    signature = good.split("/")[3]
    other = host.address("/a.html").encode().hex()
    for address in (f"/_/image/{signature}/{other}", f"/_/image/x/{other}", f"/_/image/{signature}/zz", f"{good[:-2]}"):
        assert shown.get(address).status_code == 404
    assert host.asked == []


def test_a_rule_taken_back_closes_the_proxy_at_once(shown: Browser, host: PictureHost) -> None:
    set_rule("proxy")
    good = sources(shown)[0]
    set_rule("block")
    assert shown.get(good).status_code == 404
    assert host.asked == []


def test_allow_loads_from_where_they_are_and_says_so_in_the_policy(shown: Browser, host: PictureHost) -> None:
    strict = shown.get("/project/foo/")["Content-Security-Policy"]
    set_rule("allow")
    assert sources(shown) == [host.address("/a.png"), host.address("/a.svg")]
    policy = shown.get("/project/foo/1.0/")["Content-Security-Policy"]
    assert policy == strict.replace("img-src 'self' data:", "img-src 'self' data: https: http:")
    assert shown.get("/")["Content-Security-Policy"] == strict
