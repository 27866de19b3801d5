# SPDX-License-Identifier: Apache-2.0
"""Upstreams: writing them down, changing them, and which names they are never asked about."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.utils.crypto import salted_hmac

from packhouse.catalogue.composition import UPSTREAM
from packhouse.catalogue.models import Page, Upstream, UpstreamPermit, UpstreamProject
from packhouse.catalogue.models.upstreams import MODES
from packhouse.catalogue.upload_facts import index_facts
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.permissions import ANONYMOUS
from packhouse.domain.reach import Reach, host_of, read_hosts, split_credentials
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.indexes import MAIN, LayerSpec, add_layer, layers_of, remove_layer, set_rule
from packhouse.services.journal import Actor, Clock, Entry, Fact, record, take, write

DEFAULT = "default"
"""The upstream that `--upstream` names."""
RESERVED = "reserved_names"
"""The rule of `main` with names and prefixes (`acme-*`) that no upstream is ever asked about."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z", re.ASCII)
MOST_SECONDS = 30 * 86400


def reach_of(upstream: Upstream) -> Reach:
    """Where an upstream is, what it is sent to sign in, and where it may lead."""
    return Reach(upstream.url, _opened(upstream.secret), tuple(upstream.hosts))


def find_upstream(name: str) -> Upstream:
    """The upstream of this name; raises MISSING."""
    found = Upstream.objects.filter(name=name).first()
    if found is None:
        raise refuse(Kind.MISSING, "upstream-unknown", f"There is no upstream {name[:64]!r}; see `packhouse upstream`.")
    return found


