# SPDX-License-Identifier: Apache-2.0
"""What a server says when it starts."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from packhouse import __version__
from packhouse.config import Settings
from packhouse.domain.addresses import is_loopback

WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to


def address(settings: Settings) -> str:
    """The address people use, without a slash at the end."""
    if settings.base_url:
        return settings.base_url.rstrip("/")
    host = "localhost" if settings.host in WILDCARDS else settings.host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}"


def show(settings: Settings) -> None:
    """One line on where the server is, one on its data, and what this version can't do."""
    _say(_head(settings))


def show_node(settings: Settings, origin: str) -> None:
    """A reading node: where it is, and whom it reads for."""
    _say(_head(settings, f"  origin     {origin}/"))


def show_worker(settings: Settings) -> None:
    """A server that only runs jobs: where it says how it is."""
    _say(_head(settings, "  role       worker: runs jobs, answers /healthz, /readyz and /metrics alone"))


def show_first(settings: Settings, claim: str, file: Path) -> None:
    """The first start: how to become the administrator, and the exact lines for publishing and installing."""
    _say(f"{_head(settings)}\n{_claim(claim, file)}\n{lines(address(settings))}")


def _say(text: str) -> None:
    """Print it; a terminal that is gone or a full disk is no reason not to serve."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def _head(settings: Settings, origin: str = "") -> str:
    listening = address(replace(settings, base_url=None))
    upstream = re.sub("//[^/@]*@", "//", settings.upstream)
    if upstream not in {"none", "auto"}:
        upstream += " (pulled through below your own projects; --upstream none turns that off)"
    return "\n".join(
        [
            f"Packhouse {__version__} is at {address(settings)}/ (Ctrl-C stops it)",
            f"  listening  {listening}/",
            f"  data       {settings.data}",
            origin or f"  upstream   {upstream}",
            "",
        ]
    )


def _claim(claim: str, file: Path) -> str:
    return "\n".join(
        [
            "There is no administrator yet. Open this link in a browser; it works once:",
            f"  {claim}",
            f"  (also in {file})",
            "",
        ]
    )


def lines(base: str) -> str:
    """The lines people copy, for the server at `base`; those for plain HTTP on another machine name it as trusted."""
    parts = urlsplit(base)
    host = parts.hostname or ""
    plain = parts.scheme == "http" and not is_loopback(host)
    uv, pip = (f" --allow-insecure-host {host}", f" --trusted-host {host}") if plain else ("", "")
    commands = [
        f"Publish, with an API token from {base}/manage/account/token/",
        f"  uv publish --publish-url {base}/legacy/ --token TOKEN{uv}",
        f"  twine upload --repository-url {base}/legacy/ --username __token__ --password TOKEN dist/*",
        "",
        "Install",
        f"  uv pip install --default-index {base}/simple/{uv} NAME",
        f"  pip install --index-url {base}/simple/{pip} NAME",
        "",
        "Or write it down once, in pip.conf, uv.toml and ~/.pypirc",
    ]
    files = [*_pip_conf(base, host, plain), "", *_uv_toml(base, host, plain), "", *_pypirc(base)]
    return "\n".join(commands + [f"  {line}".rstrip() for line in files]) + "\n"


def _pip_conf(base: str, host: str, plain: bool) -> list[str]:
    trusted = [f"trusted-host = {host}"] if plain else []
    return ["[global]", f"index-url = {base}/simple/", *trusted]


def _uv_toml(base: str, host: str, plain: bool) -> list[str]:
    trusted = [f'allow-insecure-host = ["{host}"]'] if plain else []
    return [f'publish-url = "{base}/legacy/"', *trusted, "[[index]]", f'url = "{base}/simple/"', "default = true"]


def _pypirc(base: str) -> list[str]:
    section = ["[packhouse]", f"repository = {base}/legacy/", "username = __token__", "password = TOKEN"]
    return ["[distutils]", "index-servers = packhouse", *section]
