# SPDX-License-Identifier: Apache-2.0
"""What groups of the provider of single sign-on mean here: what settings say, and roles that administrators map."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.catalogue.models import Organization
from packhouse.domain.permissions import OrganizationRole
from packhouse.errors import PackhouseError
from packhouse.services import group_roles, single_sign_on
from packhouse.web import resources
from packhouse.web.administration import ANSWERED, did
from packhouse.web.organizations import number_of
from packhouse.web.proofs import asked_again
from packhouse.web.reading import web_identity


class GroupForm(forms.Form):
    """A group, and what it is to an organization."""

    group = forms.CharField(
        label="Group", max_length=group_roles.MAX_GROUP, help_text="Exactly as the provider says it, case and all."
    )
    organization = forms.CharField(label="Organization", max_length=64)
    role = forms.ChoiceField(
        label="Is",
        required=False,
        choices=[*((role.value, role.value) for role in OrganizationRole), ("", "in the team named below")],
        initial=OrganizationRole.MEMBER.value,
    )
    team = forms.CharField(
        label="Team", required=False, max_length=64, help_text="Of those of the group who are in the organization."
    )


@asked_again
def group_list(request: HttpRequest) -> HttpResponse:
    """`/admin/groups/`: the mapping of groups; adding to it, taking from it."""
    stock = resources.get()
    sent = request.POST.get("action", "") if request.method == "POST" else ""
    form = GroupForm(request.POST if sent == "map" else None)
    if sent == "map" and did(form, lambda: _map(request, form)):
        return redirect("admin-groups")
    if sent == "unmap":
        _unmap(request)
        return redirect("admin-groups")
    rules = single_sign_on.rules_of(stock.settings)
    context: dict[str, Any] = {
        "form": form,
        "rows": group_roles.list_mapped(),
        "allowed": sorted(rules.allow),
        "administering": sorted(rules.admin),
        "indexes": rules.indexes,
        "claim": stock.settings.oidc_groups_claim,
        "there": Organization.objects.filter(deleted_at=None).exists(),
    }
    return TemplateResponse(request, "admin/groups.html", context)


def _map(request: HttpRequest, form: GroupForm) -> None:
    said = form.cleaned_data
    role = OrganizationRole(said["role"]) if said["role"] else None
    identity, clock = web_identity(request), resources.get().clock
    group_roles.map_group(identity, said["group"], said["organization"], role, said["team"], clock=clock)
    what = f"{role.value} of {said['organization']}" if role else f"in {said['organization']}/{said['team'].lower()}"
    messages.success(request, f"{said['group']} is {what}, from each person's next sign-in on.")


def _unmap(request: HttpRequest) -> None:
    try:
        number = number_of(request.POST.get("row", ""))
        row = group_roles.unmap(web_identity(request), number, clock=resources.get().clock)
        messages.success(request, f"{row.group} means nothing to {row.organization.name} any more; who is in it stays.")
    except PackhouseError as error:
        if error.kind not in ANSWERED:
            raise
        messages.error(request, error.message)
