# SPDX-License-Identifier: Apache-2.0
"""The form that comes with an upload: what we judge of it (rows B and D1 of the upload contract).

The form is not the truth: name and version must agree with the file, digests must match it, and whatever else the
form says about the file is compared with it only to warn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.names import check_name
from packhouse.domain.versions import parse_version
from packhouse.domain.wording import shown
from packhouse.errors import Fault, Kind, PackhouseError, refuse

UPLOAD = "file_upload"
FILETYPES = {"sdist": ".tar.gz", "bdist_wheel": ".whl"}
_GONE = {
    "submit": "Project pre-registration is no longer needed; upload your files instead.",
    "submit_pkg_info": "Project pre-registration is no longer needed; upload your files instead.",
    "doc_upload": "Documentation is not hosted here; use a documentation host and link it from the metadata.",
}
_DIGESTS = {"sha256_digest": ("SHA256", 64), "blake2_256_digest": ("BLAKE2b-256", 64)}
_HEX = re.compile(r"[0-9a-f]+\Z")
_UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class UploadForm:
    """The decoded fields that are judged; "" where absent. Digests are in lower case, without blanks around them.

    `filename` is that of the file part, None when there is none; `said` holds all fields that describe the file.
    """

    filename: str | None
    name: str = ""
    version: str = ""
    protocol_version: str = "1"
    filetype: str = ""
    pyversion: str = ""
    md5_digest: str = ""
    sha256_digest: str = ""
    blake2_256_digest: str = ""
    attestations: str = ""
    gpg_signature: bool = False
    said: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


def read_form(fields: Mapping[str, Sequence[str]], filename: str | None, query_action: str | None) -> UploadForm:
    """Make the form of decoded fields; raises GONE or INVALID for an `:action` that is no upload."""
    _check_action(_only(fields, ":action") or query_action or UPLOAD)
    said = {name: kept for name, values in fields.items() if (kept := _kept(values))}
    return UploadForm(
        filename=filename,
        name=_only(fields, "name"),
        version=_only(fields, "version"),
        protocol_version=_only(fields, "protocol_version") or "1",
        filetype=_only(fields, "filetype"),
        pyversion=_only(fields, "pyversion"),
        md5_digest=_digest(fields, "md5_digest"),
        sha256_digest=_digest(fields, "sha256_digest"),
        blake2_256_digest=_digest(fields, "blake2_256_digest"),
        attestations=_only(fields, "attestations").strip(),
        gpg_signature="gpg_signature" in fields,
        said=MappingProxyType(said),
    )


def _only(fields: Mapping[str, Sequence[str]], name: str) -> str:
    """The one value of a field, "" when absent or `UNKNOWN` (distutils)."""
    values = _kept(fields.get(name, ()))
    return values[0] if values else ""


def _kept(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(value for value in values if value and value.strip() != _UNKNOWN)


def _digest(fields: Mapping[str, Sequence[str]], name: str) -> str:
    return _only(fields, name).strip().lower()


def _check_action(action: str) -> None:
    if action in _GONE:
        raise refuse(Kind.GONE, "action-gone", _GONE[action], ":action")
    if action != UPLOAD:
        message = f"The :action is {shown(action)}, expected 'file_upload'; use an upload tool."
        raise refuse(Kind.INVALID, "action-unknown", message, ":action")


def judge_form(form: UploadForm) -> list[Fault]:
    """Everything that is wrong with the form by itself, in the order of the contract (B1 to B10, C2, C3, D1, E29)."""
    faults = [*_protocol(form), *_name(form), *_filetype(form), *_digest_shapes(form)]
    if not faults:
        faults += _pyversion(form)
    faults += _version(form)
    if form.filename is None:
        faults.append(Fault("file-missing", "Upload payload does not have a file; send it as 'content'.", "content"))
    if form.attestations:
        message = "Attestations can't be verified here yet, so none are taken; upload without them."
        faults.append(Fault("attestations-unsupported", message, "attestations"))
    return faults


def _protocol(form: UploadForm) -> list[Fault]:
    if form.protocol_version == "1":
        return []
    message = f"Unknown protocol version {shown(form.protocol_version)}, expected '1'; update your upload tool."
    return [Fault("protocol-unknown", message, "protocol_version")]


def _name(form: UploadForm) -> list[Fault]:
    try:
        check_name(form.name)
    except PackhouseError as error:
        return list(error.faults)
    return []


def _version(form: UploadForm) -> list[Fault]:
    try:
        parse_version(form.version)
    except PackhouseError as error:
        return list(error.faults)
    return []


def _filetype(form: UploadForm) -> list[Fault]:
    if form.filetype in FILETYPES:
        return []
    found = shown(form.filetype) if form.filetype else "missing"
    message = f"The filetype is {found}, expected 'sdist' or 'bdist_wheel'; build one of these."
    return [Fault("filetype-missing" if not form.filetype else "filetype-unknown", message, "filetype")]


def _digest_shapes(form: UploadForm) -> list[Fault]:
    faults = []
    for name, (kind, length) in _DIGESTS.items():
        value = getattr(form, name)
        if value and (len(value) != length or not _HEX.match(value)):
            message = f"The {name} is {shown(value)}, expected {length} hexadecimal digits of {kind}; mend it."
            faults.append(Fault("digest-invalid", message, name))
    return faults


def _pyversion(form: UploadForm) -> list[Fault]:
    if form.filetype == "bdist_wheel" and not form.pyversion:
        message = "The pyversion is missing, which wheels need; send the Python tag of the filename, such as 'py3'."
        return [Fault("pyversion-missing", message, "pyversion")]
    if form.filetype == "sdist" and form.pyversion not in {"", "source"}:
        message = f"The pyversion of an sdist is {shown(form.pyversion)}, expected 'source' or nothing; send that."
        return [Fault("pyversion-invalid", message, "pyversion")]
    return []


ABOUT_THE_FORM = frozenset({"digest-missing", "signature-ignored", "form-differs"})
"""Codes of warnings that are about one upload and say nothing of the file."""


def form_warnings(form: UploadForm) -> list[Fault]:
    """What the uploader should know of the form by itself (B10, gpg)."""
    warnings = []
    if not (form.md5_digest or form.sha256_digest or form.blake2_256_digest):
        message = "No digest was sent, so nothing proves that the file arrived as it left; send sha256_digest."
        warnings.append(Fault("digest-missing", message, "sha256_digest"))
    if form.gpg_signature:
        message = "The gpg_signature was ignored; signatures of this kind are not kept."
        warnings.append(Fault("signature-ignored", message, "gpg_signature"))
    return warnings


_TEXTS = (
    "summary",
    "home_page",
    "download_url",
    "author",
    "author_email",
    "maintainer",
    "maintainer_email",
    "license",
    "license_expression",
    "requires_python",
)
_LISTS = ("classifiers", "requires_dist", "provides_extra", "license_files")
_SPELLINGS = {"license_files": ("license_file", "license_files")}


def differences(form: UploadForm, core: CoreMetadata) -> list[Fault]:
    """A warning for each field in which a form that describes the file says something else than the file does."""
    fields = [name for name in _TEXTS if _differs(form, name, (getattr(core, name),))]
    fields += [name for name in _LISTS if _differs(form, name, getattr(core, name))]
    return [
        Fault("form-differs", f"The form's {name} differs from the file's, which counts; upload what was built.", name)
        for name in fields
    ]


def _differs(form: UploadForm, name: str, in_file: Sequence[str]) -> bool:
    spellings = _SPELLINGS.get(name, (name,))
    in_form = [value for spelling in spellings for value in form.said.get(spelling, ())]
    return bool(in_form) and {_plain(value) for value in in_form} != {_plain(value) for value in in_file}


def _plain(value: str) -> str:
    """A value without what tools change in passing: blanks, quotes, brackets, case."""
    return re.sub(r"[\s'\"()]", "", value).lower()
