# SPDX-License-Identifier: Apache-2.0
"""docs/api.md, word by word: every command of it, in order, against a running server, and what it prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.http.client import Site, fresh, wheel

pytestmark = pytest.mark.once

CHAPTER = (Path(__file__).resolve().parents[2] / "docs/api.md").read_text(encoding="utf-8")
VARIES = {
    *("sha256", "size", "uploaded", "expires", "serial", "at", "made", "created", "id", "token", "begins"),
    *("type", "help", "used", "ended", "made_by"),
}
"""Members whose values differ from server to server; that they are there is what counts."""


def examples() -> Iterator[tuple[str, str]]:
    """Each command of the chapter with what it prints."""
    for block in re.findall(r"^```console\n(.*?)^```", CHAPTER, re.MULTILINE | re.DOTALL):
        for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = one.partition("\n")
            yield command, printed.strip()


def same(said: Any, printed: Any, key: str = "") -> bool:
    """Whether two answers say the same but for what varies."""
    if isinstance(said, dict):
        return isinstance(printed, dict) and said.keys() == printed.keys() and all(
            same(value, printed[name], name) for name, value in said.items()
        )  # fmt: skip
    if isinstance(said, list):
        fits = isinstance(printed, list) and len(said) == len(printed)
        return fits and all(same(*pair) for pair in zip(said, printed, strict=True))
    return type(said) is type(printed) and (key in VARIES or said == printed)


def translated(text: str, ours: dict[str, str]) -> str:
    """The chapter's names as those of this server."""
    for word, meant in ours.items():
        text = re.sub(word, meant, text)
    return text


def label_of(site: Site, person: str) -> str:
    """What the one token of a person is called."""
    found = re.search(r"token-[0-9a-f]+", site.must("token", "list", person))
    assert found
    return found[0]


def test_every_example_does_what_it_says(site: Site) -> None:
    ann, bob, prod = site.make_user(), site.make_user(), fresh("prod")
    project = fresh("tapes")
    site.must("index", "create", prod)
    scopes = [word for scope in ("upload", "read", "yank", "manage") for word in ("--scope", scope)]
    token = site.make_token(ann, *scopes)
    site.publish(wheel(project), token=token)
    ours = {r"\btapes-1\.0": f"{project.replace('-', '_')}-1.0", r"\btapes\b(?!_)": project, r"\bprod\b": prod,
            r"\bann\b": ann.name, r"\bbob\b": bob.name,
            "2026-12-01T12:00:00Z": f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
            '"automation"': f'"{label_of(site, ann.name)}"'}  # fmt: skip
    variables, ran = {"TOKEN": token, "SERVER": site.server.url}, 0
    for command, printed in (tuple(translated(part, ours) for part in example) for example in examples()):
        done = subprocess.run(
            ["bash", "-c", command], env=os.environ | variables, capture_output=True, timeout=60, check=True, text=True
        )
        said = json.loads(done.stdout)
        variables |= {"JOB_TOKEN": said["token"]} if "token" in said else {}
        assert same(said, json.loads(printed)), f"{command}\nprints\n{done.stdout}\nexpected\n{printed}"
        ran += 1
    assert ran >= 9
