# SPDX-License-Identifier: Apache-2.0
"""The same pages and files as a static tree, and an nginx that serves it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from tests.infra.nginx import nginx

from benchmarks.fetching import fetch
from benchmarks.processes import SERVER_CPU, pinned

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"
FORMS = {"json": JSON, "html": HTML}
HTTP = """
    tcp_nopush on;
    gzip_static on;
    gzip_vary on;
    map $http_accept $form { default html; "~application/vnd\\.pypi\\.simple\\.v1\\+json" json; }
"""
SERVER = """
        root "%s";
        location /simple/ {
            types { text/html html; application/vnd.pypi.simple.v1+json json; }
            add_header Cache-Control "max-age=0, must-revalidate";
            add_header Vary Accept;
            try_files ${uri}index.$form =404;
        }
        location /files/ {
            types { }
            default_type application/octet-stream;
            add_header Cache-Control "public, max-age=31536000, immutable";
        }
"""


def write_tree(base: str, projects: Iterable[str], folder: Path) -> None:
    """Fetch the root page, the pages of the projects, their files and `.metadata` from a server into a folder."""
    for form, kind in FORMS.items():
        write_page(f"{base}/simple/", kind, folder / "simple" / f"index.{form}")
    for project in projects:
        page = f"{base}/simple/{project}/"
        for form, kind in FORMS.items():
            write_page(page, kind, folder / "simple" / project / f"index.{form}")
        for file in json.loads(fetch(page, {"Accept": JSON}).body)["files"]:
            _write_file(urljoin(page, file["url"]), folder, file)


def write_page(page: str, kind: str, file: Path) -> None:
    """Fetch a page as one media type, as it is and in gzip."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(fetch(page, {"Accept": kind}).body)
    packed = fetch(page, {"Accept": kind, "Accept-Encoding": "gzip"})
    if packed.headers.get("content-encoding") == "gzip":
        file.with_name(f"{file.name}.gz").write_bytes(packed.body)


def _write_file(url: str, folder: Path, file: dict[str, Any]) -> None:
    place = folder / unquote(urlsplit(url).path).lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(fetch(url).body)
    if file.get("core-metadata"):
        place.with_name(place.name + ".metadata").write_bytes(fetch(url + ".metadata").body)


@contextmanager
def serve_tree(folder: Path) -> Iterator[str]:
    """Serve the tree with nginx on the servers' processor; yields its address without a slash."""
    with ExitStack() as stack:
        with pinned(SERVER_CPU):
            address = stack.enter_context(nginx(SERVER % folder, HTTP))
        yield address
