# SPDX-License-Identifier: Apache-2.0
"""What the views of the read APIs share: who asks, and may they."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache, wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import salted_hmac

from packhouse.domain.headers import Headers
from packhouse.domain.permissions import ANONYMOUS, Action, Identity, IndexRight, ReadMode, may
from packhouse.services import access
from packhouse.web import resources


def lower_headers(request: HttpRequest) -> dict[str, str]:
    """The request's headers with lower-case names, as the pure functions want them."""
    return {name.lower(): value for name, value in request.headers.items()}


def api_identity(request: HttpRequest) -> Identity:
    """Who the Authorization header speaks for; anonymous without one, UNAUTHENTICATED when it is no good."""
    header = request.headers.get("Authorization")
    if header is None:
        return ANONYMOUS
    now, address = resources.get().clock(), str(request.META.get("REMOTE_ADDR", ""))
    identity = access.authenticate(header, now, address)
    request.token_id = identity.token_id  # type: ignore[attr-defined]
    access.note_use(identity, address, request.headers.get("User-Agent", ""), now)
    return identity


def may_read(request: HttpRequest, index: str) -> IndexRight:
    """The asker's right on an index, or the refusal: 404 for an unknown index, 401 or 403 for a closed one.

    Credentials are not looked at for a public index: what anybody may read is not refused to a bad token.
    """
    right = access.index_right(ANONYMOUS, index)
    if right.read is ReadMode.PUBLIC:
        return right
    identity = api_identity(request)
    right = access.index_right(identity, index)
    may(identity, Action.READ, index=right).demand()
    request.read_until = _remembered_until(identity)  # type: ignore[attr-defined]
    request.read_privately = True  # type: ignore[attr-defined]
    return right


REMEMBERED = timedelta(minutes=5)
"""How long an edge may answer a token without asking: so late, at most, its use is noted."""


def _remembered_until(identity: Identity) -> datetime:
    """Until when an edge may take the same credentials without asking: not at all where their address counts."""
    now = resources.get().clock()
    if identity.local:
        return now
    return now + REMEMBERED if identity.until is None else min(identity.until, now + REMEMBERED)


def takes_files(request: HttpRequest) -> bool:
    """Whether an edge of ours asks that sends files itself, and proves it."""
    given = request.headers.get("X-Packhouse-Edge", "")
    return hmac.compare_digest(given.encode(), edge_secret().encode())


def from_our_edge(request: HttpRequest) -> bool:
    """Whether an edge of ours asks, which keeps what it is told apart from the answer."""
    return "packhouse.edge_secret" in request.META or takes_files(request)


@lru_cache(maxsize=1)
def edge_secret() -> str:
    """What an edge of this server proves itself with, derived from the signing key."""
    return str(salted_hmac("packhouse.edge", "hand-over", algorithm="sha256").hexdigest())


def audience_headers(request: HttpRequest, audience: str) -> Headers:
    """What an edge must know to answer the same credentials itself: for whom this is, and until when (unix seconds).

    Nothing for a public answer (audience ""), and nothing when no edge of ours asks.
    """
    if not audience or not from_our_edge(request):
        return ()
    until = getattr(request, "read_until", None)
    end = () if until is None else (("x-packhouse-until", str(until.timestamp())),)
    return (("x-packhouse-audience", audience), *end)


def web_identity(request: HttpRequest) -> Identity:
    """Who is signed in; anonymous otherwise."""
    return access.identity_of_user(request.user) if request.user.is_authenticated else ANONYMOUS


def readable(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A page for people about `main`: who may not read it is asked to sign in, or told so.

    A program, which can't sign in, is asked for a token instead (401 with a challenge). `reader_of` gives the view
    the identity that was let in.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if access.index_right(ANONYMOUS, "main").read is not ReadMode.PUBLIC:
            identity = web_identity(request)
            if identity.anonymous and "text/html" not in request.headers.get("Accept", ""):
                identity = api_identity(request)
            elif identity.anonymous:
                return redirect_to_login(request.get_full_path())
            may(identity, Action.READ, index=access.index_right(identity, "main")).demand()
            request.reader = identity  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    return guarded


def reader_of(request: HttpRequest) -> Identity:
    """Who was let in by `readable`, or is signed in."""
    let_in: Identity | None = getattr(request, "reader", None)
    return let_in or web_identity(request)
