# SPDX-License-Identifier: Apache-2.0
"""Core metadata as a value (core metadata specification, versions 1.0 to 1.2 and 2.1 to 2.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """What one file says of itself. Absent text is "", absent lists are ().

    Texts are as in the file, but: `license_expression` has the case of the SPDX list, `provides_extra` is
    normalized, `dynamic` is in lower case, `keywords` are split at commas, and a description that stood in a header
    has lost its indentation. Addresses and URLs are untrusted.
    """

    metadata_version: str
    name: str
    version: str
    summary: str = ""
    description: str = ""
    description_content_type: str = ""
    keywords: tuple[str, ...] = ()
    home_page: str = ""
    download_url: str = ""
    author: str = ""
    author_email: str = ""
    maintainer: str = ""
    maintainer_email: str = ""
    license: str = ""
    license_expression: str = ""
    license_files: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    supported_platforms: tuple[str, ...] = ()
    requires_python: str = ""
    requires_dist: tuple[str, ...] = ()
    requires_external: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()
    provides_dist: tuple[str, ...] = ()
    obsoletes_dist: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    project_urls: tuple[tuple[str, str], ...] = ()  # (label, URL)
    dynamic: tuple[str, ...] = ()
    import_names: tuple[str, ...] | None = None  # () says: imports nothing
    import_namespaces: tuple[str, ...] = ()

    @property
    def is_reliable_sdist(self) -> bool:
        """Whether an sdist's metadata tells what a wheel built of it will need (metadata 2.2 and PEP 643)."""
        unsure = {"requires-dist", "requires-python", "provides-extra"} & set(self.dynamic)
        return self.metadata_version not in {"1.0", "1.1", "1.2", "2.1"} and not unsure

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without what is empty."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value or value == () == self.import_names}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CoreMetadata:
        """The metadata of plain data; lists become tuples again."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: _tuples(value) for name, value in values.items() if name in known})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
