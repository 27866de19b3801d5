# SPDX-License-Identifier: Apache-2.0
"""The chapters on indexes and time travel, word by word: every command line of theirs, in order, beside a server."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.http.client import V1_JSON, Site, sdist, wheel
from tests.infra.desk import Desk
from tests.infra.server import finish, start
from tests.infra.upstreams import UpFile, Upstream, status, upstream

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
    site.must("organization", "create", "acme", "--owner", "ann")
    site.must("organization", "team", "acme", "core", "--add", "ann")
    site.must("token", "create", "ann", "--name", "reads")
    token = re.search(r"\d+", site.must("token", "list", "ann"))
    assert token
    declared = (DOCS / "company-index.md").read_text(encoding="utf-8")
    block = re.search(r"`indexes\.toml`:\n\n((?:(?:    .*)?\n)+)", declared)
    assert block
    file = tmp_path / "indexes.toml"
    file.write_text(re.sub(r"^    ", "", block[1], flags=re.MULTILINE), encoding="utf-8")
    typed = []
    for line in lines("company-index.md"):
        words = shlex.split(line.replace("indexes.toml", str(file)).replace("token:12", f"token:{token[0]}"))
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


def test_time_travel_as_it_stands(site: Site, tmp_path: Path) -> None:
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
        words = [str(tmp_path / word) if word.endswith(".lock.json") else word for word in shlex.split(line)]
        if "--with" in words:  # of another index
            with pytest.raises(AssertionError, match="exit status 1"):
                site.must(*words)
            continue
        output = site.must(*words)
        if words[:2] == ["snapshot", "check"]:
            assert output == "Nothing differs."
        if line.startswith("promote reels"):
            promoted = output.rpartition(" ")[2]
        typed.append(line.split()[0])
    assert set(typed) == {"snapshot", "promote", "purge", "gc"}
    assert site.ask(f"/@serial-{serial}/simple/reels/", accept=V1_JSON).json()["files"] == []


@pytest.fixture(scope="module")
def host() -> Iterator[Upstream]:
    """The upstream of the chapter on what is safe."""
    with upstream() as running:
        running.add("urllib3", UpFile("urllib3-1.0.tar.gz", b"one"), UpFile("urllib3-2.0.tar.gz", b"two"))
        running.add("left-pad", UpFile("left_pad-1.0.tar.gz", b"three"))
        running.add("acme-tool", UpFile("acme_tool-99.0.tar.gz", b"evil"))
        running.add("acme-later", UpFile("acme_later-99.0.tar.gz", b"evil"))
        running.add("gone", UpFile("gone-1.0.tar.gz", b"four"))
        yield running


@pytest.fixture(scope="module")
def guarded(host: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with that upstream below `main`."""
    data = tmp_path_factory.mktemp("safe") / "data"
    server = start(data, "--workers", "1", "--upstream", host.url)
    desk = Desk(data)
    yield Site(server, "edge", desk)
    desk.close()
    finish(server)


def names(site: Site, project: str) -> list[str]:
    """The files of a project's page."""
    answer = site.ask(f"/simple/{project}/", accept=V1_JSON)
    return [file["filename"] for file in answer.json()["files"]] if answer.status == 200 else [str(answer.status)]


def test_safe_by_default_as_it_stands(  # noqa: PLR0915 - a chapter in one go
    guarded: Site, host: Upstream, tmp_path: Path
) -> None:
    site = guarded
    site.publish(wheel("acme-tool"))
    site.publish(wheel("tapes"))
    # without a setting
    for spelling in ("acme_tool", "ACME.Tool", "acme--tool"):
        assert site.ask(f"/simple/{spelling}/").leads_to() == "/simple/acme-tool/"
    assert names(site, "acme-tool") == ["acme_tool-1.0-py3-none-any.whl"]
    assert [path for path in host.paths() if "acme" in path.lower()] == []
    assert names(site, "urllib3") == ["urllib3-1.0.tar.gz", "urllib3-2.0.tar.gz"]
    page = site.ask("/simple/urllib3/", accept=V1_JSON).json()
    address = next(file["url"] for file in page["files"] if file["filename"] == "urllib3-1.0.tar.gz")
    path = f"/files/{address.partition('/files/')[2]}"
    refused = site.upload(wheel("urllib3", "3.0"))
    assert refused.status == 403
    assert "packhouse upstream permit urllib3" in refused.text
    host.faults["*"] = status(503)
    assert names(site, "gone") == ["502"]
    host.faults.clear()
    assert host.paths("/simple/", "GET").count("/simple/") == 0  # never its whole list
    typed = []
    bad = json.dumps({"id": "MAL-2026-1", "affected": [{"package": {"ecosystem": "PyPI", "name": "tapes"}}]})
    host.add("list", body=("application/json", bad.encode()))
    (tmp_path / "malware.zip").write_text(bad, encoding="utf-8")
    ours = {"https://lists.example/malware.zip": f"{host.url}list/", "malware.zip": str(tmp_path / "malware.zip")}
    for line in lines("safe-by-default.md"):
        words = [ours.get(word, word) for word in shlex.split(line)]
        if line == "malware list":
            with pytest.raises(AssertionError, match="exit status 1"):  # there are hits
                site.must(*words)
            assert names(site, "tapes") == []
        else:
            site.must(*words)
        typed.append(line)
        if line.startswith("index rule main malware_mode warn"):
            assert "warning\ttapes-1.0-py3-none-any.whl\tmalware" in site.must("explain", "tapes")
        if line.startswith("upstream reserve"):
            assert names(site, "acme-later") == ["404"]
            assert host.paths("/simple/acme-later/") == []
        if line == "index rule main minimum_age 3d":  # of a project first asked for, upload times are believed
            assert names(site, "urllib3") == ["urllib3-1.0.tar.gz", "urllib3-2.0.tar.gz"]
            assert names(site, "tapes") == []
        if line == "index rule main minimum_age_mode warn":
            assert names(site, "tapes") == ["tapes-1.0-py3-none-any.whl"]
            assert "warning\ttapes-1.0" in site.must("explain", "tapes")
        if line == "index rule main minimum_age_mode enforce":
            assert names(site, "tapes") == []
            assert names(site, "acme-tool") == ["acme_tool-1.0-py3-none-any.whl"]
        if line.startswith("index rule main deny"):
            assert names(site, "urllib3") == ["urllib3-2.0.tar.gz"]
            assert names(site, "left-pad") == []
            hidden = site.ask(path)
            assert (hidden.status, "deny" in hidden.text) == (403, True)
        if line.startswith("explain"):
            said = site.must(*shlex.split(line))
            assert "answer\tupstream default" in said
            assert "hidden\turllib3-1.0.tar.gz\tdeny\tsince 20" in said
        if line.startswith("status acme-tool"):
            assert names(site, "acme-tool") == ([] if "quarantined" in line else ["acme_tool-1.0-py3-none-any.whl"])
    assert {line.split()[0] for line in typed} == {"upstream", "index", "explain", "status", "malware"}
    assert len(typed) == 21
