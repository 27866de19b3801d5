# SPDX-License-Identifier: Apache-2.0
"""The composition root: Settings -> Resources -> server, worker, shell."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from packhouse.config import Settings
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.resources import Resources
from packhouse.storage.blobs import Blobs, Bucket, BucketBlobs, LocalBlobs
from packhouse.storage.folders import sync_folder
from packhouse.storage.incoming import Hook, no_hook
from packhouse.storage.probing import demand_usable

if TYPE_CHECKING:
    import socket

    from packhouse.edge.nginx import Front
    from packhouse.edge.remote import RemoteOrigin
    from packhouse.services.judging import Judge
    from packhouse.site.download_counts import DownloadCounts
    from packhouse.site.front import Nginx
    from packhouse.site.worker import Place
    from packhouse.storage.tally import Key


_log = logging.getLogger(__name__)


STATE = frozenset({"/healthz", "/readyz", "/metrics"})
"""What a server that only runs jobs answers."""

LEAST_KEY = 32
"""Characters of a signing key that somebody else made."""


def secret_key(settings: Settings) -> str:
    """The signing key: that of the file in the settings, else this data folder's, made at first use (0600).

    Raises PackhouseError (INVALID) when the file of the settings holds none.
    """
    given = None if settings.secret_key_file is None else _given_key(Path(settings.secret_key_file))
    file = settings.data / "secret-key"  # made in any case: by it a folder of ours is known
    if not file.exists():
        write_private(file, secrets.token_urlsafe(48) + "\n")
    if given is not None:
        return given
    return file.read_text(encoding="ascii").strip()


def _given_key(file: Path) -> str:
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        sentence = f"The signing key {file} can't be read ({error}); mend PACKHOUSE_SECRET_KEY_FILE and start again."
        raise refuse(Kind.INVALID, "secret-key-unusable", sentence, "secret_key_file") from error
    if len(key) < LEAST_KEY:
        sentence = (
            f"The signing key in {file} has {len(key)} characters, expected {LEAST_KEY} or more; make one with"
            " `openssl rand -base64 48` and start again."
        )
        raise refuse(Kind.INVALID, "secret-key-unusable", sentence, "secret_key_file")
    return key


def configure(settings: Settings, *, read_only: bool = False) -> None:
    """Configure Django for this process, once; makes the data folder (0700) and the signing key when absent.

    `read_only`: SQLite files are opened for reading alone, as a full disk or a read-only file system allows.
    """
    import django
    from django.conf import settings as django_settings

    from packhouse.site.settings import values

    if not django_settings.configured:
        os.umask(0o077)  # whatever we write is ours alone
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        django_settings.configure(**values(settings, secret_key(settings), read_only=read_only))
        django.setup()
        from packhouse.services.journal import mark_changes
        from packhouse.storage.marks import Marks

        mark_changes(Marks(settings.marks_folder))
        if settings.purge and not read_only:
            from packhouse.services.journal import tell_changes
            from packhouse.services.purging import Purging

            tell_changes(Purging(settings).tell)


def connect(settings: Settings, *, make: bool = False) -> None:
    """Configure Django for a command beside a server; refuses a folder no server was started on, unless `make`."""
    from packhouse.site.folder import existing_folder, is_new, lock_folder, prepare_folder

    if make and is_new(settings.data):
        prepare_folder(settings.data)
        lock = lock_folder(settings.data)
        try:
            prepare(settings)
        finally:
            lock.release()
        return
    existing_folder(settings.data)
    configure(settings)
    from packhouse.catalogue.migrating import demand_current

    demand_current(settings)


def bring_up(settings: Settings, *, plan: bool = False) -> list[tuple[str, str]]:
    """Migrate without serving, or only look with `plan`; returns the migrations that were missing, in order.

    On SQLite the folder is locked meanwhile: a start migrates as well, and nobody serves beside it.
    """
    from packhouse.site.folder import existing_folder, lock_folder, prepare_folder

    if settings.on_postgresql:
        prepare_folder(settings.data)
    else:
        existing_folder(settings.data)
    lock = None if settings.on_postgresql or plan else lock_folder(settings.data)
    try:
        configure(settings)
        from packhouse.catalogue.migrating import ALIASES, check, migrate

        missing = sorted({pair for alias in ALIASES for pair in check(settings, alias)})
        if missing and not plan:
            migrate(settings, fault_points())
        return missing
    finally:
        if lock is not None:
            lock.release()


def connect_to_read(settings: Settings) -> None:
    """Configure Django for a command that changes nothing; the folder need not be writable."""
    from packhouse.site.folder import existing_folder

    existing_folder(settings.data, writable=False)
    configure(settings, read_only=True)
    from packhouse.catalogue.migrating import demand_current

    demand_current(settings)


def start(settings: Settings, *, edge: str = "embedded", role: str = "all") -> int:
    """Run a server until it is told to stop; returns the exit status.

    `edge` is embedded, nginx or none; `role` all, origin or worker.

    Everything that can be refused is refused here, before the first worker starts.
    """
    from packhouse.site import logs, shared_numbers
    from packhouse.site.folder import fill_reserve, free_reserve, lock_folder, prepare_folder
    from packhouse.site.listening import demand_descriptors, listen
    from packhouse.site.pip_index import look_up
    from packhouse.site.supervisor import hold_signals

    hold_signals()
    os.umask(0o077)  # whatever we write is ours alone
    logs.set_up(settings.log_format)
    demand_descriptors()
    prepare_folder(settings.data)
    lock = lock_folder(settings.data)
    free_reserve(settings.data)
    listener = listen(settings.host, settings.port)
    settings = replace(settings, port=listener.getsockname()[1])
    numbers = shared_numbers.share(settings.data)
    looked_up = look_up(settings.upstream)
    try:
        prepare(settings)
        with suppress(_database_error(), PackhouseError):  # a full disk is no reason not to serve what is there
            settings = keep_upstream(settings, looked_up)
        welcome(settings, role)
        fill_reserve(settings.data)
        if edge == "nginx":
            return supervise_behind_nginx(settings, listener, role)
        return supervise(settings, listener.detach(), role, edge=edge != "none")
    finally:
        close_databases()
        shared_numbers.unshare(settings.data, numbers)
        lock.release()


def supervise_behind_nginx(settings: Settings, listener: socket.socket, role: str) -> int:
    """The same with an nginx in front, which takes over the listening socket; the workers get one of this machine."""
    from packhouse.site.front import open_front

    with open_front(settings, listener) as (nginx, inner):
        return supervise(settings, inner.detach(), role, edge=True, nginx=nginx)


def supervise(settings: Settings, listener: int, role: str, *, edge: bool, nginx: Nginx | None = None) -> int:
    """Start the judge of archives, then the workers; returns when all have ended."""
    from packhouse.services.judging import SandboxedJudge
    from packhouse.site.supervisor import Supervisor

    preload()
    judge = SandboxedJudge(hook=fault_points())
    judge.start()
    try:
        stock = resources(settings, judge)
        front = None if nginx is None else nginx.edge_side
        return Supervisor(
            lambda place: work(stock, place, role, edge=edge, front=front),
            listener,
            settings.workers,
            nginx,
            notice=settings.stop_notice,
        ).run()
    finally:
        judge.close()


def preload() -> None:
    """Import what workers need, so that they share its memory and their first answers are as quick as later ones."""
    from django.template import engines
    from django.urls import get_resolver, reverse

    import packhouse.edge.edge
    import packhouse.edge.server
    import packhouse.jobs.worker  # noqa: F401
    from packhouse.site.wsgi import application

    application()
    engines.all()
    _ = get_resolver().url_patterns
    reverse("home")


def prepare(settings: Settings) -> None:
    """Configure Django, bring the databases to this version, make the index `main`; leaves no connection open."""
    configure(settings)
    from packhouse.catalogue.migrating import migrate
    from packhouse.services.indexes import ensure_main
    from packhouse.services.resources import now
    from packhouse.services.restoring import heed_high_water
    from packhouse.services.roots import discard_foreign
    from packhouse.site.moving import heed_block

    migrate(settings, fault_points())
    moved = heed_block(settings)
    if moved:
        _log.error("%s", moved)
    ensure_main()
    with suppress(PackhouseError):  # a full disk is no reason not to serve what is there
        lost = heed_high_water(settings, now)
        if lost:
            _log.error("the database was put back to an older state: at least %s serials are lost", lost)
    discard_foreign(settings.data)
    LocalBlobs(settings.blobs_folder).sweep()
    if settings.has_bucket and settings.storage is not None:
        _log.info("bucket %s: %s", settings.storage, demand_usable(settings.storage).sentence)
    close_databases()


def close_databases() -> None:
    """Close this thread's connections; the last to close a SQLite database folds its log into it."""
    from django.db import Error, connections

    for connection in connections.all():
        with suppress(Error):
            connection.ensure_connection()
        connection.close()


