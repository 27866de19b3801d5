# SPDX-License-Identifier: Apache-2.0
"""Settings: read once from `packhouse.toml` in the data folder and from PACKHOUSE_* variables.

The environment wins over the file; a command-line option wins over both. Every field is documented in
`docs/administrator.md`; a test compares the two.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from cronsim import CronSim, CronSimError

from packhouse.errors import Kind, PackhouseError, refuse

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be set. Sizes are in bytes, times in seconds; None means "not set, decide at start"."""

    data: Path = field(default_factory=lambda: Path("data"))
    database: str | None = None  # sqlite:///... or postgresql://...; default: files in the data folder
    storage: str | None = None  # file:///... or a bucket: s3://BUCKET/PREFIX, gs://, az:// ; default: <data>/blobs
    storage_copies: int = 10 * 1024**3  # of a bucket's files kept on this machine
    storage_redirect: int = 0  # seconds that a signed address of the bucket is good; 0: files come from here
    backup: str | None = None  # where a continuous backup is kept: file:///... or a bucket
    backup_days: int = 30  # how far back it reaches
    secret_key_file: str | None = None  # what signs links, the same on all nodes; default: <data>/secret-key
    base_url: str | None = None  # public address, no slash at the end
    upstream: str = "auto"  # auto | none | URL
    registration: str | None = None  # open | invited | closed; default: open on loopback, else invited
    breached_passwords: str | None = None  # address of a range service, with a slash at the end
    two_factor: str | None = None  # nobody | administrators | owners | everyone; default: see domain.second_factors
    registration_domains: tuple[str, ...] = ()  # only addresses there register without an invitation
    oidc_issuer: str | None = None  # of single sign-on; None: there is none
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    oidc_client_secret_file: str | None = None
    oidc_name: str = "single sign-on"  # what people call it
    oidc_scopes: str = "openid profile email"
    oidc_accounts: str = "made"  # made | joined: whether a first sign-in makes an account
    oidc_groups_claim: str = "groups"
    oidc_allow_groups: tuple[str, ...] = ()  # only their members sign in
    oidc_admin_groups: tuple[str, ...] = ()  # their members, and no others, administer
    oidc_index_groups: tuple[str, ...] = ()  # GROUP=INDEX: its members, and no others, read the closed index
    sso_only: str = "off"
    sandbox: str = "off"  # on: for practice, may be wiped
    sandbox_wipe: str | None = None  # when: a cron expression, in UTC
    upstream_ttl: int = 600
    upstream_negative_ttl: int = 60
    upstream_storage: int | None = None  # of what is kept of upstreams; None: no bound
    max_file_size: int = 2 * 1024**3
    max_project_size: int | None = None
    email: str | None = None  # smtp://user:password@host:port
    email_from: str = "packhouse@localhost"
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    outbound_allow: tuple[str, ...] = ()  # private networks that the picture proxy may connect to
    page_max_age: int = 0
    purge: tuple[str, ...] = ()  # addresses of caches in front that are told what changed
    purge_header: str | None = None  # "Name: value", sent along with each purge
    cdn_max_age: int = 60  # seconds those caches may keep a page
    log_format: str = "text"  # text | json
    security_contact: str | None = None  # whom to tell of a hole: mailto:... or https://...
    disclosure_keys: Path | None = None  # a file of public keys: reports of leaked tokens are taken
    metrics_token: str | None = None  # what a scraper of /metrics sends as Bearer
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    max_connections: int = 8192  # of one worker
    stop_notice: int = 0  # seconds for which /readyz says that a stop is near, before it

    @property
    def blobs_folder(self) -> Path:
        """The folder of the local blob store; with a bucket, that of the copies on this machine."""
        if self.storage is None or self.has_bucket:
            return self.data / "blobs"
        return Path(self.storage.removeprefix("file://"))

    @property
    def has_bucket(self) -> bool:
        """Whether files are kept in a bucket."""
        return bool(self.storage and not self.storage.startswith("file://"))

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
    def marks_folder(self) -> Path:
        """Where a commit marks what a cache in front must not use any more; absent without such a cache."""
        return self.data / "front" / "marks"

    @property
    def kept_in_front(self) -> int:
        """Seconds a cache in front may keep a page; 0 where none is purged."""
        return self.cdn_max_age if self.purge else 0

    @property
    def has_single_sign_on(self) -> bool:
        """Whether people sign in at an OpenID provider."""
        return self.oidc_issuer is not None

    @property
    def on_postgresql(self) -> bool:
        """Whether facts live in PostgreSQL."""
        return bool(self.database and self.database.startswith(("postgresql://", "postgres://")))


