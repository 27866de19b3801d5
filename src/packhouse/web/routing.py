# SPDX-License-Identifier: Apache-2.0
"""Routes that say what they are for: no view without a declared action.

`route` is the only way views get into `urls.py`; it refuses methods not listed (405 with `Allow`) and keeps people
who are not signed in, or not administrators, away from the pages that want them. Rights on an index or a project are
asked by the view's service, again in its transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, re_path

from packhouse.domain.permissions import ORGANIZATION_ROLES, Action
from packhouse.errors import Kind, refuse
from packhouse.services import flags
from packhouse.services.second_factors import holds_back, is_wanting
from packhouse.web import errors

ALWAYS = frozenset(
    {
        *("account_reauthenticate", "mfa_reauthenticate", "manage-sessions", "token-delete", "token-delete-all"),
        *("account_change_password", "account_set_password"),
    }
)
"""Forms by which people make their own accounts safe: they go on while the server is read-only."""

View = Callable[..., HttpResponseBase]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

SESSION_ACTIONS = frozenset(
    {Action.ACCOUNT, Action.YANK, Action.DELETE, Action.STATUS, Action.MANAGE, *ORGANIZATION_ROLES}
)
"""Actions that, in the browser, need somebody signed in."""


def route(
    pattern: str,
    view: View,
    *,
    action: Action,
    name: str | None = None,
    methods: tuple[str, ...] = ("GET", "HEAD"),
    regex: bool = False,
    setting_up: bool = False,
    **kwargs: Any,
) -> URLPattern:
    """One entry of the URL map: a pattern, its view, what it lets people do and by which methods.

    `setting_up`: a page that somebody may use who has to set up a second factor before anything else.
    """
    guarded = guard(view, action, methods, setting_up=setting_up, always=name in ALWAYS)
    return (re_path if regex else path)(pattern, guarded, kwargs or None, name)


def guard(
    view: View, action: Action, methods: tuple[str, ...], *, setting_up: bool = False, always: bool = False
) -> View:
    """Wrap a view so that methods and sessions are checked before it runs; the action is kept as an attribute."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in methods:
            return errors.not_allowed(request, methods)
        refusal = _session_refusal(request, action, setting_up=setting_up)
        if refusal is None and request.method not in SAFE_METHODS and action in SESSION_ACTIONS and not always:
            _demand_running(request)
        return refusal if refusal is not None else view(request, *args, **kwargs)

    guarded.action = action  # type: ignore[attr-defined]
    guarded.setting_up = setting_up  # type: ignore[attr-defined]
    if SAFE_METHODS.issuperset(methods):  # a POST is answered 405 here, not 403 for a form without its secret
        guarded.csrf_exempt = True  # type: ignore[attr-defined]
    return guarded


def _demand_running(request: HttpRequest) -> None:
    """Refuse the forms of people while the server is read-only."""
    if not getattr(request.user, "is_admin", False):
        flags.demand_off(flags.READ_ONLY)


def _session_refusal(request: HttpRequest, action: Action, *, setting_up: bool) -> HttpResponseBase | None:
    if action is not Action.ADMINISTER and action not in SESSION_ACTIONS:
        return None
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if action is Action.ADMINISTER and not request.user.is_admin:
        raise refuse(Kind.FORBIDDEN, "admin-only", "Only an administrator may see this page; sign in as one.")
    if not setting_up and (action is Action.ADMINISTER or holds_back(request.user)) and is_wanting(request.user):
        return redirect("mfa_index")
    return None
