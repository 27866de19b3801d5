# SPDX-License-Identifier: Apache-2.0
"""What the management API is made of: operations that declare their action, what they take and what they answer.

One declaration makes the route, judges the body and is told in the OpenAPI document. Credentials are those of the
`Authorization` header alone: cookies count for nothing here, so no other site can use them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from packhouse.catalogue.models import User
from packhouse.domain.permissions import ANONYMOUS, Action, Identity, may
from packhouse.domain.wording import shown
from packhouse.errors import Fault, Kind, PackhouseError, refuse
from packhouse.services import flags
from packhouse.services.second_factors import holds_back
from packhouse.web import errors, resources
from packhouse.web.api.pace import Pace
from packhouse.web.api.shapes import Shape
from packhouse.web.reading import api_identity

MAX_BODY = 64 * 1024
"""Bytes of a body; none of ours needs more."""
MAX_TEXT = 4096
"""Characters of one text in a body; what it is for may have a lower limit of its own."""
MAX_TEXTS = 1000
"""Texts in a list of them."""
_pace = Pace()


class Takes(StrEnum):
    """What a field of a body may hold."""

    TEXT = "text"
    TEXTS = "list of texts"
    MOMENT = "time such as 2026-11-01T12:00:00Z"
    NUMBER = "whole number"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body; `choices` are the texts it may be, () for any."""

    name: str
    about: str
    takes: Takes = Takes.TEXT
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that got as far as its operation: who asks, and what the body holds of the fields declared."""

    request: HttpRequest
    identity: Identity
    body: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A text of the body, "" when it isn't there."""
        return str(self.body.get(name) or "")


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing the API does; `always`: by which people make themselves safe, read-only server or not."""

    method: str
    path: str
    action: Action
    view: Callable[..., object]
    about: str
    answer: Shape
    fields: tuple[Field, ...] = ()
    always: bool = False

    @property
    def changes(self) -> bool:
        """Whether it writes."""
        return self.method != "GET"


def dispatch(operations: Mapping[str, Operation]) -> Callable[..., HttpResponseBase]:
    """The view of one address: its operations by method. `action` is that of the first, `operations` are all."""
    methods = sorted({*operations, *(["HEAD"] if "GET" in operations else [])})

    @csrf_exempt
    def view(request: HttpRequest, **path: str) -> HttpResponseBase:
        operation = operations.get("GET" if request.method == "HEAD" else str(request.method))
        return errors.not_allowed(request, methods) if operation is None else _answered(request, operation, path)

    view.action = next(iter(operations.values())).action  # type: ignore[attr-defined]
    view.operations = operations  # type: ignore[attr-defined]
    return view


def _answered(request: HttpRequest, operation: Operation, path: dict[str, str]) -> HttpResponse:
    identity = ANONYMOUS
    if operation.action not in {Action.ANYONE, Action.READ}:
        identity = api_identity(request)
        may(identity, operation.action).demand()
        _pace.demand(identity.token_id or 0, resources.get().clock())
        if operation.changes:
            _demand_sound(identity, always=operation.always)
    told = operation.view(Asked(request, identity, _body_of(request, operation)), **path)
    return HttpResponse(
        orjson.dumps(told, option=orjson.OPT_UTC_Z), headers={"Cache-Control": "no-store"}, content_type=JSON
    )


JSON = "application/json"


def _demand_sound(identity: Identity, *, always: bool) -> None:
    """Refuse what the forms of the browser refuse: while read-only, and without a second factor that is demanded."""
    if not always and not identity.is_admin:
        flags.demand_off(flags.READ_ONLY)
    person = User.objects.filter(pk=identity.user_id or 0).first()
    if person is not None and not always and holds_back(person):
        message = f"This server asks {person.username!r} for a second factor; set one up on the account page."
        raise refuse(Kind.FORBIDDEN, "two-factor-missing", message)


# --- bodies


def _body_of(request: HttpRequest, operation: Operation) -> Mapping[str, Any]:
    """The fields that a request holds; raises with all that is wrong with them."""
    if not operation.changes:
        return {}
    data = request.read(MAX_BODY + 1)
    if len(data) > MAX_BODY:
        raise refuse(Kind.TOO_LARGE, "body-too-large", f"The body is larger than {MAX_BODY} bytes; send less.")
    sent: Any = {}
    if data:
        _demand_json(request)
        try:
            sent = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            message = f"The body is no JSON: {str(error)[:200]}; send an object."
            raise refuse(Kind.INVALID, "body-unreadable", message) from error
    if not isinstance(sent, dict):
        raise refuse(Kind.INVALID, "body-unreadable", "The body is JSON but no object; send {} with what is meant.")
    wrong = [*_unknown(sent, operation), *(fault for one in operation.fields for fault in _judge(one, sent))]
    if wrong:
        raise PackhouseError(Kind.INVALID, *wrong)
    return {one.name: _read(one, sent[one.name]) for one in operation.fields if sent.get(one.name) is not None}


def _demand_json(request: HttpRequest) -> None:
    given = request.headers.get("Content-Type", "")
    if given.partition(";")[0].strip().lower() != JSON:
        message = f"Content-Type is {shown(given or 'missing')}, expected {JSON}; send that."
        raise refuse(Kind.UNSUPPORTED, "body-type", message)


def _unknown(sent: dict[str, Any], operation: Operation) -> list[Fault]:
    known = [one.name for one in operation.fields]
    expected = ", ".join(known) or "an empty object"
    return [
        Fault("field-unknown", f"There is no field {shown(name)} here, expected {expected}; leave it out.", name[:60])
        for name in sent
        if name not in known
    ]


def _judge(one: Field, sent: dict[str, Any]) -> list[Fault]:
    value = sent.get(one.name)
    if value is None:
        missing = f"The field {one.name} is missing; send it."
        return [Fault("field-missing", missing, one.name)] if one.required else []
    if not _fits(one.takes, value):
        return [Fault("field-type", f"The field {one.name} is no {one.takes.value}; correct it.", one.name)]
    if one.choices and value not in one.choices:
        expected = ", ".join(one.choices)
        return [Fault("field-choice", f"The field {one.name} is {shown(value)}, expected {expected}.", one.name)]
    return []


def _fits(takes: Takes, value: Any) -> bool:
    if takes is Takes.NUMBER:
        return type(value) is int and 0 <= value < 2**62
    if takes is Takes.TEXTS:
        return isinstance(value, list) and len(value) <= MAX_TEXTS and all(_fits(Takes.TEXT, one) for one in value)
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\0" in value:
        return False
    return takes is Takes.TEXT or _moment(value) is not None


def _moment(text: str) -> datetime | None:
    """A time with its offset; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _read(one: Field, value: Any) -> Any:
    return _moment(value) if one.takes is Takes.MOMENT else value
