# SPDX-License-Identifier: Apache-2.0
"""The chapters on indexes and time travel, word by word: every command line of theirs, in order, beside a server."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.http.client import V1_JSON, Site, sdist, wheel
from tests.infra.desk import Desk
from tests.infra.server import finish, start

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs"


def lines(chapter: str) -> list[str]:
    """The indented lines of a chapter that call packhouse, without what is said beside them."""
    text = (DOCS / chapter).read_text(encoding="utf-8")
    found = re.findall(r"^    packhouse (.*)$", text, re.MULTILINE)
    return [re.split(r" {3,}", line)[0] for line in found]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with its two first people."""
    data = tmp_path_factory.mktemp("chapters") / "data"
    server = start(data, "--workers", "1")
    desk = Desk(data)
    yield Site(server, "edge", desk)
    desk.close()
    finish(server)


def test_the_chapters_can_be_typed_as_they_stand(site: Site, tmp_path: Path) -> None:
    site.must("user", "create", "ann", "--email", "ann@example.org", "--password-stdin", stdin="a quiet otter swims")
    declared = (DOCS / "company-index.md").read_text(encoding="utf-8")
    block = re.search(r"`indexes\.toml`:\n\n((?:(?:    .*)?\n)+)", declared)
    assert block
    file = tmp_path / "indexes.toml"
    file.write_text(re.sub(r"^    ", "", block[1], flags=re.MULTILINE), encoding="utf-8")
    typed = []
    for line in lines("company-index.md"):
        words = shlex.split(line.replace("indexes.toml", str(file)))
        if words[:2] == ["index", "layer"] and "add" in words:
            site.publish(wheel("left-pad"), path="/index/staging/legacy/")
            site.publish(wheel("tapes"), path="/index/staging/legacy/")
        if words[0] == "promote":  # the declaration has a cooldown
            site.must("index", "rule", "prod", "minimum_age", "none")
        if "--plan" in words:
            with pytest.raises(AssertionError, match="exit status 1"):  # there are differences
                site.must(*words)
        else:
            site.must(*words)
        typed.append(words[0])
    assert typed.count("index") > 12
    assert {"explain", "apply", "promote"} <= set(typed)
    assert "as declared" not in site.must("apply", str(file), "--yes")
    assert site.must("apply", str(file), "--yes") == "Everything is as declared."


def test_time_travel_as_it_stands(site: Site) -> None:
    for index in ("staging-2", "prod-2"):
        site.must("index", "create", index)
    site.publish(sdist("reels"), path="/index/staging-2/legacy/")
    site.publish(wheel("reels"))
    serial = site.ask("/simple/reels/", accept=V1_JSON)["x-pypi-last-serial"]
    promoted, typed = "", []
    ours = {"tapes": "reels", "staging": "staging-2", "prod": "prod-2", "2026-10-31": f"serial-{serial}"}
    for written in [*lines("time-travel.md")[2:], *lines("time-travel.md")[:2]]:  # what is purged is gone for the rest
        line = written
        for said, meant in {**ours, "serial-4711": f"serial-{serial}", "4712": promoted}.items():
            line = re.sub(rf"(?<![-\w]){said}(?![-\w])", meant, line)
        output = site.must(*shlex.split(line))
        if line.startswith("promote reels"):
            promoted = output.rpartition(" ")[2]
        typed.append(line.split()[0])
    assert set(typed) == {"snapshot", "promote", "purge", "gc"}
    assert site.ask(f"/@serial-{serial}/simple/reels/", accept=V1_JSON).json()["files"] == []
