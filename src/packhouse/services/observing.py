# SPDX-License-Identifier: Apache-2.0
"""Keeping what an upstream's page says: the page itself when it changed, and a row for each of its files.

The sha256 of a file is believed when it is first seen, and for ever: another one under the same name is refused.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import zstandard

from packhouse.catalogue.composition import DEEPEST, INDEX, UPSTREAM
from packhouse.catalogue.models import Index, Layer, Observation, Page, Upstream, UpstreamFile, UpstreamProject
from packhouse.catalogue.pulled import is_ours
from packhouse.domain.pulled import LONGEST_TEXT, PulledFile, believed, hosts_forbidden
from packhouse.domain.simple_reader import ReadPage, read_project_page
from packhouse.services import pages
from packhouse.services.journal import Actor, Entry, Fact, last_serial, record, take, write
from packhouse.services.upstreams import learn_hosts, reach_of
from packhouse.upstream.pages import FoundPage, NoPage, PageAnswer

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

_log = logging.getLogger(__name__)

PULLING = Actor(via="upstream")
LEVEL = 10  # of zstd: pages are kept for ever
FIRST_RETRY = 5.0
LONGEST_RETRY = 60.0
_BATCH = 500


def ttl(resources: Resources, upstream: Upstream) -> int:
    """Seconds for which a page of an upstream is fresh."""
    return resources.settings.upstream_ttl if upstream.ttl is None else upstream.ttl


def negative_ttl(resources: Resources, upstream: Upstream) -> int:
    """Seconds for which it is believed that an upstream does not have a name."""
    return resources.settings.upstream_negative_ttl if upstream.negative_ttl is None else upstream.negative_ttl


def keep(resources: Resources, upstream: Upstream, name: str, answer: PageAnswer) -> None:
    """Keep what an upstream answered for a project (normalized).

    Raises PackhouseError (`upstream-page-invalid`) for what is no page of that project.
    """
    project = UpstreamProject.objects.filter(upstream=upstream, name=name).first()
    if isinstance(answer, FoundPage):
        _keep_page(resources, upstream, name, answer)
    elif project is not None:
        gone = isinstance(answer, NoPage)
        _confirm(resources, upstream, project, gone=gone)


def _confirm(resources: Resources, upstream: Upstream, project: UpstreamProject, *, gone: bool) -> None:
    """The page is what it was, or is no more."""
    now = resources.clock().timestamp()
    with write():
        if gone != project.gone:
            project.gone = gone
            project.etag = ""
            _move(resources, project)
        _checked(project, now, now + max(1, ttl(resources, upstream)))
        project.save()
        _drop_pages(project.name)


def _checked(project: UpstreamProject, now: float, until: float) -> None:
    project.checked_at, project.fresh_until = now, until
    project.failure, project.failing_since = "", None


def _move(resources: Resources, project: UpstreamProject) -> None:
    """Move the validators of a project's pages."""
    project.serial = max(project.serial, last_serial())
    project.modified = max(project.modified + 1, int(resources.clock().timestamp()))
    roots = Page.objects.filter(index_name__in=indexes_with(project.upstream.name), project="")
    roots.exclude(kind=pages.NAMES).delete()  # they carry the serial


def failed(resources: Resources, project: UpstreamProject, words: str, retry_after: int | None) -> None:
    """The upstream did not answer: what is kept stands a little longer, the longer it has been so."""
    now = resources.clock().timestamp()
    since = now if project.failing_since is None else project.failing_since
    wait = retry_after if retry_after is not None else min(LONGEST_RETRY, max(FIRST_RETRY, now - since))
    with write():
        UpstreamProject.objects.filter(pk=project.pk).update(
            failure=words, failing_since=since, fresh_until=now + max(1.0, wait)
        )
        _drop_pages(project.name)


def _drop_pages(name: str) -> None:
    """Let the pages of a project be made again; they carry the moment at which the upstream is asked."""
    Page.objects.filter(project=name).delete()


def size_known(sha256: str) -> None:
    """The pages that a file stands on say its size from now on; in the transaction that learnt it."""
    names = UpstreamFile.objects.filter(sha256=sha256, project__upstream__isnull=False).values("project__name")
    if UpstreamFile.objects.filter(sha256=sha256, size=None).exists():
        Page.objects.filter(project__in=names).delete()


def changed(resources: Resources, project_id: int) -> None:
    """What is kept of a project's files is not what it was: its pages are made again; in the caller's transaction."""
    project = UpstreamProject.objects.select_related("upstream").get(pk=project_id)
    _move(resources, project)
    project.save(update_fields=["serial", "modified"])
    _drop_pages(project.name)