def keep_upstream(settings: Settings, looked_up: Callable[[], str]) -> Settings:
    """Write down the upstream that was asked for, journalled when it changed; the settings with its address.

    `auto` is what pip on this machine is set to; nothing is below `main` where pip names none, or this very server.
    """
    from packhouse.services.journal import COMMAND
    from packhouse.services.resources import now
    from packhouse.services.upstreams import ensure_default
    from packhouse.site.pip_index import is_this_server

    auto = settings.upstream == "auto"
    address = looked_up() if auto else settings.upstream
    if auto and not address:  # no pip here: what there is stays
        return replace(settings, upstream="none")
    if auto and is_this_server(settings, address):
        address = "none"
    settings = replace(settings, upstream=address)
    ensure_default(COMMAND, "" if settings.upstream == "none" else settings.upstream, learns=auto, clock=now)
    return settings


def welcome(settings: Settings, role: str = "all") -> None:
    """Say where the server is and, until there is an administrator, how to become one; refuse to stand open before.

    A server that only runs jobs has nothing to offer.
    """
    from packhouse.cli import banner
    from packhouse.domain.addresses import is_loopback
    from packhouse.services.people import has_administrator

    file = settings.data / "first-admin"
    if role == "worker":
        banner.show_worker(settings)
    elif has_administrator():
        file.unlink(missing_ok=True)
        banner.show(settings)
    elif is_loopback(settings.host):
        _offer_claim(settings, file)
    else:
        raise refuse(
            Kind.FORBIDDEN,
            "no-administrator",
            f"{settings.host} may be reached from other machines, but there is no administrator yet; make one first"
            f" with `packhouse user create NAME --email ADDRESS --admin --data {settings.data}`,"
            " or start with --host 127.0.0.1.",
            "host",
        )
    close_databases()


