# SPDX-License-Identifier: Apache-2.0
"""The command line: one command per file, imported when it is asked for, so that `--help` answers at once."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from packhouse import __version__
from packhouse.errors import PackhouseError

COMMANDS = {
    "serve": "Start the server.",
    "user": "Make accounts, and look after them.",
    "invitation": "Invite people to make an account.",
    "guest": "Show and set when accounts end.",
    "sign-in-link": "Print a link, alone, that signs USER in once within 15 minutes: for when single sign-on is away.",
    "registration": "Show who may register and who decided it, or change it.",
    "sandbox": "Show, word and wipe a server that is for practice.",
    "flag": "Throw a switch of the whole server: read-only, no-new-projects, no-new-users.",
    "journal": "Show the journal, newest first: a JSON object a line.",
    "organization": "Make and show organizations, their members and teams, and move projects between owners.",
    "token": "Make, list, rotate and revoke API tokens.",
    "yank": "Yank a release or a file: only installs that pin it exactly still take it.",
    "unyank": "Take back a yank.",
    "delete": "Delete a project, a release or a file from every index.",
    "purge": "Remove the bytes of a project, a release or a file from every state of every index, for ever.",
    "promote": "Place the release P==V, which one index serves, in another one too: the same files.",
    "status": "Set the status of PROJECT: an archived one takes no uploads, a quarantined one shows no files.",
    "index": "Make and show indexes, set their rules, and say who may read them.",
    "apply": "Make indexes, upstreams and names what FILE (TOML, - for standard input) declares.",
    "explain": "Say what an index shows of the project NAME, and why.",
    "snapshot": "Name states of indexes, compare them, and go back to one.",
    "upstream": "Show and change the indexes that are pulled through, and the names they are never asked about.",
    "malware": "Take over a list of known malware, which no index serves, and see what of it is or was here.",
    "migrate": "Bring the databases to this version.",
    "gc": "Remove stored bytes that nothing names, abandoned temporary files and ended sessions.",
    "verify": "Compare all that is kept: stored files with their digests, rows with their files, the journal.",
    "backup": "Write databases, stored files, signing key and settings into one FILE, beside a running server.",
    "restore": "Put the backup FILE, or a continuous one in PLACE, into a data folder that is empty or not there yet.",
    "drill": "Put a backup back into a scratch folder, look at it, ask it for pages and files, and throw it away.",
    "move": "Move everything to another database and other storage, while the server goes on.",
    "doctor": "Examine the data folder and say what is wrong with it.",
}
"""Every command with its line of help; the command `x-y` is `x_y` in the module `packhouse.cli.x_y`."""


class Commands(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        command = getattr(import_module(f"packhouse.cli.{module}"), module)
        assert isinstance(command, click.Command)  # noqa: S101 - a slip in COMMANDS, found by its test
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="packhouse")
def packhouse() -> None:
    """Packhouse, the Python package index people run themselves.

    All commands but `serve` work beside a running server; what they change holds on the next request. The data
    folder is --data, else PACKHOUSE_DATA, else ./data.
    """


def main() -> NoReturn:
    """Run a command. A refusal is one sentence on standard error and exit status 2."""
    try:
        status = packhouse.main(prog_name="packhouse", standalone_mode=False)
    except NoArgsIsHelpError as help_wanted:
        help_wanted.show()
        sys.exit(2)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "packhouse"
        _refuse(f"{error.format_message()} See '{path} --help'.")
    except click.ClickException as error:
        _refuse(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)  # as shells say of a program that Ctrl-C ended
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: no complaint at the end
        sys.exit(1)
    except PackhouseError as error:
        _refuse(*(fault.message for fault in error.faults))
    except Exception as error:
        if not type(error).__module__.startswith("django.db"):
            raise
        _refuse(f"The database refused: {' '.join(str(error).split())}.")
    sys.exit(status if isinstance(status, int) else 0)


def _refuse(*sentences: str) -> NoReturn:
    for sentence in sentences:
        print(f"packhouse: {sentence}", file=sys.stderr)
    sys.exit(2)