def bytes_are_wrong(resources: Resources, sha256: str, found: str) -> None:
    """Journal that a file came with another sha256 than its own (hostile-221), once until its page is right again."""
    with write():
        rows = UpstreamFile.objects.select_related("project", "project__upstream")
        wrong = list(rows.filter(sha256=sha256, refused_sha256="", listed=True))
        if wrong:
            UpstreamFile.objects.filter(pk__in=[row.pk for row in wrong]).update(refused_sha256=found)
            entries = [_refusal(row.project.upstream, row.project, row, found) for row in wrong]
            record(take(len(entries), resources.clock), PULLING, entries)


def metadata_is_wrong(resources: Resources, file: UpstreamFile) -> None:
    """The core metadata of a file is not offered any more: its digest is not the one the page says (hostile-230)."""
    with write():
        project = UpstreamProject.objects.select_related("upstream").get(pk=file.project_id)
        detail = {"upstream": project.upstream.name, "metadata": file.metadata_sha256}
        entry = Entry(
            Fact.UPSTREAM_FILE_REFUSED,
            project=project.name,
            version=file.version,
            filename=file.filename,
            detail=detail,
        )
        UpstreamFile.objects.filter(pk=file.pk).update(metadata_wrong=True)
        record(take(1, resources.clock), PULLING, [entry])
        changed(resources, project.pk)


# a page


@dataclass(frozen=True, slots=True)
class _Sight:
    """A page as it was seen now."""

    found: FoundPage
    digest: str
    page: ReadPage
    files: tuple[PulledFile, ...]
    dropped: int
    at: datetime


def _keep_page(resources: Resources, upstream: Upstream, name: str, found: FoundPage) -> None:
    digest = sha256(found.body, usedforsecurity=False).hexdigest()
    page = read_project_page(found.body, found.content_type, found.url)
    if upstream.learns and any(file.url.startswith("https://") for file in page.files):
        upstream.hosts = learn_hosts(upstream, [file.url for file in page.files], clock=resources.clock)
    reach = reach_of(upstream)
    files, dropped = believed(page, name, reach.leads_to)
    if page.files and not files:
        hosts = ", ".join(hosts_forbidden(page.files, reach)[:3])
        _log.warning("upstream %s: no file of %s is shown; hosts not on its list: %s", upstream.name, name, hosts)
    _write(resources, upstream, name, _Sight(found, digest, page, files, dropped, resources.clock()))


def _write(resources: Resources, upstream: Upstream, name: str, sight: _Sight) -> None:
    now = sight.at.timestamp()
    with write():
        if is_ours(name):  # published meanwhile
            return
        project = UpstreamProject.objects.filter(upstream=upstream, name=name).first()
        first = project is None
        if project is None:
            project = _begin(resources, upstream, name, sight.at)
        changed = first or project.gone or project.digest != sight.digest or project.dropped != sight.dropped
        if changed:
            _observe(resources, upstream, project, sight, first=first)
            if not first:
                _move(resources, project)
        project.gone = False
        project.etag = sight.found.etag[:500]
        _checked(project, now, now + max(1, ttl(resources, upstream)))
        project.save()
        _drop_pages(name)


def _begin(resources: Resources, upstream: Upstream, name: str, at: datetime) -> UpstreamProject:
    """The name is the upstream's from now on, in every index made of it."""
    moment = take(1, resources.clock)
    detail = {"upstream": upstream.name}
    record(moment, PULLING, [Entry(Fact.UPSTREAM_PROJECT_KEPT, project=name, detail=detail)])
    pages.forget(indexes_with(upstream.name), moment, name)
    return UpstreamProject.objects.create(
        upstream=upstream,
        name=name,
        first_seen=at,
        from_serial=moment.first,
        serial=moment.first,
        modified=int(at.timestamp()),
        checked_at=at.timestamp(),
        fresh_until=at.timestamp(),
    )


def indexes_with(upstream: str) -> list[str]:
    """The indexes that show what an upstream has, however many levels up."""
    found: set[str] = set()
    rows = Layer.objects.filter(kind=UPSTREAM, target=upstream, to_serial=None)
    level = set(rows.values_list("index__name", flat=True))
    for _ in range(DEEPEST):
        found |= level
        above = Layer.objects.filter(kind=INDEX, target__in=level, to_serial=None)
        level = set(above.values_list("index__name", flat=True)) - found
        if not level:
            break
    return sorted(Index.objects.filter(name__in=found).values_list("name", flat=True))


