# SPDX-License-Identifier: Apache-2.0
"""Django's settings, made from ours: the only file that sets them.

`values` is a function, not a module of globals, so that a process is configured once, by `bootstrap`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packhouse.config import Settings
from packhouse.site.account_settings import account_settings
from packhouse.site.databases import databases

_WEB = Path(__file__).resolve().parent.parent / "web"


def values(settings: Settings, secret_key: str, *, read_only: bool = False) -> dict[str, Any]:
    """All Django settings for these settings of ours; `secret_key` signs sessions and links."""
    return {
        "SECRET_KEY": secret_key,
        "DEBUG": False,
        "ALLOWED_HOSTS": ["*"],  # judged by the edge and by our middleware, which know our own hosts
        "USE_TZ": True,
        "TIME_ZONE": "UTC",
        "LANGUAGE_CODE": "en-gb",
        "USE_I18N": False,
        "ROOT_URLCONF": "packhouse.web.urls",
        "WSGI_APPLICATION": "packhouse.site.wsgi.application",
        "APPEND_SLASH": False,
        "LOGGING_CONFIG": None,  # see site.logs
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "DATABASES": databases(settings, read_only=read_only),
        "DATABASE_ROUTERS": ["packhouse.site.databases.Router"],
        "INSTALLED_APPS": INSTALLED_APPS,
        "MIDDLEWARE": MIDDLEWARE,
        "TEMPLATES": [_templates()],
        "STATIC_URL": "/static/",
        "STORAGES": {"staticfiles": {"BACKEND": "packhouse.web.assets.Storage"}},
        "STATICFILES_DIRS": [_WEB / "static"] if (_WEB / "static").is_dir() else [],
        "CACHES": {
            "default": {
                "BACKEND": "django.core.cache.backends.db.DatabaseCache",
                "LOCATION": "activity_cache",
                "OPTIONS": {"MAX_ENTRIES": 100_000},
            },  # over it, limits would be forgotten
        },
        "SILENCED_SYSTEM_CHECKS": ["fields.W342"],
        "PACKHOUSE": settings,
        **account_settings(settings),
    }


INSTALLED_APPS = [
    "packhouse.catalogue.apps.CatalogueConfig",
    "packhouse.catalogue.activity.apps.ActivityConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django_htmx",
]

MIDDLEWARE = [
    "packhouse.web.observing.observe",
    "packhouse.web.middleware.Boundary",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]


def _templates() -> dict[str, Any]:
    return {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_WEB / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "packhouse.web.context.house",
            ],
            "libraries": {"look": "packhouse.web.tags"},
        },
    }
