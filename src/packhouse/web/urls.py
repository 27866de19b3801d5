# SPDX-License-Identifier: Apache-2.0
"""The product's whole URL map."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

from packhouse.domain.permissions import Action
from packhouse.web import (
    administration,
    assets,
    audience,
    disclosure,
    documents,
    errors,
    explain_page,
    explaining,
    files,
    groups_page,
    health,
    home,
    invitations_page,
    legacy,
    manage,
    manage_deleting,
    manage_people,
    metrics,
    old_addresses,
    organization_people,
    organizations,
    overseeing,
    past,
    pictures,
    projects,
    registration_page,
    simple,
    snapshots_page,
    statistics,
    table_files,
    upstreams_page,
    well_known,
    xmlrpc,
)
from packhouse.web.account_urls import account_routes
from packhouse.web.api.urls import api_routes
from packhouse.web.proofs import proved_lately
from packhouse.web.routing import View, route

_INDEX = r"^index/(?P<index>[a-z0-9][a-z0-9-]*)/"
_RELEASE = "manage/project/<str:name>/release/<str:version>"
FORM = ("GET", "HEAD", "POST")
READ_METHODS = ("GET", "HEAD", "OPTIONS")


def reads(pattern: str, view: View, name: str | None = None, *, regex: bool = False) -> URLPattern:
    """A route of the read APIs, which other sites' scripts may ask too."""
    return route(pattern, view, action=Action.READ, methods=READ_METHODS, name=name, regex=regex)


def index_routes(prefix: str) -> list[URLPattern]:
    """The read and upload APIs of an index whose addresses begin with `prefix` (a regular expression)."""
    patterns: list[tuple[str, View]] = [
        (r"simple$", simple.add_slash),
        (r"(?:simple|legacy/\+simple)/$", simple.root),  # hatch asks below the upload address
        (r"(?:simple|legacy/\+simple)/(?P<name>[^/]+)$", simple.add_slash),
        (r"(?:simple|legacy/\+simple)/(?P<name>[^/]+)/$", simple.project),
        (r"simple/(?P<rest>.*)$", simple.unknown),
        (r"(?:legacy/)?(?:files|packages)/(?P<sha256>[0-9a-f]{64})/(?P<filename>[^/]+)$", files.file),
        (
            r"packages/(?P<python>[^/]+)/(?P<letter>[^/])/(?P<name>[^/]+)/(?P<filename>[^/]+)$",
            old_addresses.predictable,
        ),
        (r"pypi/(?P<name>[^/]+)/json/?$", documents.project_json),
        (r"pypi/(?P<name>[^/]+)/(?P<version>[^/]+)/json/?$", documents.release_json),
        (r"rss/updates.xml$", documents.updates_feed),
        (r"rss/packages.xml$", documents.projects_feed),
        (r"rss/project/(?P<name>[^/]+)/releases.xml$", documents.releases_feed),
    ]
    return [
        route(prefix + r"legacy/?$", legacy.upload, action=Action.UPLOAD, methods=("POST",), regex=True),
        *(reads(prefix + pattern, view, regex=True) for pattern, view in patterns),
    ]


_MOMENT = r"@(?P<moment>[^/]+)/"


def past_routes(prefix: str) -> list[URLPattern]:
    """The read APIs of the past states of an index whose addresses begin with `prefix` (a regular expression)."""
    patterns: list[tuple[str, View]] = [
        (r"simple$", past.add_slash),
        (r"simple/$", past.root),
        (r"simple/(?P<name>[^/]+)$", past.add_slash),
        (r"simple/(?P<name>[^/]+)/$", past.project),
        (r"(?:files|packages)/(?P<sha256>[0-9a-f]{64})/(?P<filename>[^/]+)$", past.file),
        (r"pypi/(?P<name>[^/]+)/json/?$", past.project_json),
        (r"pypi/(?P<name>[^/]+)/(?P<version>[^/]+)/json/?$", past.release_json),
        (r"(?P<rest>.*)$", past.unknown),
    ]
    return [reads(prefix + _MOMENT + pattern, view, regex=True) for pattern, view in patterns]