def _observe(resources: Resources, upstream: Upstream, project: UpstreamProject, sight: _Sight, *, first: bool) -> None:
    """Write down a page that is not what it was."""
    if project.digest != sight.digest:
        Observation.objects.create(
            upstream=upstream,
            project=project.name,
            seen_at=sight.at,
            digest=sight.digest,
            url=sight.found.url[:2000],
            content_type=sight.found.content_type[:200],
            body=zstandard.ZstdCompressor(level=LEVEL).compress(sight.found.body),
        )
    project.digest, project.dropped = sight.digest, sight.dropped
    project.status = sight.page.status.value
    project.status_reason = sight.page.status_reason[:LONGEST_TEXT]
    refused = _merge(project, sight, first=first)
    if refused:
        moment = take(len(refused), resources.clock)
        record(moment, PULLING, [_refusal(upstream, project, row, said) for row, said in refused])


def _refusal(upstream: Upstream, project: UpstreamProject, row: UpstreamFile, said: str) -> Entry:
    detail = {"upstream": upstream.name, "sha256": row.sha256, "said": said}
    return Entry(
        Fact.UPSTREAM_FILE_REFUSED, project=project.name, version=row.version, filename=row.filename, detail=detail
    )


def _merge(project: UpstreamProject, sight: _Sight, *, first: bool) -> list[tuple[UpstreamFile, str]]:
    """Bring the rows of a project's files up to the page; those whose digest it changes, and what it says now."""
    rows = {row.filename: row for row in UpstreamFile.objects.filter(project=project)}
    named = {file.filename for file in sight.files}
    fresh: list[UpstreamFile] = []
    moved: list[UpstreamFile] = []
    refused: list[tuple[UpstreamFile, str]] = []
    for file in sight.files:
        row = rows.get(file.filename)
        if row is None:
            fresh.append(_new(project, file, sight.at, first=first))
            continue
        said = _contradiction(row, file)
        if said:
            if row.refused_sha256 != said:
                refused.append((row, said))
                row.refused_sha256 = said
                moved.append(row)
            continue
        if _update(row, file):
            moved.append(row)
    gone = [row for row in rows.values() if row.listed and row.filename not in named]
    for row in gone:
        row.listed = False
    UpstreamFile.objects.bulk_create(fresh, batch_size=_BATCH)
    UpstreamFile.objects.bulk_update(
        [*moved, *gone],
        ["url", "sha256", "size", "upload_time", "requires_python", "metadata_sha256", "metadata_wrong",
         "metadata_filled", "yanked", "provenance", "listed", "refused_sha256", "other_digest", "wait_until"],
        batch_size=_BATCH,
    )  # fmt: skip
    return refused


def _contradiction(row: UpstreamFile, file: PulledFile) -> str:
    """The digest that a page gives a file now, if it can't be that of the bytes whose sha256 we have; else ""."""
    if file.sha256 and row.sha256 and file.sha256 != row.sha256:
        return file.sha256
    before, now = row.other_digest.partition("="), file.other_digest.partition("=")
    return file.other_digest if row.sha256 and before[0] == now[0] and before[2] != now[2] else ""


def _new(project: UpstreamProject, file: PulledFile, at: datetime, *, first: bool) -> UpstreamFile:
    """The row of a file seen for the first time.

    On the first page of a project the upload times are believed; on later ones a file is no older than this moment.
    """
    uploaded = None if file.upload_time is None else file.upload_time.astimezone(UTC)
    seen = at if uploaded is None or not first else min(uploaded, at)
    return UpstreamFile(
        project=project,
        filename=file.filename,
        version=file.version,
        url=file.url,
        sha256=file.sha256,
        size=file.size,
        upload_time=uploaded,
        first_seen=at,
        seen_at=seen,
        requires_python=file.requires_python,
        metadata_sha256=file.metadata_sha256,
        yanked=file.yanked,
        provenance=file.provenance,
        other_digest=file.other_digest,
        metadata_tried=not file.filename.endswith(".whl"),
    )


def _update(row: UpstreamFile, file: PulledFile) -> bool:
    """Take over what a page says of a file now; whether that is anything new."""
    said: dict[str, Any] = {
        "url": file.url,
        "sha256": row.sha256 or file.sha256,
        "size": row.size if file.size is None else file.size,
        "upload_time": row.upload_time if row.upload_time is not None else file.upload_time,
        "requires_python": file.requires_python,
        "yanked": file.yanked,
        "provenance": file.provenance,
        "listed": True,
        "refused_sha256": "",
    }
    if file.metadata_sha256 and file.metadata_sha256 != row.metadata_sha256:
        said |= {"metadata_sha256": file.metadata_sha256, "metadata_wrong": False, "metadata_filled": False}
    if file.other_digest and file.other_digest != row.other_digest:
        said["other_digest"] = file.other_digest
    if not row.sha256 and (file.url != row.url or "other_digest" in said):
        said["wait_until"] = 0.0
    changed = {key: value for key, value in said.items() if getattr(row, key) != value}
    for key, value in changed.items():
        setattr(row, key, value)
    return bool(changed)
