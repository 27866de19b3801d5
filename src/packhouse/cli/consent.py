# SPDX-License-Identifier: Apache-2.0
"""Asking before what can't be undone."""

from __future__ import annotations

import sys

import click

from packhouse.errors import Kind, refuse


def demand_consent(doing: str, done: str, what: str, *, yes: bool) -> None:
    """Ask for `what` to be typed; where nobody can type, refuse without --yes.

    `doing` and `done` are the words for it: "Deleting" and "deleted".
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise refuse(Kind.INVALID, "consent-missing", f"{doing} {what} can't be undone; add --yes to do it.", "yes")
    typed = click.prompt(f"{doing} {what} can't be undone. Type {what} to do it", default="", show_default=False)
    if typed.strip() != what:
        raise refuse(Kind.INVALID, "consent-missing", f"Nothing was {done}: what was typed is not {what}.", "yes")