urlpatterns: list[URLPattern | URLResolver] = [
    # what programs read of `main` and send to it: first, for each pattern before costs time
    *index_routes(r"^"),
    # what people look at
    route("", home.home, action=Action.READ, name="home"),
    route("search/", home.search, action=Action.READ, name="search"),
    route("stats/", statistics.stats, action=Action.READ, name="stats"),
    route("help/", home.help_page, action=Action.READ, name="help"),
    route("help/upload-errors/", explaining.upload_errors, action=Action.ANYONE, name="upload-errors"),
    route("project/<str:name>/", projects.project, action=Action.READ, name="project"),
    route("project/<str:name>/explain/", explain_page.explain, action=Action.READ, name="explain"),
    route("project/<str:name>/<str:version>/", projects.release, action=Action.READ, name="release"),
    route(
        "project/<str:name>/releases.<str:form>", table_files.releases_file, action=Action.READ, name="releases-file"
    ),
    route(
        "project/<str:name>/<str:version>/files.<str:form>",
        table_files.files_file,
        action=Action.READ,
        name="files-file",
    ),
    route("user/<str:name>/", projects.user, action=Action.READ, name="user"),
    route("org/<str:name>/", organizations.public, action=Action.READ, name="organization"),
    *account_routes,
    # what its people do with a project
    route("manage/projects/", manage.own_projects, action=Action.ACCOUNT, name="manage-projects", methods=FORM),
    route(
        "manage/projects/projects.<str:form>",
        table_files.own_projects_file,
        action=Action.ACCOUNT,
        name="own-projects-file",
    ),
    route("manage/account/token/tokens.<str:form>", table_files.tokens_file, action=Action.ACCOUNT, name="tokens-file"),
    route("manage/project/<str:name>/", manage.project, action=Action.MANAGE, name="manage-project", methods=FORM),
    route(
        "manage/project/<str:name>/collaborators/",
        proved_lately(manage_people.people_page),
        action=Action.MANAGE,
        name="manage-collaborators",
        methods=FORM,
    ),
    route(
        "manage/project/<str:name>/transfer/",
        manage_people.transfer,
        action=Action.MANAGE,
        name="transfer-project",
        methods=FORM,
    ),
    # organizations
    route("manage/organizations/", organizations.own, action=Action.ACCOUNT, name="manage-organizations", methods=FORM),
    *(
        route(f"manage/organization/<str:name>/{rest}", view, action=action, name=name, methods=FORM)
        for rest, view, action, name in (
            ("", organizations.overview, Action.BELONG, "manage-organization"),
            ("people/", organization_people.people_page, Action.BELONG, "organization-people"),
            ("teams/", organization_people.team_list, Action.BELONG, "organization-teams"),
            ("team/<str:team>/", organization_people.team_page, Action.BELONG, "organization-team"),
            ("tokens/", organizations.token_page, Action.RUN, "organization-tokens"),
            ("delete/", organizations.end, Action.RULE, "organization-delete"),
        )
    ),
    route(f"{_RELEASE}/", manage.release, action=Action.YANK, name="manage-release", methods=FORM),
    route(
        "manage/project/<str:name>/delete/",
        proved_lately(manage_deleting.delete_project),
        action=Action.DELETE,
        name="delete-project",
        methods=FORM,
    ),
    route(
        f"{_RELEASE}/delete/",
        proved_lately(manage_deleting.delete_release),
        action=Action.DELETE,
        name="delete-release",
        methods=FORM,
    ),
    route(
        f"{_RELEASE}/file/<str:filename>/delete/",
        proved_lately(manage_deleting.delete_file),
        action=Action.DELETE,
        name="delete-file",
        methods=FORM,
    ),
    # what administrators do
    route("admin/", administration.state, action=Action.ADMINISTER, name="admin"),
    route("admin/indexes/", administration.index_list, action=Action.ADMINISTER, name="admin-indexes", methods=FORM),
    route(
        "admin/index/<str:name>/", administration.index_page, action=Action.ADMINISTER, name="admin-index", methods=FORM
    ),
    route(
        "admin/upstreams/",
        upstreams_page.upstream_list,
        action=Action.ADMINISTER,
        name="admin-upstreams",
        methods=FORM,
    ),
    route(
        "admin/index/<str:name>/snapshots/",
        snapshots_page.snapshot_list,
        action=Action.ADMINISTER,
        name="admin-snapshots",
        methods=FORM,
    ),
    route("admin/index/<str:name>/lock/", snapshots_page.lock, action=Action.ADMINISTER, name="admin-lock"),
    route(
        "admin/index/<str:name>/rollback/",
        snapshots_page.rollback,
        action=Action.ADMINISTER,
        name="admin-rollback",
        methods=FORM,
    ),
    route(
        "admin/invitations/",
        invitations_page.invitation_list,
        action=Action.ADMINISTER,
        name="admin-invitations",
        methods=FORM,
    ),
    route("admin/guests/", invitations_page.guest_list, action=Action.ADMINISTER, name="admin-guests", methods=FORM),
    *(
        route(f"admin/{rest}/", view, action=Action.ADMINISTER, name=name, methods=methods)
        for rest, view, name, methods in (
            ("people", overseeing.person_list, "admin-people", ("GET", "HEAD")),
            ("person/<str:name>", overseeing.person, "admin-person", FORM),
            ("organizations", overseeing.organization_list, "admin-organizations", ("GET", "HEAD")),
            ("journal", overseeing.journal, "admin-journal", ("GET", "HEAD")),
            ("flags", overseeing.flag_list, "admin-flags", FORM),
            ("groups", groups_page.group_list, "admin-groups", FORM),
            ("registration", registration_page.registration, "admin-registration", FORM),
            ("sandbox", registration_page.sandbox, "admin-sandbox", FORM),
        )
    ),
    # what programs read of every index by its name
    *index_routes(_INDEX),
    *past_routes(r"^"),
    *past_routes(_INDEX),
    route(_INDEX + r"(?:pypi/?|RPC2)$", xmlrpc.endpoint, action=Action.READ, methods=("POST",), regex=True),
    reads(_INDEX + r"(?P<rest>.*)$", simple.unknown, regex=True),
    reads(_INDEX.removesuffix("/") + "$", simple.unknown, regex=True),
    route(r"^RPC2$", xmlrpc.endpoint, action=Action.READ, methods=("POST",), regex=True),
    # what had another address once
    route(r"^pypi/?$", old_addresses.pypi, action=Action.READ, methods=FORM, regex=True),
    route(r"^(?:pypi|p)/(?P<name>[^/]+)/$", old_addresses.project, action=Action.READ, regex=True),
    route(r"^(?:pypi|p)/(?P<name>[^/]+)/(?P<version>[^/]+)/$", old_addresses.project, action=Action.READ, regex=True),
    *api_routes(),
    # what machines ask
    route("robots.txt", well_known.robots, action=Action.ANYONE),
    route(".well-known/security.txt", well_known.security, action=Action.ANYONE),
    *(
        route(f"_/{word}/disclose-token", disclosure.disclose, action=Action.ANYONE, methods=("POST",))
        for word in ("secrets", "github")
    ),
    route("_/audience", audience.ask, action=Action.READ),
    route("_/image/<slug:signature>/<slug:address>", pictures.picture, action=Action.ANYONE, name="picture"),
    route("healthz", health.healthz, action=Action.ANYONE),
    route("readyz", health.readyz, action=Action.ANYONE),
    route("metrics", metrics.metrics, action=Action.ANYONE),  # judges for itself: scrapers have no session
    route("static/<slug:digest>/<path:name>", assets.serve, action=Action.ANYONE, name="static"),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler429 = errors.too_many
handler500 = errors.server_error
