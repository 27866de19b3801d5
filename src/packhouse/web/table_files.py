# SPDX-License-Identifier: Apache-2.0
"""The tables of the pages as files to keep: CSV and JSON."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from packhouse.catalogue import queries
from packhouse.services import people
from packhouse.web.account_tables import TOKENS
from packhouse.web.context import house
from packhouse.web.project_tables import FILES, OWN_PROJECTS, RELEASES, file_row, own_rows, release_rows
from packhouse.web.projects import look_up, release_of
from packhouse.web.reading import readable, web_identity
from packhouse.web.statistics import of_files
from packhouse.web.token_pages import token_rows


@readable
def releases_file(request: HttpRequest, name: str, form: str) -> HttpResponse:
    """`/project/<name>/releases.csv` (or `.json`): all releases of a project."""
    found = look_up(name)
    return RELEASES.download(release_rows(found.served.facts.releases), form, f"{found.name}-releases")


@readable
def files_file(request: HttpRequest, name: str, version: str, form: str) -> HttpResponse:
    """`/project/<name>/<version>/files.csv` (or `.json`): all files of a release, with their addresses."""
    found = look_up(name)
    shown = release_of(found.display_name, found.served.facts, version)
    uploaded_by = found.uploaded_by
    base = house(request)["house"].base_url
    taken = of_files(found.name, shown.version)
    rows = [
        file_row(file, uploaded_by.get(file.filename, ""), base, downloads=taken.get(file.filename, 0))
        for file in shown.files
    ]
    return FILES.download(rows, form, f"{found.name}-{shown.version}-files")


def own_projects_file(request: HttpRequest, form: str) -> HttpResponse:
    """`/manage/projects/projects.csv` (or `.json`): one's own projects."""
    person = people.find_user(web_identity(request).username)
    return OWN_PROJECTS.download(own_rows(queries.projects_of(person)), form, "projects")


def tokens_file(request: HttpRequest, form: str) -> HttpResponse:
    """`/manage/account/token/tokens.csv` (or `.json`): one's API tokens, without what they open."""
    person = people.find_user(web_identity(request).username)
    return TOKENS.download(token_rows(person), form, "tokens")
