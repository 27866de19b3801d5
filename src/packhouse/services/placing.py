# SPDX-License-Identifier: Apache-2.0
"""The transaction that publishes a judged file: rows, journal entries and pages, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packhouse.catalogue.models import File, FileDescription, Index, Placement, Project, Release, Role, User
from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.names import ultranormalize
from packhouse.domain.permissions import Identity, ProjectRole
from packhouse.domain.versions import parse_version
from packhouse.errors import Fault, Kind, refuse
from packhouse.services import access, pages, upload_rules
from packhouse.services.indexes import indexes_above, profile_of
from packhouse.services.journal import Actor, Entry, Fact, Moment, record, take, write
from packhouse.services.upload_rules import Candidate

if TYPE_CHECKING:
    from packhouse.services.judging import Judgement
    from packhouse.services.resources import Resources


@dataclass(frozen=True, slots=True)
class Judged:
    """A sound file: what it is, what it says, and where its metadata's bytes are."""

    candidate: Candidate
    judgement: Judgement
    metadata_sha256: str
    warnings: tuple[Fault, ...]

    @property
    def core(self) -> CoreMetadata:
        """What the file says of itself."""
        if self.judgement.core is None:  # pragma: no cover - only sound files come here
            raise ValueError("a file without metadata is not placed")
        core: CoreMetadata = self.judgement.core
        return core


@dataclass(slots=True)
class _Found:
    """What is there before: None for what the file is the first of."""

    index: Index
    project: Project | None
    release: Release | None
    file: File | None
    has_owner: bool
    in_index: bool
    release_lives: bool


def place(judged: Judged, resources: Resources, identity: Identity, index_name: str) -> bool:
    """Publish; False when exactly this file is there already. Every right and rule is asked again here.

    Raises PackhouseError when something speaks against it now, IntegrityError when a race was lost (try again).
    """
    candidate = judged.candidate
    with write():
        current = access.still_valid(identity, resources.clock())
        _lock(candidate)
        upload_rules.demand(current, index_name, candidate, profile_of(index_name), resources)
        if upload_rules.is_there(candidate, index_name):
            return False
        found = _find(candidate, index_name)
        entries = _entries(found, judged, current)
        moment = take(len(entries), resources.clock)
        _demand_blobs(judged, resources)
        project = _write(found, judged, current, moment)
        record(moment, Actor.of(current), entries)
        pages.touch_project(project, moment)
        appeared = not found.in_index or found.project is None or found.project.deleted_serial is not None
        pages.refresh(found.index, project, moment, indexes_above(index_name), names=appeared)
    return True


def _demand_blobs(judged: Judged, resources: Resources) -> None:
    """A row without a blob cannot exist: the collector removes blobs under the lock that is held here (hostile-257)."""
    for sha256 in (judged.candidate.digests.sha256, judged.metadata_sha256):
        if resources.blobs.wanted_at(sha256) is None:
            message = "The stored bytes of this file were removed while it was published; send it again."
            raise refuse(Kind.UNAVAILABLE, "blob-missing", message)


def _lock(candidate: Candidate) -> Project | None:
    """The project, if there is one, locked before the counter: so quotas hold in a race and nobody waits in a ring."""
    return Project.objects.select_for_update(no_key=True).filter(name=candidate.parsed.name).first()


def _find(candidate: Candidate, index_name: str) -> _Found:
    index = Index.objects.get(name=index_name)
    project = _lock(candidate)
    if project is None:
        return _Found(index, None, None, None, has_owner=False, in_index=False, release_lives=False)
    release = Release.objects.filter(project=project, canonical=candidate.canonical).first()
    return _Found(
        index,
        project,
        release,
        File.objects.filter(filename=candidate.parsed.filename).first(),
        has_owner=Role.objects.filter(project=project, role=ProjectRole.OWNER.value).exists(),
        in_index=Placement.objects.filter(index=index, project=project).exists(),
        release_lives=release is not None and upload_rules.living(release=release).exists(),
    )


