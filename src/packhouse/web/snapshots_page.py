# SPDX-License-Identifier: Apache-2.0
"""The snapshots of an index for administrators: making, protecting, comparing them, and going back to one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import indexes, locks, snapshots
from packhouse.web import resources
from packhouse.web.administration import ANSWERED, did
from packhouse.web.manage_forms import MAX_REASON, TypedNameForm
from packhouse.web.proofs import asked_again
from packhouse.web.reading import web_identity

MOST = 500
"""Files of a comparison or a plan that a page lists of one kind."""


class SnapshotForm(forms.Form):
    """A new snapshot."""

    name = forms.CharField(
        label="Name", max_length=64, help_text="Lower-case letters, digits, dots, underscores and hyphens."
    )
    moment = forms.CharField(
        label="Moment",
        max_length=40,
        required=False,
        help_text="A day (2026-11-01), a time (2026-11-01T12:00:00Z) or serial-N; empty: now.",
    )
    note = forms.CharField(label="Note", max_length=MAX_REASON, required=False)


class RollbackForm(TypedNameForm):
    """The name of the index, typed, and why."""

    reason = forms.CharField(label="Reason", max_length=MAX_REASON, required=False)
    even_deleted = forms.BooleanField(label="Place deleted files again too", required=False)


def _clock() -> Any:
    return resources.get().clock


@asked_again
def snapshot_list(request: HttpRequest, name: str) -> HttpResponse:
    """`/admin/index/<name>/snapshots/`: the snapshots of an index, and a comparison (`?from=`, `?to=`)."""
    index = indexes.find_index(name)
    making = request.method == "POST" and request.POST.get("action", "make") == "make"
    form = SnapshotForm(request.POST if making else None)
    if request.method == "POST" and (did(form, lambda: _make(request, name, form)) if making else _act(request, name)):
        return redirect("admin-snapshots", index.name)
    rows = [
        {"name": s.name, "serial": s.serial, "at": s.at, "note": s.note, "protected": s.protected, "by": s.made_by}
        for s in snapshots.list_snapshots(name)
    ]
    root = "" if name == indexes.MAIN else f"/index/{name}"
    context = {"index": name, "snapshots": rows, "form": form, "root": root, **_comparison(request, name)}
    return TemplateResponse(request, "admin/snapshots.html", context)


def _make(request: HttpRequest, name: str, form: SnapshotForm) -> None:
    said = form.cleaned_data
    snapshots.create(web_identity(request), name, said["name"], said["moment"], said["note"], clock=_clock())
    messages.success(request, f"The snapshot {said['name']} is made.")


def _act(request: HttpRequest, index: str) -> bool:
    """Protect, unprotect or delete one."""
    sent, name, identity = request.POST.get("action", ""), request.POST.get("snapshot", ""), web_identity(request)
    try:
        if sent == "delete":
            snapshots.delete(identity, index, name, clock=_clock())
        elif sent in {"protect", "unprotect"}:
            snapshots.protect(identity, index, name, on=sent == "protect", clock=_clock())
        else:
            raise refuse(Kind.INVALID, "action-unknown", f"There is no action {sent[:30]!r} here; use the buttons.")
        done = {"delete": "deleted", "protect": "protected", "unprotect": "no longer protected"}[sent]
        messages.success(request, f"The snapshot {name} is {done}.")
    except PackhouseError as error:
        if error.kind not in ANSWERED:
            raise
        messages.error(request, error.message)
    return True


def _comparison(request: HttpRequest, index: str) -> dict[str, Any]:
    """What changed between the two states asked for; nothing when none was."""
    before, after = request.GET.get("from", ""), request.GET.get("to", "") or snapshots.NOW
    if not before:
        return {"compared": None, "before": "", "after": ""}
    try:
        found = snapshots.compare(
            index, snapshots.point(index, before, _clock()), snapshots.point(index, after, _clock())
        )
    except PackhouseError as error:
        if error.kind not in ANSWERED:
            raise
        return {"compared": None, "wrong": error.message, "before": before, "after": after}
    words = ("added", "removed", "yanked", "unyanked")
    rows = [(word, *file) for word in words for file in getattr(found, word)[:MOST]]
    total = sum(len(getattr(found, word)) for word in words)
    return {"compared": rows, "total": total, "before": before, "after": after}


def lock(request: HttpRequest, name: str) -> HttpResponseBase:
    """`/admin/index/<name>/lock/?state=STATE`: the lock of a state, to be saved."""
    state = request.GET.get("state", "") or snapshots.NOW
    pieces = locks.of_index(name, state, _clock())
    shown = "".join(letter if letter.isalnum() or letter in ".-_" else "-" for letter in state.removeprefix("@"))
    headers = {
        "Content-Disposition": f'attachment; filename="{name}-{shown[:80]}.lock.json"',
        "Cache-Control": "no-store",
    }
    return StreamingHttpResponse(pieces, content_type="application/json", headers=headers)


@asked_again
def rollback(request: HttpRequest, name: str) -> HttpResponse:
    """`/admin/index/<name>/rollback/?to=STATE`: what going back would do; doing it when the name is typed."""
    indexes.find_index(name)
    to = request.GET.get("to", "")
    as_of = snapshots.point(name, to, _clock())
    form = RollbackForm(request.POST or None, expected=name)

    def act() -> None:
        said = form.cleaned_data
        before = snapshots.roll_back(
            web_identity(request),
            name,
            as_of,
            reason=said["reason"],
            even_deleted=said["even_deleted"],
            clock=_clock(),
        )
        undo = f"going back to @serial-{before} undoes it" if before else "it shows that state already"
        messages.success(request, f"The index {name} shows its own files of {to} again; {undo}.")

    if request.method == "POST" and did(form, act):
        return redirect("admin-snapshots", name)
    plan = snapshots.plan_rollback(name, as_of)
    context = {
        "index": name,
        "to": to,
        "as_of": as_of,
        "placed": plan.placed[:MOST],
        "withdrawn": plan.withdrawn[:MOST],
        "kept_deleted": plan.kept_deleted[:MOST],
        "form": form,
        "cancel_url": reverse("admin-snapshots", args=[name]),
    }
    return TemplateResponse(request, "admin/rollback.html", context)
