# SPDX-License-Identifier: Apache-2.0
"""The transaction that publishes a judged file: rows, journal entries and pages, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packhouse.catalogue.models import Index, Project
from packhouse.catalogue.rows import fetch_one, insert, insert_with_id, moment_in, run, write_json
from packhouse.catalogue.upload_facts import KnownProject, UploadFacts, lock_project
from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.names import ultranormalize
from packhouse.domain.permissions import Identity, ProjectRole
from packhouse.domain.versions import parse_version
from packhouse.errors import Fault, Kind, refuse
from packhouse.services import access, pages
from packhouse.services.indexes import indexes_above
from packhouse.services.journal import Actor, Entry, Fact, Moment, record, take, write
from packhouse.services.upload_rules import Candidate, Case, demand, index_of, open_case

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


def place(judged: Judged, resources: Resources, identity: Identity, index_name: str) -> bool:
    """Publish; False when exactly this file is there already. Every right and rule is asked again here.

    Raises PackhouseError when something speaks against it now, IntegrityError when a race was lost (try again).
    """
    candidate = judged.candidate
    with write():
        resources.hook("s10")
        current = access.still_valid(identity, resources.clock())
        held = lock_project(candidate.parsed.name)
        case = open_case(candidate, current, index_of(index_name, current), resources)
        if not held and case.facts.project is not None:  # somebody began it between these two
            lock_project(candidate.parsed.name)
            case = open_case(candidate, current, index_of(index_name, current), resources)
        demand(case)
        if case.is_there:
            return False
        entries = _entries(case, judged, current)
        moment = take(len(entries), resources.clock)
        _demand_blobs(judged, resources)
        project = _write(case.facts, judged, current, moment)
        record(moment, Actor.of(current), entries)
        resources.hook("s11")
        known = case.facts.project
        appeared = known is None or known.deleted or not known.in_index
        facts = case.facts.index
        index = Index(pk=facts.index_id, name=index_name, audience=facts.audience, shaped=facts.shaped)
        pages.refresh(index, project, moment, indexes_above(index_name), names=appeared)
        resources.hook("s12")
    return True


def _demand_blobs(judged: Judged, resources: Resources) -> None:
    """A row without a blob cannot exist: the collector removes blobs under the lock that is held here (hostile-257).

    A bucket is asked only about a blob whose removal was announced.
    """
    blobs, wanted = resources.blobs, (judged.candidate.digests.sha256, judged.metadata_sha256)
    if blobs.near is not blobs and fetch_one(_REMOVED, *wanted) is None:
        return
    for sha256 in wanted:
        if blobs.wanted_at(sha256) is None:
            message = "The stored bytes of this file were removed while it was published; send it again."
            raise refuse(Kind.UNAVAILABLE, "blob-missing", message)


_REMOVED = "SELECT 1 FROM catalogue_blobremoval WHERE sha256 IN (%s, %s) LIMIT 1"


def _entries(case: Case, judged: Judged, identity: Identity) -> list[Entry]:
    """The facts this upload establishes, in order. An address is kept only where a rule counts by it."""
    facts = case.facts
    parsed, index = judged.candidate.parsed, facts.index.name
    version = _version(judged) if facts.release is None else facts.release.version
    entries = []
    if facts.project is None or facts.project.deleted:
        created = {"display_name": judged.core.name}
        if identity.organization_id is not None:
            created["organization"] = identity.username
        if case.profile.new_projects_per_hour_from_address is not None:
            created["address"] = judged.candidate.place
        entries.append(Entry(Fact.PROJECT_CREATED, index, parsed.name, detail=created))
    if _wants_owner(facts, identity):
        detail = {"user": identity.username, "role": ProjectRole.OWNER.value}
        entries.append(Entry(Fact.ROLE_ADDED, index, parsed.name, detail=detail))
    if facts.release is None or not facts.release.living:
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


def _write(facts: UploadFacts, judged: Judged, identity: Identity, moment: Moment) -> Project:
    """Write the rows, from the project to the placement."""
    project, at = _write_project(facts.project, judged, identity, moment), moment_in(moment.at)
    if _wants_owner(facts, identity):
        role = ProjectRole.OWNER.value
        insert("catalogue_role", project_id=project.pk, user_id=identity.user_id, role=role, since=at)
    release = facts.release
    release_id = release.release_id if release is not None else _write_release(project, judged, moment)
    file_id = (
        facts.file.file_id if facts.file is not None else _write_file(judged, release_id, project, identity, moment)
    )
    insert(
        "catalogue_placement",
        index_id=facts.index.index_id,
        project_id=project.pk,
        file_id=file_id,
        from_serial=moment.last,
        to_serial=None,
    )
    return project


def _wants_owner(facts: UploadFacts, identity: Identity) -> bool:
    """Whether who publishes becomes the owner; an organization owns what its tokens begin without a role."""
    return identity.organization_id is None and (facts.project is None or not facts.project.has_owner)


def _write_project(known: KnownProject | None, judged: Judged, identity: Identity, moment: Moment) -> Project:
    """The project with its validators moved."""
    name, display_name, now = judged.candidate.parsed.name, judged.core.name, int(moment.at.timestamp())
    if known is None:
        project_id = insert_with_id(
            "catalogue_project",
            name=name,
            ultra_name=ultranormalize(name),
            display_name=display_name,
            created_at=moment_in(moment.at),
            created_serial=moment.first,
            deleted_serial=None,
            serial=moment.last,
            modified=now,
            organization_id=identity.organization_id,
        )
        return Project(pk=project_id, name=name, display_name=display_name, serial=moment.last, modified=now)
    modified = max(known.modified + 1, now)
    run(_TOUCH, moment.last, modified, display_name, known.project_id)
    return Project(pk=known.project_id, name=name, display_name=display_name, serial=moment.last, modified=modified)


_TOUCH = """
UPDATE catalogue_project SET serial = %s, modified = %s, display_name = %s, deleted_serial = NULL WHERE id = %s
"""


def _write_release(project: Project, judged: Judged, moment: Moment) -> int:
    return insert_with_id(
        "catalogue_release",
        project_id=project.pk,
        version=_version(judged),
        canonical=judged.candidate.canonical,
        created_at=moment_in(moment.at),
        created_serial=moment.last,
    )


def _write_file(judged: Judged, release_id: int, project: Project, identity: Identity, moment: Moment) -> int:
    candidate, core = judged.candidate, judged.core
    parsed, digests = candidate.parsed, candidate.digests
    file_id = insert_with_id(
        "catalogue_file",
        release_id=release_id,
        project_id=project.pk,
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
        metadata=write_json(metadata_of(core)),
        warnings=write_json([{"code": w.code, "message": w.message, "field": w.field} for w in judged.warnings]),
        uploaded_at=moment_in(moment.at),
        uploaded_by_id=identity.user_id,
        uploaded_with=identity.token_id,
        serial=moment.last,
        purged_serial=None,
    )
    if core.description:
        insert(
            "catalogue_filedescription",
            file_id=file_id,
            content_type=core.description_content_type[:200],
            text=_storable(core.description),
            html=_storable(judged.judgement.description_html or ""),
        )
    return file_id


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
