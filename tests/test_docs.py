# SPDX-License-Identifier: Apache-2.0
"""All there is to know is written down: settings, error codes, commands, addresses, decisions; links lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import click
import pytest
from django.urls import URLPattern, URLResolver

from packhouse.cli.main import packhouse
from packhouse.config import Settings

pytestmark = pytest.mark.docs

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*$")


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(field.name for field in fields(Settings)))
def test_every_setting_is_documented(name: str):
    assert f"`PACKHOUSE_{name.upper()}`" in text("docs/administrator.md")


def test_no_setting_is_documented_that_does_not_exist():
    known = {f"PACKHOUSE_{field.name.upper()}" for field in fields(Settings)}
    assert set(re.findall(r"^\| `(PACKHOUSE_\w+)`", text("docs/administrator.md"), re.MULTILINE)) <= known


MAKERS = {"refuse": 1, "by_rule": 1} | dict.fromkeys(
    ("Fault", "_refuse", "_forbidden", "_fault", "fault", "warn", "_judge_by_packaging"), 0
)
"""The functions that are given an error code, and the place of it among their arguments."""


def error_codes() -> set[str]:
    """Every code given to a function that makes a fault."""
    found: set[str] = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                found |= codes_of(node, MAKERS[name]) if name in MAKERS else set()
    return found


def codes_of(call: ast.Call, place: int) -> set[str]:
    """The code in a call's arguments when it is a literal, both codes when it is a choice of two."""
    found = set()
    for given in [*call.args[place : place + 1], *(k.value for k in call.keywords if k.arg == "code")]:
        parts = [given.body, given.orelse] if isinstance(given, ast.IfExp) else [given]
        found |= {p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)}
    return {code for code in found if CODE.match(code)}


def documented_codes() -> set[str]:
    return set(re.findall(r"^\| `([a-z0-9-]+)`", text("docs/upload-errors.md"), re.MULTILINE))


@pytest.mark.parametrize("code", sorted(error_codes()))
def test_every_error_code_is_documented(code: str):
    assert code in documented_codes(), "write it down in docs/upload-errors.md"


def commands(typed: str, command: click.Command) -> Iterator[str]:
    """Every command as it is typed."""
    if not isinstance(command, click.Group):
        yield typed
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(f"{typed} {name}", found)


@pytest.mark.parametrize("typed", sorted(commands("packhouse", packhouse)))
def test_every_command_is_documented(typed: str):
    assert f"`{typed}" in text("docs/commands.md")


def routes() -> Iterator[str]:
    """Every address of ours, in Django's spelling, without the ones libraries bring."""
    from packhouse.web.urls import urlpatterns

    yield from _routes("/", urlpatterns)


def _routes(prefix: str, patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        address = prefix + spelled(str(pattern.pattern))
        if isinstance(pattern, URLPattern):
            own = address in {"/index/<index>", "/index/<index>/<rest>"}
            yield address if own else address.replace("/index/<index>/", "/", 1)  # the same on every index
        elif str(getattr(pattern.urlconf_name, "__name__", "packhouse")).startswith("packhouse"):
            yield from _routes(address, pattern.url_patterns)


def spelled(pattern: str) -> str:
    """A route or a regular expression as an address: of alternatives the first, `<name>` for what varies."""
    address = re.sub(r"\(\?:([^|)]*)[^)]*\)(\?)?", lambda m: "" if m[2] else m[1], pattern)
    address = re.sub(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>", lambda m: f"<{m[1] or m[2]}>", address)
    return address.removeprefix("^").removesuffix("$").replace("/?", "/").replace("\\", "")


@pytest.fixture(scope="module")
def documented_addresses() -> str:
    return text("docs/addresses.md")


@pytest.mark.django_db
def test_every_address_is_documented(documented_addresses: str):
    missing = sorted(address for address in set(routes()) if f"`{address}`" not in documented_addresses)
    assert missing == []


def test_every_operation_of_the_api_is_documented():
    from packhouse.web.api.urls import OPERATIONS, PREFIX

    said = re.findall(r"^\| `([A-Z]+ /api/\S+)` \| (.*?)[.:]", text("docs/api.md"), re.MULTILINE)
    spelled_out = [
        (f"{one.method} /{PREFIX}{one.path.replace('<str:', '<').replace('<int:', '<')}", one.about)
        for one in OPERATIONS
    ]
    assert sorted(said) == sorted((request, re.split("[.:]", about)[0]) for request, about in spelled_out)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path):
    broken = [link for link in links(document) if not leads(document, link)]
    assert broken == []


def links(document: Path) -> list[str]:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", prose)


def leads(document: Path, link: str) -> bool:
    if re.match(r"(https?|mailto):", link):
        return True
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target)


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("decision", sorted((ROOT / "docs/adr").glob("0*.md")), ids=lambda file: file.name)
def test_every_decision_is_listed(decision: Path):
    assert f"]({decision.name})" in text("docs/adr/README.md")


