# SPDX-License-Identifier: Apache-2.0
"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]


def data_option(command: Command) -> Command:
    """`--data FOLDER`, accepted by every command."""
    return click.option("--data", metavar="FOLDER", help="The data folder [PACKHOUSE_DATA, else ./data].")(command)
