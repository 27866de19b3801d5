# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks`: measure everything, then write the document."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.document import write_document
from benchmarks.findings import read_records
from benchmarks.installing import install
from benchmarks.large import measure_large
from benchmarks.others import others
from benchmarks.peers import PEERS
from benchmarks.pulling import pull
from benchmarks.reading import read
from benchmarks.scene import set_up
from benchmarks.sizes import TINY, Sizes
from benchmarks.starting import start_again
from benchmarks.uploads import upload
from benchmarks.working import memory_under_load, publish_and_read, with_two_workers

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
PARTS = {
    "start": start_again,
    "read": read,
    "install": install,
    "upload": upload,
    "fresh": publish_and_read,
    "pull": pull,
    "load": memory_under_load,
    "large": measure_large,
    "two": with_two_workers,
    "peers": others,
}


def options(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--scratch", type=Path, help="an empty folder for data and results [a temporary one]")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="where the document goes [%(default)s]")
    parser.add_argument("--names", type=Path, help="a table of project names (first column, tabs, with a heading)")
    parser.add_argument("--rounds", type=int, help="how often everything is repeated")
    parser.add_argument("--seconds", type=float, help="of load for a case")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="measure this alone; may be repeated")
    parser.add_argument("--peers", action="store_true", help="measure the other indexes, too")
    parser.add_argument("--plenty", type=Path, help="a data folder that load_catalogue filled, for large pages")
    parser.add_argument("--peer", action="append", choices=[p.name for p in PEERS], help="of the others, this alone")
    parser.add_argument("--tiny", action="store_true", help="next to nothing, to see that the suite works")
    parser.add_argument("--write", type=Path, metavar="RESULTS", help="measure nothing; write of these results")
    return parser.parse_args(arguments)


def sizes_of(chosen: argparse.Namespace) -> Sizes:
    """The sizes that the command line asks for."""
    sizes = TINY if chosen.tiny else Sizes()
    given = {name: value for name in ("rounds", "seconds") if (value := getattr(chosen, name)) is not None}
    return replace(sizes, **given)


def measure(chosen: argparse.Namespace, sizes: Sizes) -> Path:
    """Measure; returns the file of results."""
    folder = chosen.scratch or Path(tempfile.mkdtemp(prefix="packhouse-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    with set_up(sizes, folder, chosen.names, tuple(chosen.peer or ()), chosen.plenty) as scene:
        for part in chosen.part or [part for part in PARTS if part != "peers" or chosen.peers or chosen.peer]:
            PARTS[part](scene)
    return Path(folder, "results.jsonl")


def main(arguments: list[str]) -> int:
    """Measure and write; returns the exit status."""
    chosen = options(arguments)
    sizes = sizes_of(chosen)
    results = chosen.write or measure(chosen, sizes)
    write_document(chosen.document, read_records(results), sizes)
    print(f"Wrote {chosen.document} from {results}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
