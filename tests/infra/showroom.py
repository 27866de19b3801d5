# SPDX-License-Identifier: Apache-2.0
"""A furnished server: what the pictures of the documentation show, and what is measured of pages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.corpus import make_wheel
from tests.infra.server import Person, Server, environment, finish, start

README = """# Tapes

Magnetic tapes for everybody: open one, find a place on it, read, write, and put it back.

## Use

```python
from tapes import Tape

with Tape("holiday.tape") as tape:
    tape.wind(minutes=12)
    print(tape.read(seconds=30))
```

Blank tapes come in sizes of 30, 60 and 90 minutes. See the [changes](#changes) of each version.

## Changes

- **2.1** winds twice as fast.
- **2.0** reads both sides.
"""
FACTS = (
    "Requires-Python: >=3.9",
    "License-Expression: Apache-2.0",
    "Project-URL: Source, https://git.example.org/acme/tapes",
    "Classifier: Topic :: Multimedia :: Sound/Audio",
    "Keywords: tape,audio,recorder",
    "Requires-Dist: attrs",
    "Description-Content-Type: text/markdown",
)
PROJECTS = {
    "spools": ("0.4", "Spools, hubs and reels to wind tapes on"),
    "acme-recorder": ("1.3", "Records from any line into tapes"),
    "tape-labels": ("3.0.1", "Prints the labels on the boxes"),
}
_COUNTS = """
from datetime import timedelta
from packhouse import bootstrap, config
settings = config.load(); bootstrap.connect(settings)
from django.utils.timezone import now
from packhouse.catalogue.activity.models import ProjectDownloads, ProjectTotal
today = now().date()
for name, size in (("tapes", 40), ("", 90), ("spools", 12)):
    total = 0
    for ago in range(60):
        day = today - timedelta(days=ago)
        weekend = 0.35 if day.weekday() > 4 else 1
        for share, installer, python in ((6, "uv", "3.13"), (3, "pip", "3.12"), (1, "pip", "3.9")):
            count = int(size * weekend * share / 10 * (1 + (ago * 7 % 11) / 20) * (1 if ago > 9 else 1.5))
            total += count if ago < 30 else 0
            ProjectDownloads.objects.create(
                index_name="main", project=name, day=day, installer=installer, python=python, count=count
            )
    if name:
        since = today - timedelta(days=29)
        ProjectTotal.objects.create(index_name="main", project=name, since=since, month=total, total=total * 2)
"""


@dataclass(frozen=True)
class Showroom:
    """The server, and the cookies of people signed in, by name: ada owns things, root administers."""

    server: Server
    states: dict[str, Any]


@contextmanager
def showroom(browser: Browser, folder: Path) -> Iterator[Showroom]:
    """A server with projects, downloads, an organization, tokens and indexes; it ends with the block."""
    server = start(folder / "data")
    try:
        people = {"root": server.make_user("root", admin=True)} | {
            name: server.make_user(name) for name in ("ada", "grace", "linus")
        }
        _furnish(server)
        extra = environment(server.extra | {"PACKHOUSE_DATA": str(server.data)})
        subprocess.run([sys.executable, "-c", _COUNTS], env=extra, check=True, timeout=60)
        yield Showroom(server, {name: _sign_in(browser, server, people[name]) for name in ("ada", "root")})
    finally:
        finish(server)


def _furnish(server: Server) -> None:
    token = server.must("token", "create", "ada", "--name", "laptop")
    for name, (version, summary) in PROJECTS.items():
        _publish(server, token, name, version, summary, "# Words\n\nA few.")
    for version in ("1.0", "1.1", "2.0", "2.1"):
        _publish(server, token, "tapes", version, "Magnetic tapes for everybody", README)
    server.must("yank", "tapes==1.1", "--reason", "winds backwards on Windows")
    server.must("token", "create", "ada", "--name", "build server", "--project", "tapes", "--from", "192.0.2.0/24")
    server.must("organization", "create", "acme", "--owner", "ada", "--title", "Acme Recorders")
    server.must("organization", "member", "acme", "grace", "--role", "manager")
    server.must("organization", "member", "acme", "linus")
    server.must("organization", "transfer", "tapes", "--to", "acme")
    server.must("organization", "transfer", "acme-recorder", "--to", "acme")
    release = ("--add", "grace", "--add", "linus", "--project", "tapes", "--role", "maintainer")
    server.must("organization", "team", "acme", "release", *release)
    server.must("index", "create", "staging", "--layer", "own")
    server.must("index", "create", "company", "--read", "closed", "--layer", "index:staging", "--layer", "index:main")
    server.must("index", "grant", "company", "acme")
    server.must("index", "rule", "company", "minimum_age", "7d")
    server.must("invitation", "create", "--limit", "30", "--note", "Python 101, spring", "--guest", "90d")


def _publish(server: Server, token: str, name: str, version: str, summary: str, readme: str) -> None:
    status, said = server.publish(token, *make_wheel(name, version, summary=summary, description=readme, lines=FACTS))
    assert status == 200, said


def _sign_in(browser: Browser, server: Server, person: Person) -> Any:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{server.url}/account/login/")
    page.get_by_label("Username", exact=True).fill(person.name)
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/manage/projects/")
    state = context.storage_state()
    context.close()
    return state