def test_decisions_are_numbered_without_gaps_or_doubles():
    numbers = [int(file.name[:4]) for file in sorted((ROOT / "docs/adr").glob("0*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_make_target_is_documented():
    targets = set(re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE)) - {"help"}
    assert targets
    assert [t for t in sorted(targets) if f"`make {t}" not in text("CONTRIBUTING.md")] == []


def test_documents_named_in_the_source_exist():
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "src").rglob("*.html")]
    named = {name for file in sources for name in re.findall(r"docs/[\w/-]+\.md", file.read_text(encoding="utf-8"))}
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_test_that_shows_conformance_exists():
    named = set(re.findall(r"`((?:\w+/)?test_\w+\.py)::(test_\w+)`", text("docs/conformance.md")))
    assert len(named) > 100
    missing = [(file, name) for file, name in sorted(named) if f"\ndef {name}(" not in text(f"tests/{file}")]
    assert missing == []


SECTIONS = """
    1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1 4.3:2 4.4:4
    5.1:1 5.2:3 5.3:2 5.4:3 6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2 7.4:5 7.5:2 7.6:2 8.1:2
    8.2:3 8.3:1 8.4:1 9.1:3 9.2:4 10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2 10.7:3 11.1:2 11.2:3 11.3:3 11.4:4
    11.5:1 11.6:1 12.1:3 12.2:2 12.3:4 13.1:1 13.2:5 13.3:2 13.4:5 14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7
    16.1:1 16.2:5 16.3:4 16.4:3 16.5:3 17.1:1 17.2:4 17.3:2
"""
"""Of each section of ASVS 5.0 with requirements of level 1 or 2, how many: they are the first of it."""


def security_rows(start: str) -> list[list[str]]:
    """The rows of the tables of docs/security.md that begin so: each its cells."""
    table = text("docs/security.md").partition("## Checked against ASVS")[2]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines() if re.match(start, line)
    ]


def test_every_requirement_of_asvs_has_its_row():
    wanted = [
        f"V{section}.{number}"
        for section, count in (one.split(":") for one in SECTIONS.split())
        for number in range(1, int(count) + 1)
    ]
    assert len(wanted) == 253
    assert [row[0] for row in security_rows(r"\| V[0-9]")] == wanted


def test_what_is_said_of_security_has_its_ground():
    rows = security_rows(r"\| V[0-9]|\| (authentication|authorization|general|command line) [0-9]")
    assert len(rows) == 253 + 29
    states = [row[-2] for row in rows if row[0].startswith("V")]
    said = re.search(
        r"Of ASVS (\d+) are met, (\d+) partly, (\d+) not; (\d+) are", text("docs/security.md").replace("\n", " ")
    )
    assert said
    assert [int(n) for n in said.groups()] == [states.count(s) for s in ("met", "partly", "not met", "not applicable")]
    for row in rows:
        assert row[-2] in {"met", "partly", "not met", "not applicable"}, row
        assert len(row[-1]) > 5, row
        for file, name in re.findall(r"`((?:\w+/)?test_\w+\.py)(?:::(test_\w+))?`", row[-1]):
            assert not name or f"\ndef {name}(" in text(f"tests/{file}"), (row[0], file, name)
            assert (ROOT / "tests" / file).exists(), (row[0], file)
        for code in re.findall(r"`((?:web|site|services|domain|storage|catalogue|edge)/(?!test_)[\w/.]+)`", row[-1]):
            assert (ROOT / "src/packhouse" / code).exists(), (row[0], code)


def test_every_test_that_shows_what_is_kept_exists():
    rows = [line for line in text("docs/durability.md").splitlines() if line.startswith("| ") and "`test_" in line]
    assert len(rows) >= 4
    for row in rows:
        files = [text(file) for file in re.findall(r"`(tests/\w+/test_\w+\.py)`", row)]
        for prefix in re.findall(r"`(test_\w+_)\.\.\.`", row):
            assert any(f"def {prefix}" in file for file in files), prefix


@pytest.mark.parametrize(
    ("prefix", "first", "last"),
    [
        *(("U", 1, 13), ("N", 1, 16), ("H", 1, 12), ("J", 1, 15), ("D", 1, 7), ("F", 1, 9), ("Y", 1, 9), ("C", 1, 9)),
        *(
            ("E", 1, 13),
            ("AU", 1, 10),
            ("check ", 1, 40),
            ("hostile ", 156, 172),
            ("hostile ", 179, 202),
            ("hostile ", 217, 220),
            ("hostile ", 245, 252),
            ("hostile ", 267, 276),
            ("decision ", 1, 8),
        ),
    ],
)
def test_every_line_of_the_contracts_has_its_row(prefix: str, first: int, last: int):
    table = text("docs/conformance.md")
    assert [n for n in range(first, last + 1) if f"\n| {prefix}{n} | " not in table] == []
