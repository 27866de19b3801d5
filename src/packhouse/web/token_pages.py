# SPDX-License-Identifier: Apache-2.0
"""One's API tokens: made and rotated, each shown once; deleted one by one, or all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.catalogue.activity.models import TokenUse
from packhouse.catalogue.activity.sessions import STARTED
from packhouse.catalogue.models import Project, Token, User
from packhouse.catalogue.organizations import organization_projects_of
from packhouse.domain.permissions import Action, Identity, may
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, organizations, tokens
from packhouse.services.indexes import any_stages, list_indexes
from packhouse.services.resources import now
from packhouse.web.account import actor_of, for_person, password_is_right, person_of
from packhouse.web.account_tables import TOKENS, token_row
from packhouse.web.forms import PasswordForm, RotationForm, TokenForm
from packhouse.web.tables import Row

FIELDS = {"name": "name", "expires": "expires", "scope": "scope", "index": "indexes", "networks": "networks"}
"""The field of the form that a refusal of the service belongs to."""


def token_list(request: HttpRequest) -> HttpResponse:
    """The living tokens, and the form for a new one. The new token is in the answer to the form and nowhere else."""
    user = person_of(request)
    form = _form(user, request.POST or None)
    made = None
    if request.method == "POST" and form.is_valid():
        made = _create(user, form)
        if made is not None:
            _tell(request, user, made[0], "made")
        form = form if made is None else _form(user, None)
    return _page(request, user, form, made)


def _form(user: User, sent: Any) -> TokenForm:
    indexes = indexes_for(access.identity_of_user(user))
    return TokenForm(sent, projects=_projects_of(user), indexes=indexes, staging=any_stages(indexes))


def _page(
    request: HttpRequest, user: User, form: TokenForm, made: tuple[Token, str] | None, *, rotated: bool = False
) -> HttpResponse:
    context = {
        "form": form,
        "tokens": TOKENS.show(token_rows(user), request.GET),
        "new_token": made[1] if made else None,
        "new_token_name": made[0].name if made else "",
        "old_until": made[0].old_until if made and rotated else None,
        "rotated": rotated,
        "upload_url": request.build_absolute_uri("/legacy/"),
        "simple_url": request.build_absolute_uri("/simple/"),
        "now": now(),
    }
    return TemplateResponse(request, "manage/tokens.html", context)


def token_delete(request: HttpRequest, token_id: int) -> HttpResponse:
    """A page of its own: what will happen, the password, the button."""
    user, token = _own(request, token_id)
    form = for_person(request, user, PasswordForm(request.POST or None))
    if request.method == "POST" and form.is_valid() and password_is_right(request, form):
        tokens.delete_token(actor_of(user), token, clock=now)
        messages.success(request, f"The token {token.name} is deleted; whatever used it is refused from now on.")
        return redirect("tokens")
    return TemplateResponse(
        request,
        "manage/token_delete.html",
        {"form": form, "token": token, "made": token.made.filter(deleted_at=None).count()},
    )


def token_rotate(request: HttpRequest, token_id: int) -> HttpResponse:
    """A new secret for a token, shown once in the answer, for the password."""
    user, token = _own(request, token_id)
    form = for_person(request, user, RotationForm(request.POST or None))
    if request.method == "POST" and form.is_valid() and password_is_right(request, form):
        grace = timedelta(hours=int(form.cleaned_data["grace"]))
        made = tokens.rotate_token(actor_of(user), token, grace, clock=now)
        _tell(request, user, token, "rotated")
        return _page(request, user, _form(user, None), made, rotated=True)
    return TemplateResponse(request, "manage/token_rotate.html", {"form": form, "token": token})


def token_delete_all(request: HttpRequest) -> HttpResponse:
    """The end of every token one has, for the password."""
    user = person_of(request)
    form = for_person(request, user, PasswordForm(request.POST or None))
    if request.method == "POST" and form.is_valid() and password_is_right(request, form):
        count = tokens.delete_tokens_of(actor_of(user), user, clock=now)
        messages.success(request, f"{count} token{' is' if count == 1 else 's are'} deleted.")
        return redirect("tokens")
    living = tokens.tokens_of(user)
    return TemplateResponse(request, "manage/token_delete_all.html", {"form": form, "count": len(living)})


def _tell(request: HttpRequest, user: User, token: Token, done: str) -> None:
    """Tell the owner, by mail, of a token that a session got; not in that in which the account was made."""
    if request.session.get(STARTED, {}).get("first"):
        return
    facts = {"token": token.name, "hint": token.hint, "done": done}
    get_adapter(request).send_notification_mail("packhouse/email/token", user, facts)


def _own(request: HttpRequest, token_id: int) -> tuple[User, Token]:
    user = person_of(request)
    token = Token.objects.filter(pk=token_id, user=user, organization=None, deleted_at=None).first()
    if token is None:
        raise refuse(Kind.MISSING, "token-missing", "You have no such token; see the list of your tokens.")
    return user, token


def _create(user: User, form: TokenForm) -> tuple[Token, str] | None:
    """Make the token; a refusal becomes a fault of the form."""
    return told_in(
        form,
        lambda: tokens.create_token(
            actor_of(user),
            user,
            form.cleaned_data["name"],
            form.chosen_scopes(),
            form.cleaned_data.get("indexes") or (),
            form.chosen_projects(),
            form.chosen_expiry(now()),
            networks=[form.cleaned_data["networks"]],
            clock=now,
        ),
    )


def told_in(form: TokenForm, make: Callable[[], tuple[Token, str]]) -> tuple[Token, str] | None:
    """What was made; None when it was refused, which the form then says."""
    try:
        return make()
    except PackhouseError as error:
        form.add_error(FIELDS.get(error.faults[0].field), error.message)
        return None


def token_rows(user: User) -> list[Row]:
    """One's tokens as tables show them, the newest first."""
    return rows_of(tokens.tokens_of(user))


def rows_of(living: list[Token]) -> list[Row]:
    """These tokens as tables show them."""
    marks = TokenUse.objects.in_bulk([row.pk for row in living])
    moment = now()
    return [token_row(row, marks.get(row.pk), moment) for row in living]


def _projects_of(user: User) -> list[str]:
    """The projects of a person, by themselves and by organizations, and before them these organizations' all."""
    names = Project.objects.filter(roles__user=user).values_list("name", flat=True)
    by_organization = [row.name for row in organization_projects_of(user)]
    every = [f"{tokens.ALL_OF}{row.organization.name}" for row in organizations.organizations_of(user)]
    return [*every, *sorted({*names, *by_organization})]


def indexes_for(identity: Identity) -> list[str]:
    """The indexes that somebody may read."""
    return [
        index.name
        for index in list_indexes()
        if may(identity, Action.READ, index=access.right_on(identity, index)).allowed
    ]
