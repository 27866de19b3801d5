# SPDX-License-Identifier: Apache-2.0
"""`/metrics` in the text form of Prometheus, summed over the workers.

Not public: an administrator's session may read it, a scraper with `Authorization: Bearer <PACKHOUSE_METRICS_TOKEN>`,
and programs of this machine while the server listens to this machine alone and no public address is set.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from packhouse import __version__
from packhouse.catalogue.models import File, Project, User
from packhouse.config import Settings
from packhouse.domain.addresses import is_loopback
from packhouse.errors import Kind, refuse
from packhouse.services import journal
from packhouse.services.state import state_of

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_requests = Counter(
    "packhouse_origin_requests", "Requests the origin answered.", ["method", "route", "status"], registry=None
)
_seconds = Histogram(
    "packhouse_origin_request_seconds",
    "Time the origin took to answer.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=None,
)


_edge_replies = Counter("packhouse_edge_replies", "Requests the edge answered by itself.", ["status"], registry=None)


def edge_answered(status: int, count: int) -> None:
    """Count answers the edge gave without the origin."""
    _edge_replies.labels(str(status)).inc(count)


def request_answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request; a method outside the usual ones counts as `other`."""
    _requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
    _seconds.labels(route).observe(seconds)


class Facts(Collector):
    """What the catalogue says at the moment of asking."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Four numbers, each one query."""
        version = GaugeMetricFamily("packhouse_info", "The running version.", labels=["version"])
        version.add_metric([__version__], 1)
        yield version
        yield GaugeMetricFamily("packhouse_serial", "The newest journal entry.", journal.last_serial())
        projects = Project.objects.filter(deleted_serial=None).count()
        yield GaugeMetricFamily("packhouse_projects", "Projects of this server.", projects)
        yield GaugeMetricFamily("packhouse_files", "Files ever uploaded.", File.objects.count())
        people = User.objects.filter(is_active=True).count()
        yield GaugeMetricFamily("packhouse_users", "Accounts that are not disabled.", people)
        yield from _keeping()


def _keeping() -> Iterable[GaugeMetricFamily]:
    """How what is kept is looked after; times are in unix seconds, 0 for never."""
    state = state_of(settings.PACKHOUSE)
    scrubbed = state.scrub.finished_at.timestamp() if state.scrub and state.scrub.finished_at else 0
    yield GaugeMetricFamily("packhouse_scrub_finished_seconds", "End of the scrub's last whole turn.", scrubbed)
    read = state.scrub.size if state.scrub else 0
    yield GaugeMetricFamily("packhouse_scrub_read_bytes", "Bytes the scrub's turn has read so far.", read)
    yield GaugeMetricFamily("packhouse_damaged_blobs", "Blobs known to be missing or damaged.", len(state.findings))
    backed = state.backup["at"].timestamp() if state.backup else 0
    yield GaugeMetricFamily("packhouse_backup_seconds", "When the last backup was made.", backed)
    yield GaugeMetricFamily("packhouse_stored_bytes", "Bytes of the files that are kept.", state.files_size)
    yield GaugeMetricFamily("packhouse_free_bytes", "Bytes free for files.", state.free)


def metrics(request: HttpRequest) -> HttpResponse:
    """All numbers, or 401."""
    if not _may_see(request, settings.PACKHOUSE):
        message = "These numbers are for administrators; sign in as one, or send PACKHOUSE_METRICS_TOKEN as Bearer."
        raise refuse(Kind.UNAUTHENTICATED, "metrics-private", message)
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_requests)
        registry.register(_seconds)
        registry.register(_edge_replies)
    registry.register(Facts())
    headers = {"Cache-Control": "no-store"}
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4, headers=headers)


def _may_see(request: HttpRequest, ours: Settings) -> bool:
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    if ours.metrics_token and scheme.lower() == "bearer":
        return hmac.compare_digest(sent.strip().encode(), ours.metrics_token.encode())
    if getattr(request.user, "is_admin", False):
        return True
    return _on_this_machine(request, ours)


def _on_this_machine(request: HttpRequest, ours: Settings) -> bool:
    """Whether the asker sits here and no proxy can be in between, as far as we can know."""
    forwarded = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "Via"))
    public = ours.base_url is not None or not is_loopback(ours.host)
    return not forwarded and not public and is_loopback(str(request.META.get("REMOTE_ADDR", "")))
