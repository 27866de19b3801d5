# SPDX-License-Identifier: Apache-2.0
"""What others install: the wheel and the sdist hold what is needed, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import BytesParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_architecture import imported

pytestmark = pytest.mark.slow

LEFT_OUT = {"packhouse/faults.py"}
"""What only the source tree has."""

EXPLANATIONS = "packhouse/web/upload-errors.md"
"""What only the wheel has: the source has it in docs/."""

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def wheel(built: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(built.glob("*.whl")))


def test_the_wheel_holds_every_source_template_and_static_file(built: Path):
    source = ROOT / "src"
    ours = {str(f.relative_to(source)) for f in source.rglob("*") if f.is_file() and "__pycache__" not in f.parts}
    with wheel(built) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name} - {EXPLANATIONS}
        assert archive.read(EXPLANATIONS) == (ROOT / "docs/upload-errors.md").read_bytes()
    assert ours >= LEFT_OUT
    assert held == {name for name in ours - LEFT_OUT if not name.endswith(".gitkeep")} | {
        n for n in held if n.endswith(".gitkeep")
    }
    assert "packhouse/py.typed" in held


def test_nothing_installed_makes_faults_on_purpose(built: Path, tmp_path: Path):
    with wheel(built) as archive:
        archive.extractall(tmp_path)  # noqa: S202 - our own wheel
    command = [
        sys.executable,
        "-P",
        "-m",
        "packhouse",
        "serve",
        "--upstream",
        "none",
        "--port",
        "0",
        "--data",
        str(tmp_path / "data"),
    ]
    environment = {"PYTHONPATH": str(tmp_path), "PACKHOUSE_FAULT": "s8:kill"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "only the source tree can make faults" in done.stderr


def test_the_wheels_metadata_says_what_it_is(built: Path):
    with wheel(built) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = BytesParser().parsebytes(archive.read(name))
        entries = archive.read(name.replace("METADATA", "entry_points.txt")).decode()
        assert name.replace("METADATA", "licenses/LICENSE") in archive.namelist()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert len(metadata.get_all("Requires-Dist", [])) == len(PROJECT["dependencies"])
    assert "packhouse = packhouse.cli.main:main" in entries


def test_the_sdist_holds_the_tests_and_no_data(built: Path):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "tests/conftest.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", "data", ".test"))]


def test_the_wheel_runs_away_from_the_source(built: Path, tmp_path: Path):
    with wheel(built) as archive:
        archive.extractall(tmp_path)  # noqa: S202 - our own wheel
    command = [sys.executable, "-P", "-m", "packhouse", "--version"]
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("packhouse")


def pinned(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    parsed = [Requirement(line.rstrip("\\ ").strip()) for line in lines if line and line[0].isalnum()]
    return {requirement.name: str(requirement.specifier).removeprefix("==") for requirement in parsed}


FOUND_BY_NAME = {
    "argon2-cffi": "Django's password hasher looks for it",
    "django-htmx": "an app and a middleware in Django's settings",
    "psycopg": "Django's back end for PostgreSQL",
}
"""Dependencies that nothing of ours need import."""


def test_every_dependency_is_used_and_everything_used_is_a_dependency():
    owners = dict(packages_distributions())
    imports = {name.partition(".")[0] for file in (ROOT / "src").rglob("*.py") for name in imported(file)}
    foreign = imports - set(sys.stdlib_module_names) - {"packhouse", ""}
    used = {canonicalize_name(owners[module][0]) for module in foreign}
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert used - declared == set()
    assert declared - used - FOUND_BY_NAME.keys() == set()


def test_everything_the_tests_use_is_pinned():
    owners = dict(packages_distributions())
    imports = {name.partition(".")[0] for file in (ROOT / "tests").rglob("*.py") for name in imported(file)}
    foreign = imports - set(sys.stdlib_module_names) - {"packhouse", "tests", "benchmarks", ""}
    used = {str(canonicalize_name(owners[module][0])) for module in foreign}
    assert used - pinned("runtime.txt").keys() - pinned("test.txt").keys() == set()


@pytest.mark.parametrize("requirement", PROJECT["dependencies"])
def test_what_we_ship_with_satisfies_what_we_declare(requirement: str):
    declared = Requirement(requirement)
    assert declared.specifier.contains(pinned("runtime.txt")[declared.name])
    assert ">=" in str(declared.specifier)


@pytest.mark.parametrize("file", ["runtime.txt", "build.txt", "test.txt", "clients.txt", "clients-pdm.txt"])
def test_every_pinned_requirement_has_hashes_and_no_address(file: str):
    text = (ROOT / "requirements" / file).read_text(encoding="utf-8")
    assert "://" not in text
    assert all("--hash=sha256:" in entry for entry in text.replace("\\\n", " ").splitlines() if entry[:1].isalnum())


def test_shared_requirements_have_one_version():
    runtime, test = pinned("runtime.txt"), pinned("test.txt")
    assert {name: test[name] for name in runtime.keys() & test.keys()} == {
        n: runtime[n] for n in runtime.keys() & test.keys()
    }
