# SPDX-License-Identifier: Apache-2.0
"""Publishing one file: judged against the form, the catalogue and itself; then blobs, then one transaction.

All faults are reported together, in the precedence order of the upload contract: form (B), metadata (C), project and
permission (D), file (E). What the catalogue says is asked twice: before the archive is judged, and in the
transaction that publishes, which decides.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from django.db import IntegrityError, OperationalError

from packhouse.domain.addresses import place_of
from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.filenames import SdistFilename, WheelFilename, parse_filename
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.permissions import Action, Identity, may
from packhouse.domain.upload_form import FILETYPES, UploadForm, differences, form_warnings, judge_form, read_form
from packhouse.domain.versions import canonical
from packhouse.domain.wording import shown
from packhouse.errors import Fault, Kind, PackhouseError
from packhouse.services import placing, upload_rules
from packhouse.services.indexes import file_limit_from
from packhouse.services.keeping import is_whole, metadata_digest
from packhouse.services.upload_rules import Candidate, Case

if TYPE_CHECKING:
    from packhouse.config import Settings
    from packhouse.services.judging import Judgement
    from packhouse.services.resources import Resources
    from packhouse.storage.incoming import Incoming

__all__ = ["Outcome", "UploadForm", "begin", "publish", "read_form"]

Parsed = WheelFilename | SdistFilename
ATTEMPTS = 3
"""Times a transaction is tried that lost a race for a unique row; each time it sees what the winner wrote."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A published file: `created` is False when it was there already, byte for byte."""

    message: str
    created: bool
    warnings: tuple[Fault, ...] = ()


def begin(identity: Identity, index_name: str, settings: Settings) -> int:
    """Refuse who may not upload to the index at all, before the body is read; returns the most bytes of a file."""
    index = upload_rules.index_of(index_name, identity)
    may(identity, Action.UPLOAD, index=index.right).demand()
    upload_rules.demand_running(index)
    return file_limit_from(index.rules, settings)


def publish(
    form: UploadForm,
    incoming: Incoming | None,
    resources: Resources,
    identity: Identity,
    index_name: str,
    *,
    address: str = "",
) -> Outcome:
    """Publish a file received from `address`, or raise all that is wrong with it; nothing of a refused one remains.

    Raises PackhouseError of the kind of the first fault. The caller discards `incoming` afterwards.
    """
    resources.hook("s4")
    wrong = judge_form(form)
    if incoming is None or form.filename is None:
        raise PackhouseError(Kind.INVALID, *(wrong or [_no_file()]))
    parsed, in_file = _judge_envelope(form, incoming, {fault.field for fault in wrong})
    if wrong or parsed is None:
        raise PackhouseError(Kind.INVALID, *wrong, *in_file)
    candidate = _candidate(form, parsed, incoming, address)
    case = upload_rules.open_case(candidate, identity, upload_rules.index_of(index_name, identity), resources)
    refusal = upload_rules.refusal(case)
    if refusal is not None and (refusal.kind is not Kind.INVALID or not in_file):
        raise refusal
    if in_file:
        raise PackhouseError(Kind.INVALID, *(refusal.faults if refusal else ()), *in_file)
    if case.is_there:
        _mend(candidate, incoming, case, resources)
        return _nothing_new(candidate)
    found = _judge_while_syncing(incoming, form.filename, case, resources, _sender(identity, parsed, index_name))
    said = (*form_warnings(form), *upload_rules.warnings(case), *found.judgement.warnings)
    warnings = (*said, *differences(form, found.core))
    incoming.keep()
    judged = placing.Judged(candidate, found.judgement, found.metadata_sha256, warnings)
    published = _place(judged, resources, identity, index_name)
    resources.hook("s13")
    if not published:
        return _nothing_new(candidate)
    return Outcome(f"{candidate.parsed.filename} is published.", created=True, warnings=warnings)


def _no_file() -> Fault:
    return Fault("file-missing", "Upload payload does not have a file; send it as 'content'.", "content")


def _judge_envelope(form: UploadForm, incoming: Incoming, known: set[str]) -> tuple[Parsed | None, list[Fault]]:
    """What filename, form and bytes say of each other (E1 to E4, E8, E16 to E18, E20, E22, E23).

    The fields in `known` are wrong already by themselves.
    """
    faults: list[Fault] = []
    filename = form.filename or ""
    try:
        parsed: Parsed | None = parse_filename(filename)
    except PackhouseError as error:
        parsed = None
        faults += error.faults
    extension = FILETYPES.get(form.filetype)
    if extension and parsed is not None and not filename.endswith(extension):
        message = (
            f"Filename {shown(filename)} must end in {extension!r} for filetype {form.filetype!r}; send the right one."
        )
        faults.insert(0, Fault("extension-mismatch", message, "filetype"))
    if incoming.size == 0:
        faults.append(Fault("file-empty", "The file is empty; build it again and send that.", "content"))
    faults += [fault for fault in _digest_faults(form, incoming) if fault.field not in known]
    if parsed is not None:
        faults += _agreement(form, parsed)
    return parsed, faults


