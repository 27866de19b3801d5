# SPDX-License-Identifier: Apache-2.0
"""Upstreams and names as a declaration file wants them. Credentials stand in it by reference only."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from packhouse.catalogue.models import Upstream
from packhouse.catalogue.models.upstreams import MODES
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.reach import read_hosts, split_credentials
from packhouse.domain.wording import shown
from packhouse.services import upstreams
from packhouse.services.declaring import Step, texts, wrong
from packhouse.services.journal import Clock

KEYS = frozenset({"url", "mode", "hosts", "ttl", "negative_ttl", "username", "password"})
NAME_KEYS = frozenset({"reserved", "permitted"})
_LARGEST_SECRET = 10_000  # bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an upstream is sent to sign in; `source` says where the password came from, and is all that is shown."""

    username: str
    password: str = field(repr=False)
    source: str = ""

    def within(self, url: str) -> str:
        """An address with them in it."""
        parts = urlsplit(url)
        userinfo = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@" if self.username else ""
        return parts._replace(netloc=userinfo + parts.netloc).geturl()


@dataclass(frozen=True, slots=True)
class WantedUpstream:
    """An upstream as a file wants it; None for what the file does not speak of."""

    name: str
    url: str | None = None
    mode: str | None = None
    hosts: tuple[str, ...] | None = None
    ttl: int | None = None
    negative_ttl: int | None = None
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class WantedNames:
    """The whole lists of reserved and permitted names; None for what the file does not speak of."""

    reserved: tuple[str, ...] | None = None
    permitted: tuple[str, ...] | None = None


def read_upstream(name: str, table: dict[str, Any], environ: Mapping[str, str] = os.environ) -> WantedUpstream:
    """A table [upstream.NAME]. Raises INVALID (`declaration-invalid`), naming table and key."""
    where = f"[upstream.{name}]"
    unknown = sorted(table.keys() - KEYS)
    if unknown:
        raise wrong(f"{where} has {shown(unknown[0])}; expected {', '.join(sorted(KEYS))}")
    hosts = table.get("hosts")
    mode = _text(where, "mode", table)
    if mode is not None and mode not in MODES:
        raise wrong(f"{where} mode is {shown(mode)}; expected {', '.join(MODES)}")
    return WantedUpstream(
        name,
        _address(where, table),
        mode,
        None if hosts is None else read_hosts(texts(where, "hosts", hosts)),
        _seconds(where, "ttl", table),
        _seconds(where, "negative_ttl", table),
        _credentials(where, table, environ),
    )


def _text(where: str, key: str, table: dict[str, Any]) -> str | None:
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise wrong(f"{where} {key} is no text")
    return value


def _seconds(where: str, key: str, table: dict[str, Any]) -> int | None:
    value = table.get(key)
    if value is not None and (type(value) is not int or not 0 <= value <= upstreams.MOST_SECONDS):
        raise wrong(f"{where} {key} is no number of seconds from 0 to {upstreams.MOST_SECONDS}")
    return value


def _address(where: str, table: dict[str, Any]) -> str | None:
    url = _text(where, "url", table)
    if url is None:
        return None
    bare, authorization = split_credentials(url)
    if authorization:
        raise wrong(
            f"{where} url has credentials in it; name them by username and password = {{ env = 'VARIABLE' }} or"
            " { file = 'PATH' }"
        )
    return bare


def _credentials(where: str, table: dict[str, Any], environ: Mapping[str, str]) -> Credentials | None:
    username, password = _text(where, "username", table), table.get("password")
    if username is None and password is None:
        return None
    if username == "" and password is None:
        return Credentials("", "")
    if not username or not isinstance(password, dict) or len(password) != 1:
        raise wrong(f"{where} needs username, and password = {{ env = 'VARIABLE' }} or {{ file = 'PATH' }}, together")
    ((kind, place),) = password.items()
    if kind not in {"env", "file"} or not isinstance(place, str):
        raise wrong(f"{where} password has {shown(kind)}; expected env or file with a text")
    return Credentials(username, _secret(where, kind, place, environ), f"{kind} {place}")


def _secret(where: str, kind: str, place: str, environ: Mapping[str, str]) -> str:
    """The password a reference leads to, without line breaks at its end."""
    if kind == "env":
        found = environ.get(place, "")
    else:
        try:
            with Path(place).open("rb") as file:
                found = file.read(_LARGEST_SECRET + 1).decode()
        except (OSError, ValueError) as error:
            raise wrong(f"{where} password names the file {shown(place)}, which can't be read") from error
    found = found.rstrip("\r\n")
    if not found or len(found) > _LARGEST_SECRET:
        what = "the environment variable" if kind == "env" else "the file"
        raise wrong(f"{where} password names {what} {shown(place)}, which holds none")
    return found


