# SPDX-License-Identifier: Apache-2.0
"""Two small files of a wheel's `.dist-info`: WHEEL and entry_points.txt."""

from __future__ import annotations

import configparser
import re

from packaging.tags import Tag

from packhouse.domain.archive_limits import has_odd_lines
from packhouse.domain.filenames import WheelFilename
from packhouse.domain.judged import Findings
from packhouse.domain.wording import shown

LARGEST_WHEEL_FILE = 64 * 1024
"""Bytes of WHEEL."""

LARGEST_ENTRY_POINTS = 1024 * 1024
"""Bytes of entry_points.txt."""

_SCRIPT = re.compile(r"[\w.-]+\Z")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]*")  # of WHEEL; an empty line would end the fields for some readers
_MOST_TAG_LINES = 1000


def judge_wheel_file(raw: bytes, filename: WheelFilename, found: Findings) -> None:
    """Judge WHEEL: a version we know, and the tags of the filename."""
    try:
        fields = _read_fields(raw.decode("utf-8"))
    except (UnicodeDecodeError, ValueError):
        found.fault("wheel-file-invalid", "WHEEL is not 'Key: value' lines in UTF-8; build the wheel again.", "content")
        return
    _judge_version(fields.get("wheel-version", []), found)
    _judge_tags(fields.get("tag", []), filename, found)
    if fields.get("root-is-purelib", ["?"])[0].lower() not in {"true", "false"}:
        found.warn("wheel-file-odd", "WHEEL: Root-Is-Purelib is neither true nor false.", "content")
    build = f"{filename.build[0]}{filename.build[1]}" if filename.build else ""
    if fields.get("build", [build])[0] != build and fields.get("build") != ["0"]:
        found.warn("wheel-file-odd", "WHEEL: Build is not the build tag of the filename.", "content")


def _read_fields(text: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for line in text.rstrip().splitlines():
        key, colon, value = line.partition(":")
        if not colon or not _KEY.fullmatch(key):
            raise ValueError(line)
        fields.setdefault(key.lower(), []).append(value.strip())
    if has_odd_lines(text):
        raise ValueError(text)
    return fields


def _judge_version(versions: list[str], found: Findings) -> None:
    if len(versions) != 1 or not re.fullmatch(r"1\.[0-9]{1,4}", versions[0]):
        given = shown(", ".join(versions)) if versions else "missing"
        found.fault("wheel-version-unknown", f"Wheel-Version is {given}: expected 1.0; use a current tool.", "content")
    elif versions[0] != "1.0":
        found.warn("wheel-file-odd", f"Wheel-Version is {versions[0]}, newer than 1.0.", "content")


def _judge_tags(lines: list[str], filename: WheelFilename, found: Findings) -> None:
    tags: set[Tag] = set()
    for line in lines[:_MOST_TAG_LINES]:
        parts = [part.split(".") for part in line.split("-")]
        if len(parts) == 3 and len(line) < 500:
            tags |= {Tag(p, a, s) for p in parts[0] for a in parts[1] for s in parts[2]}
    if tags != filename.tags:
        given = shown(", ".join(lines)) if lines else "none"
        found.fault(
            "wheel-tags-mismatch",
            f"WHEEL has the tags {given}, the filename {shown('-'.join(filename.tag_sets))}: expected the same; "
            "build the wheel again or retag it with a tool that changes both.",
            "content",
        )


def judge_entry_points(raw: bytes, found: Findings) -> None:
    """Judge entry_points.txt (E26): INI in UTF-8, names unique, scripts callable by their names."""
    parser = configparser.RawConfigParser(delimiters=("=",), strict=True, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    why = None
    try:
        text = raw.decode("utf-8")
        if has_odd_lines(text):
            why = "it holds a line break that not all programs know"
        parser.read_string(text)
    except UnicodeDecodeError:
        why = "it is not UTF-8"
    except (configparser.DuplicateOptionError, configparser.DuplicateSectionError):
        why = "a name stands twice"
    except configparser.Error:
        why = "it is not 'name = object' lines below '[group]' lines"
    why = why or _wrong_script(parser)
    if why:
        found.fault("entry-points-invalid", f"entry_points.txt is invalid: {why}; correct the entry points.", "content")


def _wrong_script(parser: configparser.RawConfigParser) -> str | None:
    for group in ("console_scripts", "gui_scripts"):
        for name in parser[group] if parser.has_section(group) else ():
            if not _SCRIPT.match(name) or ".." in name or name == ".":
                return f"{shown(name)} is no name for a script"
    return None