def list_upstreams() -> list[Upstream]:
    """All upstreams, by name."""
    return list(Upstream.objects.order_by("name"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an upstream is to be; None leaves as it is. `url` may carry credentials. Times are in seconds."""

    url: str | None = None
    mode: str | None = None
    hosts: tuple[str, ...] | None = None
    ttl: int | None = None
    negative_ttl: int | None = None
    learns: bool | None = None


def set_upstream(actor: Actor, name: str, wanted: Wanted, *, clock: Clock) -> Upstream:
    """Make an upstream, or change one; nothing happens when it is so already.

    One given by address believes links to its own host, until more are named or (`learns`) learnt.
    """
    _judge(name, wanted)
    with write():
        found = Upstream.objects.filter(name=name).first()
        upstream = found or Upstream(name=name)
        if found is None and wanted.url is None:
            message = f"There is no upstream {name!r} yet; give its address."
            raise refuse(Kind.INVALID, "upstream-url-invalid", message, "url")
        changed = _apply(upstream, wanted)
        if found is not None and not changed:
            return found
        moment = take(1, clock)
        if found is None:
            upstream.created_at, upstream.created_serial = moment.at, moment.first
        upstream.save()
        kind = Fact.UPSTREAM_SET
        record(moment, actor, [Entry(kind, detail={"upstream": name, **changed})])
        _refresh_all(upstream)
        return upstream


def _judge(name: str, wanted: Wanted) -> None:
    if not _NAME.match(name):
        message = f"The name {name[:80]!r} is invalid; expected lower-case letters, digits and hyphens; choose another."
        raise refuse(Kind.INVALID, "upstream-name-invalid", message, "name")
    if wanted.mode is not None and wanted.mode not in MODES:
        message = f"The mode {wanted.mode[:80]!r} is unknown; expected {', '.join(MODES)}."
        raise refuse(Kind.INVALID, "upstream-mode-invalid", message, "mode")
    for key, seconds in (("ttl", wanted.ttl), ("negative_ttl", wanted.negative_ttl)):
        if seconds is not None and not 0 <= seconds <= MOST_SECONDS:
            message = f"{seconds} is no time to live; expected seconds from 0 to {MOST_SECONDS}."
            raise refuse(Kind.INVALID, "upstream-ttl-invalid", message, key)


def _apply(upstream: Upstream, wanted: Wanted) -> dict[str, Any]:
    """Change the row; what changed, as it may be shown."""
    changed: dict[str, Any] = {}
    if wanted.url is not None:
        url, authorization = split_credentials(wanted.url)
        if url != upstream.url:
            changed["url"] = url
            if upstream.url and wanted.hosts is None:
                upstream.hosts = []
        if authorization != _opened(upstream.secret):
            changed["credentials"] = bool(authorization)
            upstream.secret = _sealed(authorization)
        upstream.url = url
    hosts = None if wanted.hosts is None else list(read_hosts(wanted.hosts))
    for key, value in (
        ("hosts", hosts),
        ("mode", wanted.mode),
        ("ttl", wanted.ttl),
        ("negative_ttl", wanted.negative_ttl),
        ("learns", wanted.learns),
    ):
        if value is not None and getattr(upstream, key) != value:
            setattr(upstream, key, value)
            changed[key] = value
    return changed


def _refresh_all(upstream: Upstream) -> None:
    """Ask again for everything when it is next wanted."""
    UpstreamProject.objects.filter(upstream=upstream).update(fresh_until=0, etag="")
    names = UpstreamProject.objects.filter(upstream=upstream).values("name")
    Page.objects.filter(project__in=names).delete()


def ensure_default(actor: Actor, address: str, *, learns: bool, clock: Clock) -> None:
    """Write down what `--upstream` says: the upstream `default`, the last layer of `main`; "" for none."""
    set_rule(actor, MAIN, "upstream", None, clock=clock)  # where an earlier version kept it
    if address:
        known = Upstream.objects.filter(name=DEFAULT).first()
        bare, authorization = split_credentials(address)
        if known is None or known.url != bare or authorization:  # else credentials given otherwise stay
            same = known is not None and known.url == bare
            set_upstream(
                actor, DEFAULT, Wanted(url=address, learns=known.learns if known and same else learns), clock=clock
            )
    _stack(actor, DEFAULT, wanted=bool(address), clock=clock)


def _stack(actor: Actor, upstream: str, *, wanted: bool, clock: Clock) -> None:
    """Put an upstream below all other layers of `main`, or take it away."""
    layer = LayerSpec(UPSTREAM, upstream)
    if wanted and layer not in layers_of(MAIN):
        add_layer(actor, MAIN, layer, clock=clock)
    elif not wanted and layer in layers_of(MAIN):
        remove_layer(actor, MAIN, layer, clock=clock)


# names that never go out


def reserved_names() -> tuple[str, ...]:
    """The names and prefixes (`acme-*`) of which no upstream is asked, normalized."""
    found = index_facts(MAIN, ANONYMOUS)
    value = None if found is None else found.rules.get(RESERVED)
    return tuple(value) if isinstance(value, list) else ()


def set_reserved(actor: Actor, names: Iterable[str], *, clock: Clock) -> tuple[str, ...]:
    """Say which names and prefixes are reserved; raises INVALID for one that is neither."""
    wanted = read_patterns(names)
    set_rule(actor, MAIN, RESERVED, list(wanted) or None, clock=clock)
    with write():
        for pattern in wanted:
            _drop_pages(pattern)
    return wanted


def read_patterns(names: Iterable[str]) -> tuple[str, ...]:
    """Names and prefixes as they are stored, sorted; raises INVALID for what is neither."""
    return tuple(sorted({_pattern(name) for name in names if name.strip()}))


def _pattern(text: str) -> str:
    given = text.strip()
    stem = given.removesuffix("*")
    prefix = stem.rstrip("-_.") if given.endswith("*") else stem
    if not is_valid_name(prefix):
        message = f"{given[:100]!r} is neither a name nor a prefix like 'acme-*'; correct it."
        raise refuse(Kind.INVALID, "reserved-name-invalid", message, "name")
    end = "-*" if given.endswith("*") and stem != prefix else "*" if given.endswith("*") else ""
    return f"{normalize(prefix)}{end}"


def _drop_pages(pattern: str) -> None:
    stem = pattern.removesuffix("*")
    pages_of = Page.objects.exclude(project="")
    (pages_of.filter(project__startswith=stem) if pattern.endswith("*") else pages_of.filter(project=stem)).delete()


def is_reserved(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name (normalized) is one of these, or begins as one of them."""
    return any(
        name.startswith(pattern[:-1]) or name == pattern[:-2] if pattern.endswith("-*")
        else name.startswith(pattern[:-1]) if pattern.endswith("*")
        else name == pattern
        for pattern in patterns
    )  # fmt: skip


def permit(actor: Actor, name: str, *, clock: Clock) -> None:
    """Let a name that an upstream has be published here from now on; doing it twice changes nothing."""
    normalized = normalize(name)
    if not is_valid_name(name):
        raise refuse(Kind.INVALID, "name-invalid", f"{name[:100]!r} is not a project name; correct it.", "name")
    with write():
        if UpstreamPermit.objects.filter(name=normalized).exists():
            return
        moment = take(1, clock)
        UpstreamPermit.objects.create(name=normalized, granted_at=moment.at, granted_by=actor.username)
        record(moment, actor, [Entry(Fact.UPSTREAM_NAME_PERMITTED, project=normalized)])


def end_permit(actor: Actor, name: str, *, clock: Clock) -> None:
    """Take back that a name may be published here; what was published stays. Raises MISSING for one not permitted."""
    normalized = normalize(name)
    with write():
        permitted = UpstreamPermit.objects.filter(name=normalized)
        if not permitted.exists():
            message = f"The name {name[:100]!r} is not permitted; see `packhouse upstream permits`."
            raise refuse(Kind.MISSING, "permit-unknown", message, "name")
        moment = take(1, clock)
        permitted.delete()
        record(moment, actor, [Entry(Fact.UPSTREAM_PERMIT_ENDED, project=normalized)])


def permitted_names() -> list[str]:
    """The names that may be published here although an upstream has them, sorted."""
    return sorted(UpstreamPermit.objects.values_list("name", flat=True))


# credentials


def _box() -> Fernet:
    key = salted_hmac("packhouse.upstream", "credentials", algorithm="sha256").digest()
    return Fernet(urlsafe_b64encode(key))


def _sealed(text: str) -> str:
    return _box().encrypt(text.encode()).decode() if text else ""


def _opened(sealed: str) -> str:
    """What was sealed; "" for nothing, and for what another key sealed (a restored database)."""
    try:
        return _box().decrypt(sealed.encode()).decode() if sealed else ""
    except InvalidToken:
        return ""


def learn_hosts(upstream: Upstream, urls: Iterable[str], *, clock: Clock) -> list[str]:
    """The hosts an upstream found by `auto` may lead to from now on: those its first page with files names."""
    hosts = sorted({host for host in (host_of(url) for url in urls if url.startswith("https://")) if host})
    try:
        known = read_hosts([*upstream.hosts, *hosts])
    except PackhouseError:
        return list(upstream.hosts)
    with write():
        moment = take(1, clock)
        Upstream.objects.filter(pk=upstream.pk).update(hosts=list(known), learns=False)
        entry = Entry(Fact.UPSTREAM_SET, detail={"upstream": upstream.name, "hosts": list(known), "learnt": True})
        record(moment, Actor(via="upstream"), [entry])
    return list(known)
