# SPDX-License-Identifier: Apache-2.0
"""Packhouse's commands in one process that stays: to start Python for each takes a second.

`Desk` runs commands beside a server, as a person at its terminal would; `python -m tests.infra.desk` is its process.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.infra.server import environment

ROOT = Path(__file__).resolve().parents[2]


class Desk:
    """Runs commands on a data folder."""

    def __init__(self, data: Path, extra: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.infra.desk"],
            cwd=ROOT,
            env=environment({"PACKHOUSE_DATA": str(data), **(extra or {})}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def must(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that has to succeed; its output without the last line break."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([arguments, stdin]) + "\n")
        self._process.stdin.flush()
        done = json.loads(self._process.stdout.readline())
        assert done["error"] == "", done["error"]
        return str(done["output"]).rstrip("\n")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def run(arguments: list[str], stdin: str) -> dict[str, str]:
    """Run one command in this process."""
    from packhouse.cli.main import packhouse

    output, error = io.StringIO(), ""
    sys.stdin = io.StringIO(stdin)
    with contextlib.redirect_stdout(output):
        try:
            packhouse.main(arguments, prog_name="packhouse", standalone_mode=False)
        except SystemExit as ended:
            error = f"exit status {ended.code}" if ended.code else ""
        except Exception as failure:  # noqa: BLE001 - whatever it was, the test wants to read it
            error = f"{type(failure).__name__}: {failure}"
    return {"output": output.getvalue(), "error": error}


def main() -> None:
    """Run the commands that come by standard input, one a line."""
    lines, answers = sys.stdin, sys.stdout
    for line in lines:
        answers.write(json.dumps(run(*json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
