# SPDX-License-Identifier: Apache-2.0
"""One's own account: overview, sessions."""

from __future__ import annotations

from typing import Any, TypeVar

from allauth.account.adapter import get_adapter
from allauth.account.mixins import RedirectAuthenticatedUserMixin
from allauth.account.models import EmailAddress
from allauth.account.views import LoginView
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from packhouse.catalogue.models import User
from packhouse.errors import Kind, refuse
from packhouse.services import access, sessions, tokens
from packhouse.services.journal import Actor
from packhouse.services.resources import now
from packhouse.web.forms import PasswordForm
from packhouse.web.proofs import is_proved

AnyForm = TypeVar("AnyForm", bound=Form)


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
    user = person_of(request)
    identity = access.identity_of_user(user)
    pending = EmailAddress.objects.filter(user=user, verified=False).first()
    context = {"identity": identity, "email": user.email, "pending_email": pending, "tokens": tokens.tokens_of(user)}
    return TemplateResponse(request, "manage/account.html", context)


def session_list(request: HttpRequest) -> HttpResponse:
    """Where one is signed in; a POST ends one session or all others."""
    user = person_of(request)
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


def for_person(request: HttpRequest, user: User, form: AnyForm) -> AnyForm:
    """The form as this person can fill it in: who has no password is sent to show another proof first."""
    if not user.has_usable_password():
        del form.fields["password"]
        if not is_proved(request):
            raise ReauthenticationRequired
    return form


def password_is_right(request: HttpRequest, form: PasswordForm) -> bool:
    """Whether the password typed is that of who is signed in; when it is not, the form says so."""
    if "password" not in form.fields:
        return True
    adapter = get_adapter(request)
    try:
        right = adapter.reauthenticate(person_of(request), form.cleaned_data["password"])
    except ValidationError as error:
        form.add_error("password", error)
        return False
    if not right:
        form.add_error("password", adapter.validation_error("incorrect_password"))
    return bool(right)


def person_of(request: HttpRequest) -> User:
    """Who is signed in."""
    user = request.user
    if not isinstance(user, User):
        raise refuse(Kind.FORBIDDEN, "sign-in-needed", "Sign in first.")
    return user


def actor_of(user: User) -> Actor:
    """Somebody as the journal names them, at a browser."""
    return Actor(user.pk, user.username, "web")
