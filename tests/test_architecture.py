# SPDX-License-Identifier: Apache-2.0
"""The house's own rules, read off the source (import contracts are import-linter's, in `make check`)."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
HAND_WRITTEN = [file for file in SOURCES if "migrations" not in file.parts]
LONGEST = 400
SPDX = "# SPDX-License-Identifier: Apache-2.0"
UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill", "xml.etree.ElementTree", "xml.dom.minidom", "xml.sax"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "yaml.load", "os.system", "os.popen", "tempfile.mktemp"}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic"}
NOT_OUR_WORDS = {"package", "packages", "artifact", "registry", "repo", "helper", "helpers", "utils", "common", "base"}


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute; "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def called(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Call):
            yield node.lineno, dotted(node.func)


def test_every_module_names_its_licence_first():
    def named(file: Path) -> bool:
        return SPDX in file.read_text(encoding="utf-8").split("\n")[:2]

    assert [name_of(file) for file in HAND_WRITTEN + TESTS if not named(file)] == []


def test_every_module_says_what_it_is():
    assert [name_of(file) for file in HAND_WRITTEN if not ast.get_docstring(tree(file))] == []


def test_hostile_251_nothing_is_unpickled_evaluated_or_read_by_an_unsafe_parser():
    assert [name_of(file) for file in SOURCES if UNSAFE_MODULES & set(imported(file))] == []
    assert [(name_of(file), line) for file in SOURCES for line, name in called(file) if name in UNSAFE_CALLS] == []


def test_no_shell_is_started():
    keywords = ((f, node) for f in SOURCES for node in ast.walk(tree(f)) if isinstance(node, ast.keyword))
    shells = [(file, node.value) for file, node in keywords if node.arg == "shell"]
    assert [name_of(f) for f, value in shells if not (isinstance(value, ast.Constant) and value.value is False)] == []


def test_the_domain_reads_no_clock_and_opens_no_file():
    opened = {"read_text", "read_bytes", "write_text", "write_bytes"}
    found = []
    for file in (file for file in HAND_WRITTEN if "domain" in file.parts):
        for line, name in called(file):
            owner, _, method = name.rpartition(".")
            clock = method in CLOCKS and owner.rsplit(".", 1)[-1] in {"datetime", "date", "time", "timezone"}
            if clock or name == "open" or method in opened:
                found.append(f"{name_of(file)}:{line} {name}")
    assert found == []


def test_one_place_chooses_the_sqlite_library():
    """docs/adr/0002: two libraries on one file would bring the corruption back."""
    libraries = {"sqlite3", "sqlite3.dbapi2", "pysqlite3", "pysqlite3.dbapi2"}
    assert [name_of(f) for f in SOURCES if libraries & set(imported(f))] == ["src/packhouse/storage/sqlite.py"]


def test_files_are_called_by_our_words():
    named = [name_of(file) for file in SOURCES if file.stem in NOT_OUR_WORDS]
    assert named == ["src/packhouse/catalogue/sqlite/base.py"]  # the name under which Django looks for a back end


def test_files_stay_short():
    long = {name_of(f): n for f in HAND_WRITTEN if (n := len(f.read_text(encoding="utf-8").splitlines())) > LONGEST}
    if long:
        warnings.warn(f"longer than {LONGEST} lines: {long}", UserWarning, stacklevel=1)


def test_tests_stand_where_the_source_stands():
    """A test folder mirrors a folder of the source, or holds what crosses them all."""
    across = {"infra", "http", "browser", "clients", "contract", "crash", "end_to_end", "fuzz", "performance"}
    folders = {file.relative_to(ROOT / "tests").parts[0] for file in TESTS if file.parent != ROOT / "tests"}
    ours = {path.name for path in (ROOT / "src/packhouse").iterdir() if path.is_dir()}
    assert folders <= ours | across


def test_no_file_names_a_machines_path_or_somebody_elses_index():
    hosts = ["pypi" + ".org", "python" + "hosted.org", "registry." + "npmjs"]
    places = ["/work" + "/", "/root/." + "pyenv"]
    for file in [
        *SOURCES,
        *TESTS,
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(file for file in (ROOT / "requirements").rglob("*") if file.is_file()),
    ]:
        text = file.read_text(encoding="utf-8")
        assert not [word for word in hosts + places if word in text], name_of(file)
