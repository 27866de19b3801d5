# SPDX-License-Identifier: Apache-2.0
"""The same bytes as plain files, and the nginx that serves them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from tests.infra.server import Server

JSON = "application/vnd.pypi.simple.v1+json"
HTTP = f"""
    tcp_nopush on; open_file_cache max=20000 inactive=60s; gzip_static on; gzip_vary on;
    map $http_accept $form {{ default html; "~{JSON.replace("+", "[+]").replace(".", "[.]")}" json; }}
"""


def copy(server: Server, projects: tuple[str, ...], folder: Path) -> None:
    """Write the root page, the projects' pages and their files below `folder`, the pages also compressed."""
    for path in ("/simple/", *(f"/simple/{name}/" for name in projects)):
        page = folder / path.strip("/")
        page.mkdir(parents=True, exist_ok=True)
        html, found = body(server, path, "text/html"), body(server, path, JSON)
        for name, data in (("index.html", html), ("index.json", found)):
            (page / name).write_bytes(data)
            (page / f"{name}.gz").write_bytes(gzip.compress(data, 6))
        for file in json.loads(found).get("files", ()):
            keep(server, urlsplit(urljoin(path, file["url"])).path, folder)


def keep(server: Server, path: str, folder: Path) -> None:
    """Write a file and its metadata."""
    for each in (path, path + ".metadata"):
        target = folder / each.strip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body(server, each, "*/*"))


def body(server: Server, path: str, accept: str) -> bytes:
    status, _, data = server.get(path, {"Accept": accept})
    if status != 200:
        raise RuntimeError(f"{path}: {status}")
    return data


def directives(folder: Path) -> str:
    """What nginx's server block says."""
    return f"""
        root {folder};
        location /simple {{
            default_type text/html; types {{ text/html html; {JSON} json; }}
            add_header Cache-Control "max-age=0, must-revalidate"; add_header Vary Accept;
            try_files ${{uri}}index.$form =404;
        }}
        location /files/ {{
            default_type application/octet-stream; gzip_static off;
            add_header Cache-Control "max-age=31536000, immutable";
        }}
    """
