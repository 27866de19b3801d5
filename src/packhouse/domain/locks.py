# SPDX-License-Identifier: Apache-2.0
"""Locks: documents that say what an index or an upstream looked like, and what two of them differ in.

A lock is JSON: a head, then one line for each project, then the sha256 of all of that. The same state makes the same
bytes, so that two may be compared by any program for texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from packhouse.errors import Kind, refuse

FORMAT = 1
_MARK = "packhouse-lock"
_ABOUT_FILES = ("size", "upload-time", "first-seen", "requires-python", "core-metadata")
_LINES = orjson.OPT_SORT_KEYS


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock says: `head` has what it is of and when, `projects` are by name (normalized)."""

    head: Mapping[str, Any]
    projects: Mapping[str, Mapping[str, Any]]
    sha256: str


@dataclass(frozen=True, slots=True)
class Change:
    """A difference: what kind of, of which project, version and file ("" where it is of none), and what exactly."""

    what: str
    project: str = ""
    version: str = ""
    filename: str = ""
    detail: str = ""


def pieces(head: Mapping[str, Any], projects: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The document, a line at a time; each project has a `name` and comes in the order of the names."""
    digest = hashlib.sha256()
    first = _line({_MARK: FORMAT, **head})
    digest.update(first)
    yield first[:-1] + b',"projects":[\n'
    separator = b""
    for project in projects:
        line = _line(project)
        digest.update(b"\n" + line)
        yield separator + line
        separator = b",\n"
    yield b'\n],"sha256":"' + digest.hexdigest().encode() + b'"}\n'


def _line(value: Any) -> bytes:
    return orjson.dumps(value, option=_LINES)


def read(data: bytes) -> Lock:
    """Read a lock; raises INVALID (`lock-invalid`) for what is none, and for one that was changed since it was made."""
    try:
        said = orjson.loads(data)
        projects, sha256 = said.pop("projects"), said.pop("sha256")
        _demand_shape(said, projects)
    except (orjson.JSONDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = "This is no lock: expected the JSON that `packhouse snapshot lock` writes; give the whole file."
        raise refuse(Kind.INVALID, "lock-invalid", message, "file") from error
    found = hashlib.sha256(b"\n".join([_line(said), *(_line(project) for project in projects)])).hexdigest()
    if found != sha256:
        message = f"The lock was changed since it was made: its sha256 is {found}, and it says {str(sha256)[:64]}."
        raise refuse(Kind.INVALID, "lock-invalid", message, "file")
    return Lock(said, {project["name"]: project for project in projects}, found)


def _demand_shape(head: Mapping[str, Any], projects: Iterable[Mapping[str, Any]]) -> None:
    """Raise one of the errors that `read` expects where what we rely on is of another kind."""
    serial, at, of = head["serial"], head["at"], head["of"]
    if head[_MARK] != FORMAT or not (isinstance(serial, int) and isinstance(at, str) and isinstance(of, dict)):
        raise TypeError("head")
    for project in projects:
        if not all(isinstance(project[key], str) for key in ("name", "layer", "status")):
            raise TypeError("project")
        for file in project["files"]:
            if not all(isinstance(file[key], str) for key in ("filename", "version", "sha256")):
                raise TypeError("file")


def differences(before: Lock, after: Lock) -> Iterator[Change]:
    """What is another in the second than in the first; nothing when only the moment is."""
    for key in ("of", "indexes"):
        if before.head.get(key) != after.head.get(key):
            yield from _of_head(key, before.head.get(key), after.head.get(key))
    for name in sorted(before.projects.keys() | after.projects.keys()):
        one, other = before.projects.get(name), after.projects.get(name)
        if one is not None and other is not None:
            yield from _of_project(name, one, other)
        for here, there, word in ((one, other, "removed"), (other, one, "added")):
            others = {file["filename"] for file in there["files"]} if there is not None else set()
            for file in here["files"] if here is not None else ():
                if file["filename"] not in others:
                    yield Change(word, name, file["version"], file["filename"])


def _of_head(key: str, before: Any, after: Any) -> Iterator[Change]:
    if key == "of" or not isinstance(before, dict) or not isinstance(after, dict):
        yield Change(key, detail=f"{_said(before)} -> {_said(after)}")
        return
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Change("index", detail=f"{name}: {_said(before.get(name))} -> {_said(after.get(name))}")


def _of_project(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in ("layer", "status"):
        if before[key] != after[key]:
            yield Change(key, name, detail=f"{before[key]} -> {after[key]}")
    files = {file["filename"]: file for file in after["files"]}
    for file in before["files"]:
        other = files.get(file["filename"])
        if other is not None:
            yield from _of_file(name, file, other)


def _of_file(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    where = (name, before["version"], before["filename"])
    if before["sha256"] != after["sha256"]:
        yield Change("digest", *where, f"{before['sha256']} -> {after['sha256']}")
    was, is_now = before.get("yanked", False), after.get("yanked", False)
    if was != is_now:
        yield Change("unyanked" if is_now is False else "yanked", *where, "" if is_now is False else str(is_now))
    for key in _ABOUT_FILES:
        if before.get(key) != after.get(key):
            yield Change("changed", *where, f"{key}: {_said(before.get(key))} -> {_said(after.get(key))}")


def _said(value: Any) -> str:
    return "nothing" if value is None else _line(value).decode()
