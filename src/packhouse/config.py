# SPDX-License-Identifier: Apache-2.0
"""Settings: read once from `packhouse.toml` in the data folder and from PACKHOUSE_* variables.

The environment wins over the file; a command-line option wins over both. Every field is documented in
`docs/administrator.md`; a test compares the two.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from urllib.parse import urlsplit

from packhouse.errors import Kind, refuse

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be set. Sizes are in bytes, times in seconds; None means "not set, decide at start"."""

    data: Path = field(default_factory=lambda: Path("data"))
    database: str | None = None  # sqlite:///... or postgresql://...; default: files in the data folder
    storage: str | None = None  # file:///... ; default: <data>/blobs
    base_url: str | None = None  # public address, no slash at the end
    upstream: str = "auto"  # auto | none | URL
    registration: str | None = None  # open | invited | closed; default: open on loopback, else invited
    upstream_ttl: int = 600
    upstream_negative_ttl: int = 60
    max_file_size: int = 2 * 1024**3
    max_project_size: int | None = None
    email: str | None = None  # smtp://user:password@host:port
    email_from: str = "packhouse@localhost"
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    page_max_age: int = 0
    log_format: str = "text"  # text | json
    metrics_token: str | None = None  # what a scraper of /metrics sends as Bearer
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1

    @property
    def blobs_folder(self) -> Path:
        """The folder of the local blob store."""
        if self.storage is None:
            return self.data / "blobs"
        return Path(self.storage.removeprefix("file://"))

    @property
    def catalogue_file(self) -> Path:
        """The SQLite file of the catalogue (facts, journal, pages)."""
        if self.database and self.database.startswith("sqlite:///"):
            return Path(self.database.removeprefix("sqlite://"))
        return self.data / "catalogue.db"

    @property
    def activity_file(self) -> Path:
        """The SQLite file beside the catalogue for sessions, marks and jobs."""
        return self.catalogue_file.with_name("activity.db")

    @property
    def on_postgresql(self) -> bool:
        """Whether facts live in PostgreSQL."""
        return bool(self.database and self.database.startswith(("postgresql://", "postgres://")))


_CHOICES = {
    "registration": {"open", "invited", "closed"},
    "log_format": {"text", "json"},
}


def _convert(name: str, value: object, source: str) -> object:
    """Turn a TOML or environment value into the field's type; refuse with one sentence otherwise."""
    if name == "data":
        return Path(str(value)).expanduser()
    if name == "trusted_proxies":
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else tuple(str(v) for v in value)  # type: ignore[attr-defined]
    if name in {
        "upstream_ttl",
        "upstream_negative_ttl",
        "max_file_size",
        "max_project_size",
        "page_max_age",
        "port",
        "workers",
    }:
        try:
            number = int(str(value))
        except ValueError:
            number = -1
        if number < 0:
            raise refuse(
                Kind.INVALID,
                "setting-invalid",
                f"{source} is {value!r}, expected a whole number of at least 0; correct it and start again.",
                name,
            )
        return number
    text = str(value)
    if name in _CHOICES and text not in _CHOICES[name]:
        raise refuse(
            Kind.INVALID,
            "setting-invalid",
            f"{source} is {text!r}, expected one of {', '.join(sorted(_CHOICES[name]))}; correct it and start again.",
            name,
        )
    if name == "upstream":
        return _upstream(text or "none", source)
    return text or None


def _upstream(text: str, source: str) -> str:
    """Check `auto`, `none` or the address of an index."""
    try:
        parts = urlsplit(text)
        usable = text in {"auto", "none"} or (parts.scheme in {"http", "https"} and bool(parts.hostname))
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise refuse(
            Kind.INVALID,
            "setting-invalid",
            f"{source} is {text!r}, expected auto, none or an http(s) address; correct it and start again.",
            "upstream",
        )
    return text


def load(environ: Mapping[str, str] | None = None, **options: object) -> Settings:
    """Read the settings: defaults, then `<data>/packhouse.toml`, then PACKHOUSE_*, then `options` that are not None.

    Raises PackhouseError (INVALID) naming the first setting that can't be understood.
    """
    env = os.environ if environ is None else environ
    names = {f.name for f in fields(Settings)}
    given = {k: v for k, v in options.items() if v is not None}
    data = Path(str(given.get("data") or env.get("PACKHOUSE_DATA") or "data")).expanduser()
    values: dict[str, object] = {}
    file = data / "packhouse.toml"
    if file.is_file():
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise refuse(
                Kind.INVALID, "settings-unreadable", f"{file} can't be read ({error}); mend or remove it."
            ) from error
        for key, value in table.items():
            if key not in names or key == "data":
                raise refuse(
                    Kind.INVALID,
                    "setting-unknown",
                    f"{file} sets {key!r}, which is no setting; see docs/administrator.md.",
                    key,
                )
            values[key] = _convert(key, value, f"{key} in {file}")
    for name in names:
        variable = "PACKHOUSE_" + name.upper()
        if env.get(variable):
            values[name] = _convert(name, env[variable], variable)
    values.update({k: _convert(k, v, f"--{k.replace('_', '-')}") for k, v in given.items()})
    values["data"] = data.absolute()
    return replace(Settings(), **values)  # type: ignore[arg-type]