EMAIL_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE | re.ASCII)
"""The part of an e-mail address behind the @."""

_LONGEST_ISSUER = 200  # characters; identities are kept under it
_CHOICES = {
    "registration": {"open", "invited", "closed"},
    "two_factor": {"nobody", "administrators", "owners", "everyone"},
    "log_format": {"text", "json"},
    "sandbox": {"on", "off"},
    "sso_only": {"on", "off"},
    "oidc_accounts": {"made", "joined"},
}
_NUMBERS = {
    "upstream_ttl": (0, None),
    "upstream_negative_ttl": (0, None),
    "upstream_storage": (0, None),
    "max_file_size": (0, None),
    "max_project_size": (0, None),
    "storage_copies": (0, None),
    "backup_days": (1, 3650),
    "storage_redirect": (0, 7 * 86_400),
    "page_max_age": (0, None),
    "cdn_max_age": (1, 86_400),
    "port": (0, 65535),
    "workers": (1, 256),
    "max_connections": (1000, 65536),
    "stop_notice": (0, 300),
}
_PLACE = (
    r"file:///\S.*|(s3|gs|az)://[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?",
    "file:///PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX",
)
_SHAPES = {
    "backup": _PLACE,
    "upstream": (r"auto|none|https?://[^/\s]+(/\S*)?", "auto, none or an http(s) address"),
    "base_url": (r"https?://[^/?#@\s]+(/[^?#\s]*)?", "an http(s) address without query"),
    "database": (r"sqlite:///\S.*|postgres(ql)?://\S+", "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"),
    "storage": _PLACE,
    "purge_header": (r"[A-Za-z0-9-]+: ?[\x21-\x7e]+(?: [\x21-\x7e]+)*", "NAME: VALUE, one header of printable ASCII"),
    "security_contact": (r"mailto:[^\s@]+@[^\s@]+|https://\S+", "mailto:ADDRESS or an https address"),
    "breached_passwords": (r"https?://[^/?#@\s]+/([^?#\s]*/)?", "an http(s) address with a slash at the end"),
    "oidc_issuer": (
        r"(https://[^/?#@\s]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(/[^?#\s]*)?(?<=.{8})",
        "an https address (http on this machine alone) without query",
    ),
    "oidc_scopes": (r"(\S+ )*openid( \S+)*", "scopes separated by single spaces, openid among them"),
    "email": (r"smtps?://\S+", "smtp://USER:PASSWORD@HOST:PORT"),
}


def _convert(name: str, value: object, source: str) -> object:
    """Turn a TOML or environment value into the field's type; refuse with one sentence otherwise."""
    if name == "disclosure_keys":
        return Path(str(value)).expanduser() if value else None
    if name == "data":
        return Path(str(value)).expanduser()
    if name in {"trusted_proxies", "outbound_allow"}:
        return _networks(name, value, source)
    if name == "purge":
        return _purged(name, value, source)
    if name == "registration_domains":
        return _domains(name, value, source)
    if name in {"oidc_allow_groups", "oidc_admin_groups", "oidc_index_groups"}:
        return _groups(name, value, source)
    if name in _NUMBERS:
        return _number(name, value, source)
    text = str(value)
    if name in _CHOICES and text not in _CHOICES[name]:
        raise _unusable(name, text, f"one of {', '.join(sorted(_CHOICES[name]))}", source)
    if name == "upstream":
        text = text or "none"
    if name == "sandbox_wipe" and text:
        _demand_schedule(name, text, source)
    if name in _SHAPES and text and not re.fullmatch(_SHAPES[name][0], text):
        raise _unusable(name, _shown(name, text), _SHAPES[name][1], source)
    return text or None


