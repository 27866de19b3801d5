# SPDX-License-Identifier: Apache-2.0
"""Judging core metadata: from the bytes of METADATA or PKG-INFO to CoreMetadata, or to all that is wrong with them.

`packaging` judges the values; what is ours are the limits that stand before it, and the rules of a profile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, cast

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.metadata import InvalidMetadata, Metadata, RawMetadata
from packaging.requirements import InvalidRequirement, Requirement

from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.filenames import SdistFilename, WheelFilename
from packhouse.domain.judged import Findings, Judged
from packhouse.domain.metadata_policy import judge_by_profile
from packhouse.domain.metadata_text import FIELDS, SINGLE, Fields, read_fields
from packhouse.domain.names import check_name, normalize
from packhouse.domain.policy import Profile
from packhouse.domain.versions import parse_version
from packhouse.domain.wording import shown
from packhouse.errors import PackhouseError

METADATA_VERSIONS = ("1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6")
"""The versions of the specification we read, oldest first. 2.0 never became one."""

_DEEPEST = 16  # parentheses and brackets within each other
_MOST_CLAUSES = 300  # of one specifier, marker or licence expression
_MOST_CLAUSES_IN_ALL = 30_000  # of all values of a field
_CLAUSES = re.compile(r",|\band\b|\bor\b|\bwith\b", re.IGNORECASE)
_INDENTED = re.compile(r"^(?: {7}\||\t| {8})", re.MULTILINE)


def read_metadata(
    raw: bytes, profile: Profile, filename: WheelFilename | SdistFilename | None = None
) -> Judged[CoreMetadata]:
    """Judge METADATA or PKG-INFO; its name and version must be those of `filename`, if that is given.

    All faults are found together: those of Metadata-Version, Name and Version first, then by name of the field.
    """
    found = Findings()
    fields = read_fields(raw, found)
    core = _judge_fields(fields, found) if fields is not None else None
    if core is not None and filename is not None and core.name and core.version:
        _judge_agreement(core, filename, found)
    if core is not None:
        judge_by_profile(core, profile, found)
    faults = tuple(found.faults)
    return Judged(None if faults else core, faults, tuple(found.warnings))


def licence_files(raw: bytes) -> tuple[str, ...]:
    """The sound License-File fields of metadata that are at fault elsewhere."""
    unsaid = Findings()
    fields = read_fields(raw, unsaid) or {}
    given = fields.get("license-file", [])
    version = _metadata_version(fields, unsaid)
    if version is None or not given or not _is_usable("license-file", given, version, unsaid):
        return ()
    return _value("license-file", given, unsaid) or ()


def _judge_fields(fields: Fields, found: Findings) -> CoreMetadata:
    values: dict[str, Any] = {}
    early = len(found.faults)
    version = _metadata_version(fields, found)
    for name, check in (("name", check_name), ("version", parse_version)):
        values[name] = _identity(name, fields, check, found)
    identity = found.faults[early:]
    found.faults[:] = identity + found.faults[:early]
    for name in sorted(fields.keys() - {"metadata-version", "name", "version"}):
        if _is_usable(name, fields[name], version, found):
            values[FIELDS[name][0]] = _value(name, fields[name], found)
    if values.get("license") and values.get("license_expression"):
        found.fault(
            "license-twice",
            "Both License and License-Expression are given; keep License-Expression alone.",
            "license",
        )
    if "description" in values and len(fields["description"]) == 1:
        values["description"] = _unindented(values["description"])
    known = {name: value for name, value in values.items() if value is not None}
    return CoreMetadata(metadata_version=version or "", **known)


def _metadata_version(fields: Fields, found: Findings) -> str | None:
    given = fields.get("metadata-version", [])
    if len(given) == 1 and given[0].strip() in METADATA_VERSIONS:
        return given[0].strip()
    if len(given) > 1:
        _repeated("metadata-version", found)
    else:
        what = f"{shown(given[0])} is not a version of the core metadata we know" if given else "is missing"
        found.fault(
            "metadata-version-invalid",
            f"Metadata-Version {what}: expected one of {', '.join(METADATA_VERSIONS)}; use a current build tool.",
            "metadata_version",
        )
    return None


def _identity(name: str, fields: Fields, check: Callable[[str], object], found: Findings) -> str:
    """The name or the version, judged; "" when there is no good one."""
    given = fields.get(name, [""])
    if len(given) > 1:
        _repeated(name, found)
        return ""
    try:
        check(given[0])
    except PackhouseError as error:
        found.faults.extend(error.faults)
        return ""
    return given[0].strip()


def _repeated(name: str, found: Findings) -> None:
    found.fault(
        "metadata-field-repeated", f"The metadata's field {name} stands more than once: expected once.", FIELDS[name][0]
    )


def _is_usable(name: str, values: list[str], version: str | None, found: Findings) -> bool:
    """Whether the field may stand here: once if single, and not before its time."""
    attribute, added = FIELDS[name]
    if name in SINGLE and len(values) > 1:
        _repeated(name, found)
        return False
    if version is None or METADATA_VERSIONS.index(added) <= METADATA_VERSIONS.index(version):
        return True
    if name == "license-file":  # setuptools wrote it for years before it was in the specification
        found.warn(
            "license-file-early", f"License-File came with metadata 2.4, not {version}: it is ignored.", attribute
        )
        return False
    found.fault(
        "metadata-field-too-new",
        f"The field {name} was introduced in metadata version {added}, not {version}; use a current build tool.",
        attribute,
    )
    return False


def _value(name: str, values: list[str], found: Findings) -> Any:
    """The value or values of a field as CoreMetadata has them; None when they are at fault."""
    attribute = FIELDS[name][0]
    if name == "project-url":
        return _project_urls(values, found)
    if name == "keywords":
        return tuple(word.strip() for word in values[0].split(",") if word.strip())
    if name in _JUDGES and not _is_empty(name, values):
        if not _are_few(name, values, found):
            return None
        for value in values:
            if not _JUDGES[name](name, value, found):
                return None
    if name == "license-expression":
        return _licence(values[0]) if values[0] else ""
    if name == "provides-extra":
        return tuple(normalize(value) for value in values)
    if name == "dynamic":
        return tuple(value.lower() for value in values)
    if name == "import-name" and values == [""]:
        return ()
    return values[0] if attribute == "description" or name in SINGLE else tuple(values)


def _are_few(name: str, values: list[str], found: Findings) -> bool:
    """Whether all values of a field together are little enough work, however simple each may be."""
    clauses = sum(len(_CLAUSES.findall(value)) for value in values)
    if clauses <= _MOST_CLAUSES_IN_ALL:
        return True
    found.fault(
        "metadata-field-too-complex",
        f"All fields {name} together hold {clauses} clauses: expected at most {_MOST_CLAUSES_IN_ALL}; simplify them.",
        FIELDS[name][0],
    )
    return False


def _is_empty(name: str, values: list[str]) -> bool:
    """Whether a field is there without a value: as good as absent."""
    return values == [""] and (name in SINGLE or name == "import-name")


def _project_urls(values: list[str], found: Findings) -> tuple[tuple[str, str], ...] | None:
    pairs = []
    for value in values:
        label, _, url = (part.strip() for part in value.partition(","))
        pairs.append((label, url))
    labels = [label for label, _ in pairs]
    if len(set(labels)) < len(labels):
        found.fault(
            "metadata-field-repeated", "Two fields Project-URL have the same label; name them apart.", "project_urls"
        )
        return None
    return tuple(pairs)


def _unindented(description: str) -> str:
    """A description from a header without the indentation of its continuation lines; any other as it is."""
    lines = description.split("\n")
    if len(lines) == 1 or not all(line[:1] in {" ", "\t"} for line in lines[1:]):
        return description
    return _INDENTED.sub("", description)


def _judge_agreement(core: CoreMetadata, filename: WheelFilename | SdistFilename, found: Findings) -> None:
    """E17, E18 and E23: the file must be what its filename says."""
    if normalize(core.name) != filename.name:
        expected = normalize(core.name).replace("-", "_")
        found.fault(
            "filename-name-mismatch",
            f"The filename starts with {shown(filename.raw_name)}, but the metadata inside names the project "
            f"{shown(core.name)}: start the filename with {shown(expected)}.",
            "name",
        )
    inside = parse_version(core.version)
    exact = filename.packagetype == "sdist"
    if str(inside) != str(filename.version) if exact else inside != filename.version:
        found.fault(
            "filename-version-mismatch",
            f"Version in filename should be {shown(str(inside))}, as in the metadata inside, "
            f"not {shown(filename.raw_version)}.",
            "version",
        )


# Judges of one value: each reports a fault and returns False when the value is bad.


def _is_shallow(name: str, value: str, found: Findings) -> bool:
    """Whether a value is simple enough for a parser that calls itself."""
    if _depth(value) <= _DEEPEST and (len(value) <= _MOST_CLAUSES or len(_CLAUSES.findall(value)) <= _MOST_CLAUSES):
        return True
    found.fault(
        "metadata-field-too-complex",
        f"The field {name} holds {shown(value)}: expected at most {_DEEPEST} levels of parentheses and "
        f"{_MOST_CLAUSES} clauses; simplify it.",
        FIELDS[name][0],
    )
    return False


def _depth(value: str) -> int:
    """How deep parentheses and brackets stand within each other, or the little more that a quick look says."""
    opening = value.count("(") + value.count("[")
    if opening <= _DEEPEST:
        return opening
    depth = deepest = 0
    for character in value:
        depth += (character in "([") - (character in ")]")
        deepest = max(deepest, depth)
    return deepest


def _judge_requirement(name: str, value: str, found: Findings) -> bool:
    if not _is_shallow(name, value, found):
        return False
    try:
        Requirement(value)
    except (InvalidRequirement, ValueError) as error:
        reason = " ".join(str(error).split("\n")[0].split())[:200]
        found.fault("requirement-invalid", f"{shown(value)} is invalid for {name}: {reason}.", FIELDS[name][0])
        return False
    return True


def _judge_by_packaging(code: str) -> Callable[[str, str, Findings], bool]:
    """A judge that asks `packaging` and reports its reason under this code."""

    def judge(name: str, value: str, found: Findings) -> bool:
        attribute = FIELDS[name][0]
        if not _is_shallow(name, value, found):
            return False
        try:
            _ask_packaging(attribute, value, single=name in SINGLE)
        except (InvalidMetadata, InvalidLicenseExpression, ValueError, IndexError, RecursionError) as error:
            reason = ascii(" ".join(str(error).split()))[1:-1][:300]
            found.fault(code, f"{name}: {reason}; see the core metadata specification.", attribute)
            return False
        return True

    return judge


@lru_cache(maxsize=256)
def _ask_packaging(attribute: str, value: str, *, single: bool) -> None:
    """Raise what `packaging` has against a value; what it once found sound is not asked again."""
    raw = cast("RawMetadata", {attribute: value if single else [value]})
    getattr(Metadata.from_raw(raw, validate=False), attribute)


_licence = lru_cache(maxsize=256)(canonicalize_license_expression)


def _judge_dynamic(name: str, value: str, found: Findings) -> bool:
    lowered = value.lower()
    if lowered in FIELDS and lowered not in {"metadata-version", "name", "version"}:
        return True
    found.fault(
        "dynamic-invalid", f"{shown(value)} is not allowed as a dynamic field; take it out of Dynamic.", "dynamic"
    )
    return False


def _judge_summary(name: str, value: str, found: Findings) -> bool:
    if len(value) <= 512 and len(value.splitlines()) <= 1:
        return True
    found.fault("summary-invalid", "Summary must be a single line of at most 512 characters; shorten it.", "summary")
    return False


def _judge_people(name: str, value: str, found: Findings) -> bool:
    if len(value) <= 4096 and value.count("@") <= 100:
        return True
    found.fault("people-too-many", f"{name} holds over 100 addresses; name a few of them.", FIELDS[name][0])
    return False


def _judges(names: Iterable[str], judge: Callable[[str, str, Findings], bool]) -> dict[str, Callable[..., bool]]:
    return dict.fromkeys(names, judge)


_JUDGES: dict[str, Callable[[str, str, Findings], bool]] = {
    "summary": _judge_summary,
    "dynamic": _judge_dynamic,
    "description-content-type": _judge_by_packaging("description-content-type-invalid"),
    "requires-python": _judge_by_packaging("requires-python-invalid"),
    "provides-extra": _judge_by_packaging("extra-invalid"),
    "license-expression": _judge_by_packaging("license-expression-invalid"),
    "license-file": _judge_by_packaging("license-file-invalid"),
    **_judges(("author-email", "maintainer-email"), _judge_people),
    **_judges(("requires-dist", "provides-dist", "obsoletes-dist"), _judge_requirement),
    **_judges(("import-name", "import-namespace"), _judge_by_packaging("import-name-invalid")),
}
