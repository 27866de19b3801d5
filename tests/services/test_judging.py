# SPDX-License-Identifier: Apache-2.0
"""Judging in processes that may die: limits, healing, many askers, and nothing to steal."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.corpus import make_sdist, make_wheel

from packhouse.domain.policy import PRIVATE, STRICT, Profile
from packhouse.errors import Kind, PackhouseError
from packhouse.services.judging import Judgement, Limits, SandboxedJudge

MARKDOWN = ["Description-Content-Type: text/markdown"]
RST = ["Description-Content-Type: text/x-rst"]


@pytest.fixture(scope="module")
def judge() -> Iterator[SandboxedJudge]:
    made = SandboxedJudge()
    yield made
    made.close()


def ask(
    judge: SandboxedJudge, folder: Path, made: tuple[str, bytes], profile: Profile = PRIVATE, sender: str = ""
) -> Judgement:
    path = folder / "upload"
    path.write_bytes(made[1])
    return judge.judge(path, made[0], profile, sender)


def kept(judge: SandboxedJudge) -> dict[str, int]:
    """The processes that stay for their senders' next files, by the number of the socket they are asked by."""
    return {sender: answer.fileno() for sender, answer in judge._kept._of.items()}


def children(judge: SandboxedJudge) -> list[int]:
    """All processes that wait for files, or for the next file of a sender."""
    (process,) = judge._children
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def codes(judgement: Judgement) -> list[str]:
    return [fault.code for fault in judgement.faults]


def test_a_sound_wheel(judge: SandboxedJudge, tmp_path: Path) -> None:
    made = make_wheel("Foo.Bar", "1.0", lines=[*MARKDOWN, "Project-URL: Home, https://example.org"], description="# Hi")
    judgement = ask(judge, tmp_path, made)
    assert not judgement.faults
    assert not judgement.warnings
    assert judgement.core is not None
    assert judgement.core.project_urls == (("Home", "https://example.org"),)
    assert judgement.description_html is not None
    assert "<h1" in judgement.description_html
    assert judgement.metadata.endswith(b"# Hi")


def test_a_sound_sdist(judge: SandboxedJudge, tmp_path: Path) -> None:
    judgement = ask(judge, tmp_path, make_sdist("foo", "1.0"))
    assert judgement.core is not None
    assert judgement.description_html is None


def test_all_faults_come_back_in_order(judge: SandboxedJudge, tmp_path: Path) -> None:
    made = make_wheel("foo", "1.0", without=["WHEEL"], record=b"x", lines=["Requires-Python: abc"])
    judgement = ask(judge, tmp_path, made)
    assert codes(judgement)[0] == "requires-python-invalid"
    assert {"wheel-missing", "record-unreadable"} < set(codes(judgement))
    assert judgement.core is None


def test_a_bad_filename_is_a_fault(judge: SandboxedJudge, tmp_path: Path) -> None:
    assert codes(ask(judge, tmp_path, ("../x.whl", b""))) == ["filename-with-path"]
    assert codes(ask(judge, tmp_path, ("foo-1.0-py3-none-any.whl", b""))) == ["archive-unreadable"]


@pytest.mark.parametrize(("profile", "refused"), [(PRIVATE, False), (STRICT, True)])
def test_D16_a_description_that_does_not_render(
    judge: SandboxedJudge, tmp_path: Path, profile: Profile, refused: bool
) -> None:
    judgement = ask(judge, tmp_path, make_wheel("foo", "1.0", lines=RST, description=".. nonsense::\n"), profile)
    assert judgement.description_html is None
    said = judgement.faults if refused else judgement.warnings
    assert [fault.code for fault in said] == ["description-not-rendered"]
    assert (judgement.core is None) == refused


def test_plain_text_is_left_to_the_page(judge: SandboxedJudge, tmp_path: Path) -> None:
    made = make_wheel("foo", "1.0", lines=["Description-Content-Type: text/plain"], description="<b>")
    judgement = ask(judge, tmp_path, made)
    assert judgement.description_html is None
    assert not judgement.warnings