def _demand_schedule(name: str, text: str, source: str) -> None:
    try:
        CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise _unusable(name, text, "a cron expression of five fields, in UTC (0 3 * * 1)", source) from error


def _shown(name: str, text: str) -> str:
    """What a refusal shows of a value that may be a secret."""
    return "[hidden]" if name in {"purge_header", "oidc_client_secret"} else text


def _number(name: str, value: object, source: str) -> int:
    least, most = _NUMBERS[name]
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if number < least or (most is not None and number > most):
        limit = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise _unusable(name, str(value), f"a whole number {limit}", source)
    return number


def _networks(name: str, value: object, source: str) -> tuple[str, ...]:
    """Addresses and networks, separated by commas or spaces or as a list."""
    items = value if isinstance(value, list) else str(value).replace(",", " ").split()
    for item in items:
        try:
            ipaddress.ip_network(str(item), strict=False)
        except ValueError as error:
            raise _unusable(name, str(item), "addresses or networks (10.0.0.0/8)", source) from error
    return tuple(str(item) for item in items)


def _purged(name: str, value: object, source: str) -> tuple[str, ...]:
    """Addresses of caches, separated by commas or spaces or as a list."""
    items = value if isinstance(value, list) else str(value).replace(",", " ").split()
    for item in items:
        if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:_-]+(/[!-~]*)?", str(item)):
            raise _unusable(name, str(item), "http(s) addresses without user names (http://10.0.0.5:6081)", source)
    return tuple(str(item) for item in items)


def _domains(name: str, value: object, source: str) -> tuple[str, ...]:
    """Domains of e-mail addresses, lower case, separated by commas or spaces or as a list."""
    items = value if isinstance(value, list) else str(value).replace(",", " ").split()
    for item in items:
        if not EMAIL_DOMAIN.fullmatch(str(item)):
            raise _unusable(name, str(item), "domains of e-mail addresses (example.org)", source)
    return tuple(str(item).lower() for item in items)


def _groups(name: str, value: object, source: str) -> tuple[str, ...]:
    """Names of groups, which may hold spaces: separated by commas or as a list."""
    items = [str(item).strip() for item in (value if isinstance(value, list) else str(value).split(","))]
    for item in items:
        group, _, index = item.rpartition("=") if name == "oidc_index_groups" else (item, "", "x")
        if not group or not index:
            raise _unusable(name, item, "GROUP=INDEX separated by commas (staff=company)", source)
    return tuple(items)


def _unusable(name: str, text: str, expected: str, source: str) -> PackhouseError:
    shown = re.sub(r"//[^/@]*@", "//[hidden]@", text)
    sentence = f"{source} is {shown!r}, expected {expected}; correct it and start again."
    return refuse(Kind.INVALID, "setting-invalid", sentence, name)


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
    settings = replace(Settings(), **values)  # type: ignore[arg-type]
    _demand_whole(settings)
    return settings


def _demand_whole(settings: Settings) -> None:
    """Raise INVALID for settings of which one needs another."""
    if settings.oidc_issuer and len(settings.oidc_issuer) > _LONGEST_ISSUER:
        raise _incomplete("oidc_issuer", f"has more than {_LONGEST_ISSUER} characters; use a shorter address")
    if settings.oidc_issuer and not settings.oidc_client_id:
        raise _incomplete("oidc_client_id", "is not set, but PACKHOUSE_OIDC_ISSUER is; set both or neither")
    if settings.sso_only == "on" and not settings.oidc_issuer:
        raise _incomplete("oidc_issuer", "is not set, but PACKHOUSE_SSO_ONLY is on; nobody could sign in, so set both")
    if settings.oidc_client_secret and settings.oidc_client_secret_file:
        raise _incomplete("oidc_client_secret_file", "is set beside PACKHOUSE_OIDC_CLIENT_SECRET; set one of them")


def _incomplete(name: str, what: str) -> PackhouseError:
    return refuse(Kind.INVALID, "setting-invalid", f"PACKHOUSE_{name.upper()} {what}.", name)
