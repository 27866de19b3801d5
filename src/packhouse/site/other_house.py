# SPDX-License-Identifier: Apache-2.0
"""What is done with another house than ours, in a process of its own: Django is set up once in each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from packhouse import config
from packhouse.config import Settings
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.row_stores import shown


def in_child(settings: Settings, task: str) -> list[dict[str, Any]]:
    """Have a process of its own do something with another house: `tables` makes them, `verify` and `quick` look.

    Returns what it says. Raises what it is refused.
    """
    told = {"PACKHOUSE_DATA": str(settings.data), "PACKHOUSE_DATABASE": settings.database or ""}
    told["PACKHOUSE_STORAGE"] = settings.storage or ""
    done = subprocess.run(
        [sys.executable, "-m", "packhouse.site.other_house", task],
        env={**os.environ, **told, "PACKHOUSE_FAULT": ""},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    refused = next((line for line in lines if "refused" in line), None)
    if refused is not None or done.returncode:
        sentence = refused["refused"] if refused else f"Looking at {shown(settings)} failed; see what it said above."
        raise refuse(Kind.UNAVAILABLE, "move-target-failed", sentence)
    return lines


def _child(task: str) -> None:
    from packhouse import bootstrap

    settings = config.load(data=Path(os.environ["PACKHOUSE_DATA"]))
    bootstrap.configure(settings)
    from packhouse.catalogue.migrating import migrate
    from packhouse.services.verifying import Survey, verify

    if task == "tables":
        migrate(settings)
        return
    for problem in verify(Survey(bootstrap.resources(settings), quick=task == "quick")):
        print(json.dumps({"code": problem.code, "sentence": problem.sentence}))  # noqa: T201 - to whom started it


if __name__ == "__main__":
    try:
        _child(sys.argv[1])
    except PackhouseError as refusal:
        print(json.dumps({"refused": refusal.faults[0].message}))  # noqa: T201 - to whom started it
