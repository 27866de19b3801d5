# SPDX-License-Identifier: Apache-2.0
"""One's own account: overview, API tokens, sessions."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.mixins import RedirectAuthenticatedUserMixin
from allauth.account.models import EmailAddress
from allauth.account.views import LoginView
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.catalogue.activity.models import TokenUse
from packhouse.catalogue.models import Project, Token, User
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, sessions, tokens
from packhouse.services.journal import Actor
from packhouse.services.resources import now
from packhouse.web.account_tables import TOKENS, token_row
from packhouse.web.forms import PasswordForm, TokenForm
from packhouse.web.tables import Row


class SignIn(LoginView):  # type: ignore[misc]  # allauth's views have no types
    """The sign-in page. Who is signed in and came for it alone finds the form, to sign in as somebody else."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Send on only those who are signed in and on their way to somewhere (`next`)."""
        onward: Any = super()
        if request.user.is_authenticated and "next" not in request.GET and "next" not in request.POST:
            onward = super(RedirectAuthenticatedUserMixin, self)  # past what redirects
        response: HttpResponseBase = onward.dispatch(request, *args, **kwargs)
        return response


def overview(request: HttpRequest) -> HttpResponse:
    """Name, address, second factor, and the ways to change them."""
    user = _person(request)
    identity = access.identity_of_user(user)
    pending = EmailAddress.objects.filter(user=user, verified=False).first()
    context = {"identity": identity, "email": user.email, "pending_email": pending, "tokens": tokens.tokens_of(user)}
    return TemplateResponse(request, "manage/account.html", context)


def token_list(request: HttpRequest) -> HttpResponse:
    """The living tokens, and the form for a new one. The new token is in the answer to the form and nowhere else."""
    user = _person(request)
    form = TokenForm(request.POST or None, projects=_projects_of(user))
    made = secret = None
    if request.method == "POST" and form.is_valid():
        made, secret = _create(user, form)
        form = form if secret is None else TokenForm(projects=_projects_of(user))
    context = {
        "form": form,
        "tokens": TOKENS.show(token_rows(user), request.GET),
        "new_token": secret,
        "new_token_name": made.name if made else "",
        "upload_url": request.build_absolute_uri("/legacy/"),
        "simple_url": request.build_absolute_uri("/simple/"),
        "now": now(),
    }
    return TemplateResponse(request, "manage/tokens.html", context)


def token_delete(request: HttpRequest, token_id: int) -> HttpResponse:
    """A page of its own: what will happen, the password, the button."""
    user = _person(request)
    token = Token.objects.filter(pk=token_id, user=user, deleted_at=None).first()
    if token is None:
        raise refuse(Kind.MISSING, "token-missing", "You have no such token; see the list of your tokens.")
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _password_is_right(request, form):
        tokens.delete_token(_actor(user), token, clock=now)
        messages.success(request, f"The token {token.name} is deleted; whatever used it is refused from now on.")
        return redirect("tokens")
    return TemplateResponse(request, "manage/token_delete.html", {"form": form, "token": token})


def session_list(request: HttpRequest) -> HttpResponse:
    """Where one is signed in; a POST ends one session or all others."""
    user = _person(request)
    if request.method == "POST":
        _end_sessions(request, user)
        return HttpResponseRedirect(request.path)
    rows = sessions.sessions_of(user, request.session.session_key, now())
    return TemplateResponse(request, "manage/sessions.html", {"sessions": rows})


def _end_sessions(request: HttpRequest, user: User) -> None:
    one = request.POST.get("session", "")
    if one:
        sessions.end_session(user, one)
    else:
        sessions.end_others(user, request.session.session_key)
    messages.success(request, "Signed out there.")


def _create(user: User, form: TokenForm) -> tuple[Token | None, str | None]:
    """Make the token; a refusal becomes a fault of the form."""
    try:
        return tokens.create_token(
            _actor(user),
            user,
            form.cleaned_data["name"],
            form.chosen_scopes(),
            (),
            form.chosen_projects(),
            form.chosen_expiry(now()),
            clock=now,
        )
    except PackhouseError as error:
        fields = {"name": "name", "expires": "expires", "scope": "scope"}
        form.add_error(fields.get(error.faults[0].field), error.message)
        return None, None


def token_rows(user: User) -> list[Row]:
    """One's tokens as tables show them, the newest first."""
    living = tokens.tokens_of(user)
    marks = TokenUse.objects.in_bulk([row.pk for row in living])
    moment = now()
    return [token_row(row, marks.get(row.pk), moment) for row in living]


def _projects_of(user: User) -> list[str]:
    names = Project.objects.filter(roles__user=user).values_list("name", flat=True)
    return sorted(set(names))


def _password_is_right(request: HttpRequest, form: PasswordForm) -> bool:
    adapter = get_adapter(request)
    try:
        right = adapter.reauthenticate(_person(request), form.cleaned_data["password"])
    except ValidationError as error:
        form.add_error("password", error)
        return False
    if not right:
        form.add_error("password", adapter.validation_error("incorrect_password"))
    return bool(right)


def _person(request: HttpRequest) -> User:
    user = request.user
    if not isinstance(user, User):
        raise refuse(Kind.FORBIDDEN, "sign-in-needed", "Sign in first.")
    return user


def _actor(user: User) -> Actor:
    return Actor(user.pk, user.username, "web")