def _entries(found: _Found, judged: Judged, identity: Identity) -> list[Entry]:
    """The facts this upload establishes, in order."""
    parsed, index = judged.candidate.parsed, found.index.name
    version = found.release.version if found.release is not None else _version(judged)
    entries = []
    if found.project is None or found.project.deleted_serial is not None:
        entries.append(Entry(Fact.PROJECT_CREATED, index, parsed.name, detail={"display_name": judged.core.name}))
    if not found.has_owner:
        detail = {"user": identity.username, "role": ProjectRole.OWNER.value}
        entries.append(Entry(Fact.ROLE_ADDED, index, parsed.name, detail=detail))
    if not found.release_lives:
        entries.append(Entry(Fact.RELEASE_NEW, index, parsed.name, version))
    of_file: dict[str, Any] = {
        "sha256": judged.candidate.digests.sha256,
        "size": judged.candidate.size,
        "packagetype": parsed.packagetype,
        "python_version": parsed.python_version,
    }
    return [*entries, Entry(Fact.FILE_ADDED, index, parsed.name, version, parsed.filename, of_file)]


def _version(judged: Judged) -> str:
    """The spelling a release gets from its first file: that of the metadata, in PEP 440's normal form."""
    return str(parse_version(judged.core.version))


def _write(found: _Found, judged: Judged, identity: Identity, moment: Moment) -> Project:
    """Write the rows, from the project to the placement."""
    project = _write_project(found, judged, moment)
    if not found.has_owner:
        owner = User.objects.get(pk=identity.user_id or 0)
        Role.objects.create(project=project, user=owner, role=ProjectRole.OWNER.value, since=moment.at)
    release = found.release or Release.objects.create(
        project=project,
        version=_version(judged),
        canonical=judged.candidate.canonical,
        created_at=moment.at,
        created_serial=moment.last,
    )
    file = found.file or _write_file(judged, release, identity, moment)
    Placement.objects.create(index=found.index, project=project, file=file, from_serial=moment.last)
    return project


def _write_project(found: _Found, judged: Judged, moment: Moment) -> Project:
    name, display_name = judged.candidate.parsed.name, judged.core.name
    project = found.project
    if project is None:
        return Project.objects.create(
            name=name,
            ultra_name=ultranormalize(name),
            display_name=display_name,
            created_at=moment.at,
            created_serial=moment.first,
        )
    if project.deleted_serial is not None or project.display_name != display_name:
        Project.objects.filter(pk=project.pk).update(deleted_serial=None, display_name=display_name)
        project.display_name = display_name
    return project


def _write_file(judged: Judged, release: Release, identity: Identity, moment: Moment) -> File:
    candidate, core = judged.candidate, judged.core
    parsed, digests = candidate.parsed, candidate.digests
    file = File.objects.create(
        release=release,
        project_id=release.project_id,
        filename=parsed.filename,
        filename_key=parsed.key,
        packagetype=parsed.packagetype,
        python_version=parsed.python_version,
        sha256=digests.sha256,
        blake2b_256=digests.blake2b_256,
        md5=digests.md5,
        size=candidate.size,
        requires_python=core.requires_python,
        metadata_sha256=judged.metadata_sha256,
        metadata_served=parsed.packagetype == "bdist_wheel" or core.is_reliable_sdist,
        metadata=metadata_of(core),
        warnings=[{"code": w.code, "message": w.message, "field": w.field} for w in judged.warnings],
        uploaded_at=moment.at,
        uploaded_by_id=identity.user_id,
        uploaded_with=identity.token_id,
        serial=moment.last,
    )
    _write_description(file, judged)
    return file


def _write_description(file: File, judged: Judged) -> None:
    core = judged.core
    if core.description:
        FileDescription.objects.create(
            file=file,
            content_type=core.description_content_type[:200],
            text=_storable(core.description),
            html=_storable(judged.judgement.description_html or ""),
        )


def metadata_of(core: CoreMetadata) -> dict[str, Any]:
    """The metadata as it is kept with a file: plain data, without the description."""
    values = core.as_dict()
    values.pop("description", None)
    kept: dict[str, Any] = _storable(values)
    return kept


def _storable(value: Any) -> Any:
    """Text without NUL, which no PostgreSQL column takes, in whatever it is nested."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    return value