def _digest_faults(form: UploadForm, incoming: Incoming) -> list[Fault]:
    digests = incoming.digests()
    pairs = (
        ("sha256_digest", form.sha256_digest, digests.sha256),
        ("blake2_256_digest", form.blake2_256_digest, digests.blake2b_256),
        ("md5_digest", form.md5_digest, digests.md5),
    )
    return [
        Fault(
            "digest-mismatch",
            f"The {name} does not match the uploaded file, whose digest is {found}; send it again.",
            name,
        )
        for name, given, found in pairs
        if given and given != found
    ]


def _agreement(form: UploadForm, parsed: Parsed) -> list[Fault]:
    """E17 and E23: the form speaks of the project and version the filename names."""
    faults = []
    if is_valid_name(form.name) and normalize(form.name) != parsed.name:
        expected = normalize(form.name).replace("-", "_")
        message = (
            f"Start filename for {shown(form.name)} with {expected!r}; {shown(parsed.filename)} is of another project."
        )
        faults.append(Fault("name-mismatch", message, "name"))
    if _identity_of(form.version) not in {None, canonical(parsed.raw_version)}:
        message = (
            f"Version in filename should be {shown(form.version)} not {parsed.raw_version!r}; send what was built."
        )
        faults.append(Fault("version-mismatch", message, "version"))
    return faults


def _identity_of(version: str) -> str | None:
    try:
        return canonical(version)
    except PackhouseError:
        return None


def _candidate(form: UploadForm, parsed: Parsed, incoming: Incoming, address: str) -> Candidate:
    return Candidate(
        parsed=parsed,
        display_name=form.name,
        canonical=canonical(parsed.raw_version),
        digests=incoming.digests(),
        size=incoming.size,
        place=place_of(address) if address else "",
    )


_beside = ThreadPoolExecutor(max_workers=8, thread_name_prefix="durable")
"""Where bytes are made durable beside other work: two waits for the disk at once take little longer than one."""


def _sender(identity: Identity, parsed: Parsed, index_name: str) -> str:
    """Whose files may share a process that judges: one token's, of one project in one index."""
    return f"{identity.token_id} {index_name} {parsed.name}" if identity.token_id is not None else ""


@dataclass(frozen=True, slots=True)
class _Durable:
    """A sound file whose bytes are on the disk, though not in the store, and whose metadata is in the store."""

    judgement: Judgement
    core: CoreMetadata
    metadata_sha256: str


def _judge_while_syncing(incoming: Incoming, filename: str, case: Case, resources: Resources, sender: str) -> _Durable:
    """Judge the file while its bytes go to the disk, whatever the verdict will be; a sound one's metadata follows."""

    def sync() -> None:
        resources.blobs.prepare(case.candidate.digests.sha256)
        incoming.sync()

    syncing = _beside.submit(sync)
    try:
        judgement = resources.judge.judge(incoming.path, filename, case.profile, sender)
        core = _demand_sound(judgement)
        metadata_sha256 = resources.blobs.put(judgement.metadata)
    finally:
        wait((syncing,))
    syncing.result()  # what fails here must not be tried again: see `Incoming.sync`
    return _Durable(judgement, core, metadata_sha256)


def _demand_sound(judgement: Judgement) -> CoreMetadata:
    """The metadata of a judged file, or all its faults: those of the metadata (C) before those of the archive (E)."""
    faults = sorted(judgement.faults, key=lambda fault: fault.field == "content")
    if faults or judgement.core is None:
        raise PackhouseError(Kind.INVALID, *(faults or [_no_metadata()]))
    core: CoreMetadata = judgement.core
    return core


def _no_metadata() -> Fault:
    return Fault("metadata-missing", "The file holds no metadata that can be read; build it again.", "content")


def _mend(candidate: Candidate, incoming: Incoming, case: Case, resources: Resources) -> None:
    """A file that is here already, sent once more: what the disk has lost of it is put back."""
    if not is_whole(resources.blobs, candidate.digests.sha256):
        incoming.keep()
    metadata = metadata_digest(candidate.parsed.filename)
    if metadata and not is_whole(resources.blobs, metadata):
        path = resources.blobs.path(candidate.digests.sha256) or incoming.path
        judgement = resources.judge.judge(path, candidate.parsed.filename, case.profile)
        if sha256(judgement.metadata, usedforsecurity=False).hexdigest() == metadata:
            resources.blobs.put(judgement.metadata)


def _nothing_new(candidate: Candidate) -> Outcome:
    return Outcome(f"{candidate.parsed.filename} is here already, byte for byte.", created=False)


def _place(judged: placing.Judged, resources: Resources, identity: Identity, index_name: str) -> bool:
    """Publish, again when another won a race for a row of ours: what it wrote then decides."""
    for _ in range(ATTEMPTS - 1):
        try:
            return placing.place(judged, resources, identity, index_name)
        except (IntegrityError, OperationalError) as error:
            if not _lost_a_race(error):
                raise
    return placing.place(judged, resources, identity, index_name)


def _lost_a_race(error: Exception) -> bool:
    """Whether another transaction came first: a unique row is taken, or PostgreSQL broke a ring of waiting ones."""
    return isinstance(error, IntegrityError) or getattr(error.__cause__, "sqlstate", "") in {"40001", "40P01"}
