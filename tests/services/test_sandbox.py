# SPDX-License-Identifier: Apache-2.0
"""What a sandboxed process can no longer do, tried in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"

BEGIN = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
from packhouse.services import sandbox
"""


def run(code: str, argument: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(SOURCE), argument],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    "deed",
    [
        "socket.socket()",
        "socket.socketpair()",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.kill(os.getppid(), 0)",
        "open(sys.argv[2], 'w')",
        "open(sys.argv[2], 'r+')",
        "os.unlink(sys.argv[2])",
        "os.rename(sys.argv[2], sys.argv[2] + 'x')",
        "os.mkdir(sys.argv[2] + 'd')",
        "os.symlink('x', sys.argv[2] + 'l')",
        "os.chmod(sys.argv[2], 0o777)",
        "os.truncate(sys.argv[2], 0)",
        "os.memfd_create('x')",
    ],
)
def test_forbidden(deed: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x")
    code = f"""
if not sandbox.forbid(sandbox.make_filter()):
    print("no filter here"); sys.exit(0)
try:
    {deed}
except PermissionError:
    print("refused")
"""
    done = run(code, str(victim))
    if "no filter here" in done.stdout:
        pytest.skip("this machine has no such filter")
    assert done.stdout == "refused\n", done
    assert [path.name for path in tmp_path.iterdir()] == ["victim"]
    assert victim.read_text() == "x"


def test_reading_goes_on(tmp_path: Path) -> None:
    readable = tmp_path / "file"
    readable.write_text("content")
    done = run(
        "sandbox.forbid(sandbox.make_filter())\nimport zipfile, json\nprint(open(sys.argv[2]).read())", str(readable)
    )
    assert done.stdout == "content\n", done


@pytest.mark.parametrize(
    ("limits", "deed"),
    [
        ("memory=sandbox.address_space() + (1 << 20), cpu_seconds=10, wall_seconds=10.0", "bytearray(64 << 20)"),
        (
            "memory=1 << 30, cpu_seconds=1, wall_seconds=20.0",
            "while True: pass",
        ),
        ("memory=1 << 30, cpu_seconds=10, wall_seconds=0.1", "__import__('time').sleep(10)"),
        (
            "memory=1 << 30, cpu_seconds=10, wall_seconds=10.0",
            "open(sys.argv[2], 'wb', 0).write(b'x' * 100)",
        ),
    ],
    ids=["memory", "cpu", "wall", "files"],
)
def test_limits(limits: str, deed: str, tmp_path: Path) -> None:
    done = run(
        f"sandbox.limit({limits})\nprint('limited', flush=True)\n{deed}\nprint('survived')", str(tmp_path / "file")
    )
    assert done.returncode != 0
    assert done.stdout == "limited\n", done


def test_limits_may_be_set_again_within_the_first() -> None:
    done = run("""
import resource
first = {"memory": 1 << 40, "cpu_seconds": 5, "wall_seconds": 20.0, "more_cpu_seconds": 7}
sandbox.limit(**first)
print(resource.getrlimit(resource.RLIMIT_CPU))
sandbox.limit(**first | {"cpu_seconds": 50})
print(resource.getrlimit(resource.RLIMIT_CPU))
""")
    assert done.stdout == "(6, 13)\n(13, 13)\n", done


def test_a_network_of_its_own() -> None:
    done = run("""
before = os.readlink("/proc/self/ns/net")
if sandbox.leave_network():
    assert os.readlink("/proc/self/ns/net") != before
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=5)
    except OSError as error:
        print("unreachable", error.errno)
else:
    print("not permitted")
""")
    if "not permitted" in done.stdout:
        pytest.skip("this machine permits no network of one's own")
    assert done.stdout == "unreachable 101\n", done


def test_only_some_files_can_be_seen(tmp_path: Path) -> None:
    for folder in ("open", "closed"):
        tmp_path.joinpath(folder).mkdir()
        tmp_path.joinpath(folder, "file").write_text(folder)
    done = run(
        """
import os.path
top = sys.argv[2]
if not sandbox.see_only([top + "/open", top + "/missing"]):
    print("no such thing here"); sys.exit(0)
print(open(top + "/open/file").read(), os.listdir(top + "/open"))
for deed in (
    lambda: open(top + "/closed/file"), lambda: open(top + "/open/file", "w"), lambda: open(top + "/open/new", "w"),
    lambda: os.listdir(top), lambda: open("/etc/passwd"), lambda: open("/proc/self/environ"),
    lambda: open(top + "/open/../closed/file"),
):
    try:
        deed()
    except PermissionError:
        print("refused")
""",
        str(tmp_path),
    )
    if "no such thing" in done.stdout:
        pytest.skip("this kernel has no Landlock")
    assert done.stdout == "open ['file']\n" + "refused\n" * 7, done


def test_a_forked_process_is_a_child_that_runs_on() -> None:
    code = """
child = sandbox.fork()
if child == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), child != os.getpid())
"""
    assert run(code).stdout.split() == ["7", "True"]


def test_a_fork_the_system_refuses_is_an_error() -> None:
    code = """
sandbox.forbid(sandbox.make_filter()) or (print("no filter here"), sys.exit(0))
try:
    sandbox.fork()
except PermissionError:
    print("refused")
"""
    done = run(code)
    assert done.stdout.strip() in {"refused", "no filter here"}, done.stderr


def test_using_up_gaps_takes_little_and_ends() -> None:
    code = """
kept = [bytes(n % 4000) for n in range(20_000)]
del kept[::2]
before = sandbox.address_space()
sandbox.use_up_gaps()
print(sandbox.address_space() - before)
"""
    assert int(run(code).stdout) < 4 * 1024 * 1024
