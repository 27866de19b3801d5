# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

import click
import pytest
from tests.infra.server import environment, run_packhouse

from packhouse.cli.main import COMMANDS, packhouse


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_itself(name: str):
    command = packhouse.get_command(click.Context(packhouse), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name]


def test_help_imports_nothing_heavy():
    code = "import sys; from packhouse.cli.main import packhouse; packhouse(['--help'], standalone_mode=False);"
    code += " print([m for m in ('django', 'granian', 'structlog', 'packhouse.bootstrap') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_word_that_is_no_command():
    done = run_packhouse("publish")
    assert done.returncode == 2
    assert "No such command 'publish'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serve", "--port", "http"], "Invalid value for '--port': 'http' is not a valid integer range."),
        (["token", "create"], "Missing argument 'USER-OR-ORGANIZATION'."),
        (["token", "--colour"], "No such option"),
        (["index", "create", "x", "--read", "all"], "Invalid value for '--read': 'all' is not one of"),
    ],
)
def test_misuse_is_one_sentence_with_a_way_on(arguments: list[str], sentence: str):
    done = run_packhouse(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"packhouse: {sentence}")
    assert "--help'." in done.stderr


@pytest.mark.parametrize("arguments", [[], ["token"]])
def test_nothing_asked_for_is_answered_with_the_help(arguments: list[str]):
    done = run_packhouse(*arguments)
    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr


def test_completion_knows_the_commands():
    extra = {"_PACKHOUSE_COMPLETE": "bash_complete", "COMP_WORDS": "packhouse to", "COMP_CWORD": "1"}
    assert run_packhouse(extra=extra).stdout == "plain,token\n"