def _offer_claim(settings: Settings, file: Path) -> None:
    """Make a new claim link and show it; an earlier one stays good when there is no room for another."""
    from packhouse.cli import banner
    from packhouse.services.people import offer_first_administrator
    from packhouse.services.resources import now

    try:
        claim = f"{banner.address(settings)}/admin/claim/{offer_first_administrator(now)}/"
        write_private(file, claim + "\n")
    except (_database_error(), OSError, PackhouseError):
        banner.show(settings)
    else:
        banner.show_first(settings, claim, file)


def _database_error() -> type[Exception]:
    from django.db import OperationalError

    return OperationalError


def write_private(file: Path, text: str) -> None:
    """Write a small file that only its owner may read (0600), whole or not at all, and durably."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)
    sync_folder(file.parent)


def resources(settings: Settings, judge: Judge | None = None) -> Resources:
    """What services are given; a command that publishes nothing needs no judge."""
    hook = fault_points()
    return Resources(settings, blobs_of(settings, hook), cast("Judge", judge), hook=hook)


def blobs_of(settings: Settings, hook: Hook = no_hook) -> Blobs:
    """Where the settings say that blobs live: a folder, or a bucket with copies in one."""
    if settings.has_bucket and settings.storage is not None:
        return BucketBlobs(Bucket(settings.storage), settings.blobs_folder, hook)
    return LocalBlobs(settings.blobs_folder, hook)


def fault_points() -> Hook:
    """What is called at each step of an upload: nothing, unless `PACKHOUSE_FAULT` asks for a fault.

    The module that makes faults is in the source tree alone, never in a wheel.
    """
    rules = os.environ.get("PACKHOUSE_FAULT")
    if not rules:
        return no_hook
    if find_spec("packhouse.faults") is None:
        sentence = "PACKHOUSE_FAULT is set, but only the source tree can make faults; unset it and start again."
        raise refuse(Kind.INVALID, "faults-absent", sentence, "PACKHOUSE_FAULT")
    from packhouse.faults import hook

    return hook(rules)


def work(stock: Resources, place: Place, role: str, *, edge: bool, front: Front | None = None) -> None:
    """Be a process of a server: the origin behind the edge, or alone, or jobs alone; jobs as the role says."""
    from packhouse.jobs import worker as jobs
    from packhouse.site.worker import run_wsgi
    from packhouse.site.wsgi import application
    from packhouse.web.health import leave
    from packhouse.web.resources import hold

    hold(stock)
    stop = jobs.start(stock, role)
    counts = count_downloads(stock)
    if role == "worker":
        work_unasked(stock, place)
    elif edge:
        work_at_edge(stock, place, front)
    else:
        run_wsgi(application(), place, leave)
    stop.set()
    counts.finish()


def work_unasked(stock: Resources, place: Place) -> None:
    """Answer nothing but how this process is, beside its jobs."""
    from packhouse.edge import server
    from packhouse.edge.edge import make_gate
    from packhouse.site.wsgi import application, only

    settings = stock.settings
    gate = make_gate(settings, only(application(), STATE))
    server.run(
        gate, number=place.number, listener=place.listener, pipe=place.pipe, connections=settings.max_connections
    )


def work_at_node(settings: Settings, origin: RemoteOrigin, place: Place) -> None:
    """Be a worker of a reading node."""
    stock = resources(settings)
    counts = count_downloads(stock)
    work_at_edge(stock, place, origin=origin)
    counts.finish()


def count_downloads(stock: Resources) -> DownloadCounts:
    """Begin to write down the downloads of this worker."""
    from django.db import connections

    from packhouse.services import copies
    from packhouse.services.budget import touch
    from packhouse.services.downloads import keep
    from packhouse.site.download_counts import DownloadCounts

    def carried(counted: Mapping[Key, int]) -> None:
        keep(counted)
        touch(stock, (key.filename for key in counted))
        copies.touch(stock, (key.filename for key in counted))

    counts = DownloadCounts(stock.tally, carried, connections.close_all)
    counts.start()
    return counts


def work_at_edge(
    stock: Resources, place: Place, front: Front | None = None, *, origin: RemoteOrigin | None = None
) -> None:
    """Be a worker with the edge in front of the origin, or of one elsewhere, behind nginx or not."""
    from packhouse.edge import server
    from packhouse.edge.edge import make_edge
    from packhouse.site.edge_numbers import carry
    from packhouse.site.wsgi import application
    from packhouse.web.metrics import edge_answered
    from packhouse.web.reading import edge_secret

    settings = stock.settings
    remote = origin is not None
    made = make_edge(
        settings,
        origin or application(),
        edge_secret(),
        front,
        stock.tally,
        nursery=None if remote else stock.nursery,
        past=None if remote else stock.past,
        is_node=remote,
    )
    carry(made.answered, edge_answered)
    server.run(
        made,
        number=place.number,
        listener=place.listener,
        pipe=place.pipe,
        connections=settings.max_connections,
    )