@pytest.mark.slow
def test_hostile_146_a_description_that_hangs_becomes_plain_text(judge: SandboxedJudge, tmp_path: Path) -> None:
    description = "".join(f"{' ' * n}* x\n\n" for n in range(1200))
    start = time.monotonic()
    judgement = ask(judge, tmp_path, make_wheel("foo", "1.0", lines=RST, description=description))
    assert judgement.core is not None
    assert judgement.description_html is None
    assert [warning.code for warning in judgement.warnings] == ["description-not-rendered"]
    assert time.monotonic() - start < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "description"),
    [
        pytest.param(MARKDOWN, "[" * 2_000_000, id="brackets"),
        pytest.param(MARKDOWN, "<div>" * 10_000 + "x", id="nested-html"),
        pytest.param(MARKDOWN, "> " * 10_000 + "x", id="nested-quotes"),
        pytest.param(RST, "x\n=\n\n" * 20_000, id="headings"),
        pytest.param(RST, "*" * 2_000_000, id="stars"),
        pytest.param(RST, ".. |a| replace:: |a|\n\n|a|", id="a-ring"),
    ],
)
def test_hostile_146_heavy_descriptions_never_fail_the_upload(
    judge: SandboxedJudge, tmp_path: Path, lines: list[str], description: str
) -> None:
    start = time.monotonic()
    judgement = ask(judge, tmp_path, make_wheel("foo", "1.0", lines=lines, description=description))
    assert judgement.core is not None
    rendered = judgement.description_html is not None
    assert [warning.code for warning in judgement.warnings] == ([] if rendered else ["description-not-rendered"])
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    "description",
    [
        ".. include:: {}\n",
        ".. csv-table::\n   :file: {}\n",
        ".. raw:: html\n   :file: {}\n",
        ".. literalinclude:: {}\n",
    ],
)
def test_hostile_145_no_file_is_read_for_a_description(judge: SandboxedJudge, tmp_path: Path, description: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a,well-kept,secret\n", encoding="utf-8")
    text = "Title\n=====\n\n" + description.format(secret)
    judgement = ask(judge, tmp_path, make_wheel("foo", "1.0", lines=RST, description=text))
    assert judgement.description_html is None or "well-kept" not in judgement.description_html


@pytest.mark.parametrize(
    "limits",
    [Limits(memory=0), Limits(wall_seconds=0.001, bytes_per_second=2**60)],
    ids=["memory", "wall"],
)
def test_a_child_that_dies_is_one_fault_and_the_judge_lives_on(limits: Limits, tmp_path: Path) -> None:
    judge = SandboxedJudge(limits)
    made = make_wheel("foo", "1.0", files={f"foo/{n}.txt": bytes([n % 256]) * 900_000 for n in range(60)})
    try:
        for _ in range(3):
            assert codes(ask(judge, tmp_path, made)) == ["archive-judgement-died"]
        assert judge.is_alive()
    finally:
        judge.close()


def test_the_forking_process_is_replaced_when_it_dies(tmp_path: Path) -> None:
    judge = SandboxedJudge()
    try:
        judge.start()
        assert not ask(judge, tmp_path, make_wheel("foo", "1.0")).faults
        (process,) = judge._children
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        assert not judge.is_alive()
        judge._spawned_at = 0.0
        assert not ask(judge, tmp_path, make_wheel("foo", "1.0")).faults
        assert process not in judge._children
        assert judge.is_alive()
    finally:
        judge.close()


PATIENT = Limits(kept_seconds=600.0, idle_seconds=600.0)


def test_a_process_stays_for_the_small_files_of_one_sender_alone(tmp_path: Path) -> None:
    judge = SandboxedJudge(PATIENT)
    wheels = [make_wheel("foo", f"1.{n}", lines=MARKDOWN, description=f"# {n}") for n in range(5)]
    try:
        for number, made in enumerate(wheels):
            judgement = ask(judge, tmp_path, made, sender="a")
            assert judgement.core is not None
            assert judgement.core.version == f"1.{number}"
            assert f">{number}<a" in (judgement.description_html or "")
            assert list(kept(judge)) == ["a"]
        (stays,) = kept(judge).values()
        assert not ask(judge, tmp_path, make_wheel("bar", "1.0")).faults
        assert codes(ask(judge, tmp_path, ("foo-1.0-py3-none-any.whl", b""), sender="a")) == ["archive-unreadable"]
        assert kept(judge) == {"a": stays}
        ask(judge, tmp_path, make_wheel("foo", "1.0", files={"foo/x": os.urandom(1 << 20)}), sender="b")
        assert kept(judge) == {"a": stays}
        ask(judge, tmp_path, wheels[0], sender="b")
        ask(judge, tmp_path, wheels[0], sender="c")
        assert list(kept(judge)) == ["b", "c"]
    finally:
        judge.close()


def test_a_process_that_stayed_and_died_is_replaced_by_one_that_decides(tmp_path: Path) -> None:
    judge = SandboxedJudge(PATIENT)
    made = make_wheel("foo", "1.0")
    try:
        for _ in range(3):
            assert not ask(judge, tmp_path, made, sender="a").faults
            for child in children(judge):
                os.kill(child, signal.SIGKILL)
    finally:
        judge.close()


def test_a_process_stays_for_seconds_only(tmp_path: Path) -> None:
    judge = SandboxedJudge()
    try:
        assert not ask(judge, tmp_path, make_wheel("foo", "1.0"), sender="a").faults
        (answer,) = judge._kept._of.values()
        answer.settimeout(60)
        assert answer.recv(1) == b""  # it left
        assert not ask(judge, tmp_path, make_wheel("foo", "1.1"), sender="a").faults
    finally:
        judge.close()


def test_memory_that_one_file_took_is_not_missing_for_the_next(tmp_path: Path) -> None:
    judge = SandboxedJudge(PATIENT)
    try:
        for number in range(70):
            judgement = ask(judge, tmp_path, make_wheel("foo", f"1.{number}", description="x" * 100_000), sender="a")
            assert not judgement.faults
    finally:
        judge.close()


def test_nobody_to_judge_is_an_error_that_passes(tmp_path: Path) -> None:
    judge = SandboxedJudge(Limits(patience=0.3))
    judge._spawned_at = time.monotonic() + 1000
    try:
        with pytest.raises(PackhouseError) as refused:
            ask(judge, tmp_path, make_wheel("foo", "1.0"))
        assert (refused.value.kind, refused.value.code) == (Kind.UNAVAILABLE, "judge-unavailable")
    finally:
        judge.close()


def test_threads_share_a_judge(judge: SandboxedJudge, tmp_path: Path) -> None:
    def one(number: int) -> str:
        folder = tmp_path / str(number)
        folder.mkdir()
        judgement = ask(judge, folder, make_wheel(f"foo{number}", "1.0"))
        assert judgement.core is not None
        return judgement.core.name

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(40))) == [f"foo{number}" for number in range(40)]


