# SPDX-License-Identifier: Apache-2.0
"""Judging uploaded files."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from packhouse.domain.judgement import Judgement, judge_file
from packhouse.domain.policy import Profile

__all__ = ["Judge", "Judgement", "SandboxedJudge"]


class Judge(Protocol):
    """Whoever judges an uploaded file."""

    def judge(self, path: Path, filename: str, profile: Profile) -> Judgement:
        """Judge the file at `path`, uploaded as `filename`, by the rules of `profile`."""


class SandboxedJudge:
    """Judges each file in a process of its own."""

    def judge(self, path: Path, filename: str, profile: Profile) -> Judgement:
        """Judge the file at `path`, uploaded as `filename`, by the rules of `profile`."""
        with path.open("rb") as file:
            return judge_file(file, filename, profile)

    def start(self) -> None:
        """Start what judging needs, before the server forks its workers."""

    def close(self) -> None:
        """Stop what `start` started."""
