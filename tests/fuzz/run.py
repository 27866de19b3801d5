# SPDX-License-Identifier: Apache-2.0
"""Fuzz the readers of uploads, guided by what they execute (atheris), until the time is up or an oracle is wrong.

    python -m tests.fuzz.run [--seconds 60] [--into FOLDER] [TARGET ...]

Each target gets the same share of the time and runs in a process of its own, beginning with the saved corpus. An input
that an oracle stumbles over is written to FOLDER (`.test/fuzz` by default) and named; put it into the corpus with the
mend.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 8192  # bytes of an input
SECONDS_EACH = 30  # for one input: a thousand times what any takes on a machine at rest
MEGABYTES = 1024


def main(arguments: list[str]) -> int:
    """Run the targets one after the other; the exit code is that of the first that failed."""
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--into", type=Path, default=ROOT / ".test/fuzz")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*")
    chosen = parser.parse_args(arguments)
    if chosen.inside:
        return fuzz(chosen.targets[0], chosen.seconds, chosen.into)
    from tests.fuzz.targets import TARGETS

    names = chosen.targets or list(TARGETS)
    share = max(1, chosen.seconds // len(names))
    codes = []
    for name in names:
        command = [sys.executable, "-m", "tests.fuzz.run", "--inside", "--seconds", str(share)]
        print(f"--- {name}, {share} s", flush=True)
        codes.append(subprocess.run([*command, "--into", str(chosen.into), name], cwd=ROOT, check=False).returncode)
    return next((code for code in codes if code), 0)


def fuzz(name: str, seconds: int, into: Path) -> int:
    """Fuzz one target in this process, which ends with it."""
    atheris = import_module("atheris")  # which `make test` does without

    with atheris.instrument_imports(include=["packhouse.domain", "packhouse.web.receiving", "multipart"]):
        from tests.fuzz.targets import CORPUS, TARGETS

    target = TARGETS[name]
    found = into / name
    found.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={SECONDS_EACH}", f"-rss_limit_mb={MEGABYTES}",
        f"-artifact_prefix={into}/{name}-", "-print_final_stats=1", "-verbosity=0",
    ]  # fmt: skip
    if target.dictionary:
        words = into / f"{name}.words"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.dictionary))
        options.append(f"-dict={words}")
    atheris.Setup([sys.argv[0], *options, str(found), str(CORPUS / name)], target.check)
    atheris.Fuzz()
    return 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