def test_forked_processes_share_a_judge(judge: SandboxedJudge, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    filename, data = make_wheel("foo", "1.0")
    path.write_bytes(data)
    judge.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        workers = [os.fork() for _ in range(1)]
        if workers[0] == 0:
            status = 1
            try:
                status = 0 if judge.judge(path, filename, PRIVATE).core is not None else 2
            finally:
                os._exit(status)
    assert not judge.judge(path, filename, PRIVATE).faults
    assert os.waitstatus_to_exitcode(os.waitpid(workers[0], 0)[1]) == 0


def test_the_processes_end_with_the_last_who_could_ask(tmp_path: Path) -> None:
    judge = SandboxedJudge()
    ask(judge, tmp_path, make_wheel("foo", "1.0"))
    (process,) = judge._children
    judge.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_no_secrets_and_no_other_files(judge: SandboxedJudge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PACKHOUSE_SECRET", "hush")
    judge = SandboxedJudge()
    try:
        ask(judge, tmp_path, make_wheel("foo", "1.0"))
        (process,) = judge._children
        proc = Path(f"/proc/{process}")
        assert proc.joinpath("environ").read_bytes() == b"LANG=C.UTF-8\0"
        targets = {str(link.readlink()) for link in proc.joinpath("fd").iterdir() if link.name not in {"0", "1", "2"}}
        assert all(
            target.startswith(("socket:", "pipe:", "/memfd:packhouse-judge", "/dev/null")) for target in targets
        ), targets
    finally:
        judge.close()


def test_the_archive_stays_as_it_is(judge: SandboxedJudge, tmp_path: Path) -> None:
    made = make_sdist("foo", "1.0")
    ask(judge, tmp_path, made)
    assert (tmp_path / "upload").read_bytes() == made[1]


LATE = r"""
Hi
==

.. |today| date::

Of |today|, :math:`x` and :sub:`y`. [1]_

.. code:: haskell

   x = 1

.. epigraph::

   y

.. image:: https://example.org/x.svg

.. csv-table:: Table

   a, b

.. math:: \\frac{1}{2}

.. contents::

.. [1] Note
"""


def test_what_is_needed_late_can_still_be_loaded(judge: SandboxedJudge, tmp_path: Path) -> None:
    judgement = ask(judge, tmp_path, make_wheel("foo", "1.0", lines=RST, description=LATE))
    assert judgement.description_html is not None
    assert '<span class="' in judgement.description_html
    assert "<table>" in judgement.description_html