def read_names(table: Any) -> WantedNames:
    """The table [names]. Raises INVALID."""
    if not isinstance(table, dict) or table.keys() - NAME_KEYS:
        raise wrong(f"[names] holds something else than {', '.join(sorted(NAME_KEYS))}")
    reserved, permitted = table.get("reserved"), table.get("permitted")
    patterns = None if reserved is None else upstreams.read_patterns(texts("[names]", "reserved", reserved))
    names = None if permitted is None else texts("[names]", "permitted", permitted)
    for name in names or ():
        if not is_valid_name(name):
            raise wrong(f"[names] permitted has {shown(name)}, which is no project name")
    return WantedNames(patterns, None if names is None else tuple(sorted({normalize(name) for name in names})))


def plan_upstream(one: WantedUpstream, clock: Clock) -> list[Step]:
    """What differs: one step for an upstream to make, one for each thing to change."""
    found = Upstream.objects.filter(name=one.name).first()
    if found is None:
        return [_creation(one, clock)]
    steps: list[Step] = []
    if one.url is not None and one.url != found.url:
        also = "" if one.credentials or not found.secret else ", and is sent no credentials any more"
        steps.append(_setting(one.name, f"address {found.url} -> {one.url}{also}", _moving(one, one.url), clock))
    elif one.credentials is not None and _differ(one.credentials, found):
        steps.append(_setting(one.name, _signing(one.credentials), _url(one, found.url), clock))
    for key in ("mode", "hosts", "ttl", "negative_ttl"):
        wanted, now = getattr(one, key), getattr(found, key)
        if wanted is not None and wanted != (tuple(now) if key == "hosts" else now):
            line = f"{key} {_said(now)} -> {_said(wanted)}"
            steps.append(_setting(one.name, line, upstreams.Wanted(**{key: wanted}), clock))
    return steps


def _differ(credentials: Credentials, found: Upstream) -> bool:
    return split_credentials(credentials.within(found.url))[1] != upstreams.reach_of(found).authorization


def _url(one: WantedUpstream, url: str) -> upstreams.Wanted:
    return upstreams.Wanted(url=url if one.credentials is None else one.credentials.within(url))


def _moving(one: WantedUpstream, url: str) -> upstreams.Wanted:
    """To another address, where other hosts are believed."""
    return replace(_url(one, url), hosts=one.hosts)


def _signing(credentials: Credentials) -> str:
    if not credentials.username:
        return "signs in no more"
    return f"signs in as {credentials.username} with the password of {credentials.source}"


def _said(value: Any) -> str:
    if value is None:
        return "default"
    return (", ".join(value) or "none") if isinstance(value, list | tuple) else str(value)


def _setting(name: str, line: str, wanted: upstreams.Wanted, clock: Clock) -> Step:
    return Step(f"upstream {name}: {line}", lambda actor: upstreams.set_upstream(actor, name, wanted, clock=clock))


def _creation(one: WantedUpstream, clock: Clock) -> Step:
    if one.url is None:
        raise wrong(f"[upstream.{one.name}] is not there yet and needs url")
    parts = [f"make the upstream {one.name}: {one.url}"]
    parts += [f"{key} {_said(getattr(one, key))}" for key in ("mode", "hosts", "ttl", "negative_ttl") if _has(one, key)]
    if one.credentials is not None and one.credentials.username:
        parts.append(_signing(one.credentials))
    url = _url(one, one.url).url
    wanted = upstreams.Wanted(url, one.mode, one.hosts, one.ttl, one.negative_ttl)
    return Step(", ".join(parts), lambda actor: upstreams.set_upstream(actor, one.name, wanted, clock=clock))


def _has(one: WantedUpstream, key: str) -> bool:
    return getattr(one, key) is not None


def plan_names(wanted: WantedNames, clock: Clock) -> list[Step]:
    """What differs of the reserved and permitted names."""
    steps: list[Step] = []
    if wanted.reserved is not None and wanted.reserved != upstreams.reserved_names():
        line = f"reserved names {_said(upstreams.reserved_names())} -> {_said(wanted.reserved)}"
        reserved = wanted.reserved
        steps.append(Step(line, lambda actor: upstreams.set_reserved(actor, reserved, clock=clock)))
    if wanted.permitted is not None:
        now = upstreams.permitted_names()
        steps += [
            _permitting(f"permit the name {name}", name, upstreams.permit, clock)
            for name in wanted.permitted
            if name not in now
        ]
        steps += [
            _permitting(f"permit the name {name} no more", name, upstreams.end_permit, clock)
            for name in now
            if name not in wanted.permitted
        ]
    return steps


def _permitting(line: str, name: str, act: Callable[..., None], clock: Clock) -> Step:
    return Step(line, lambda actor: act(actor, name, clock=clock))
