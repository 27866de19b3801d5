# SPDX-License-Identifier: Apache-2.0
"""Second factors beyond what allauth does: sealed recovery codes, counters of keys, a reset, who needs one."""

from __future__ import annotations

import hmac
import re
from contextlib import suppress
from hashlib import sha256
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import encrypt
from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from packhouse.catalogue.models import Membership, Role, TeamRole, User
from packhouse.domain.permissions import OrganizationRole, ProjectRole
from packhouse.domain.second_factors import CODE_DIGITS, TOTP_USED, Demand, covers, demand_of
from packhouse.errors import PackhouseError
from packhouse.services import access, sessions
from packhouse.services.journal import Actor, Clock, Entry, Fact, bump_access, record, take, write

_SEALED, _COUNTER = "migrated_codes", "packhouse_counter"
_PLAIN = re.compile(rf"[0-9]{{{CODE_DIGITS}}}")
_WHITE = re.compile(r"[\s-]+")


def seal_codes(user: User) -> None:
    """Keep of a person's recovery codes only what tells a right one from a wrong one.

    Until they are shown for the first time, allauth keeps the seed they are made from.
    """
    with transaction.atomic():
        kept = Authenticator.objects.select_for_update().filter(user=user, type=Authenticator.Type.RECOVERY_CODES)
        for codes in kept:
            if _SEALED in codes.data:
                continue
            marks = [encrypt(_mark(user.pk, code)) for code in codes.wrap().get_unused_codes()]
            codes.data = {_SEALED: marks, "viewed_at": codes.data.get("viewed_at")}
            codes.save(update_fields=["data"])


def as_kept(user: User, typed: str) -> str:
    """What was typed as a code, as `seal_codes` kept it if it is a recovery code; anything else cut to its length.

    So that what is kept, which is longer, is no code itself.
    """
    code = _WHITE.sub("", typed)
    if not _PLAIN.fullmatch(code):
        return typed[:CODE_DIGITS]
    kept = Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).first()
    return _mark(user.pk, code) if kept is not None and _SEALED in kept.data else code


def use_up(user: User, code: str) -> bool:
    """Note that an app's code was taken; False when it was taken before.

    allauth forgets it after the time the app shows it, but takes those before and after, too.
    """
    return bool(cache.add(_used_key(user, code), "y", timeout=TOTP_USED))


def was_used(user: User, code: str) -> bool:
    """Whether an app's code was taken before, as long as it could be taken again."""
    return cache.get(_used_key(user, code)) is not None


def _used_key(user: User, code: str) -> str:
    return f"packhouse.code.{_mark(user.pk, _WHITE.sub('', code))}"


def _mark(user_id: int, code: str) -> str:
    key = sha256(b"packhouse recovery code " + str(settings.SECRET_KEY).encode()).digest()
    return hmac.new(key, f"{user_id} {code}".encode(), sha256).hexdigest()


def count_up(key: Authenticator, counter: int) -> bool:
    """Note the signature counter a key sent; False when it did not go up, as that of a copied key does not.

    Keys that don't count send 0 always.
    """
    with transaction.atomic():
        kept = Authenticator.objects.select_for_update().get(pk=key.pk)
        last = int(kept.data.get(_COUNTER, kept.wrap().authenticator_data.counter))
        if counter <= last and (counter or last):
            return False
        if counter:
            kept.data[_COUNTER] = counter
            kept.save(update_fields=["data"])
    return True


def note(kind: Fact, user: User, *, clock: Clock, detail: dict[str, Any] | None = None) -> None:
    """Journal something about a person's second factors that changes no right."""
    with write():
        moment = take(1, clock)
        fact = Entry(kind, detail={"user": user.username, **(detail or {})})
        record(moment, Actor(user.pk, user.username, "web"), [fact])


def reset_factors(actor: Actor, user: User, reason: str, *, clock: Clock) -> list[str]:
    """Take all second factors of a person away and sign them out everywhere; the types of those that were taken.

    For somebody who lost theirs and whose identity was made sure of by other means; `reason` is journalled.
    """
    with write():
        held = Authenticator.objects.filter(user=user)
        kinds = sorted(held.values_list("type", flat=True))
        held.delete()
        moment = take(1, clock)
        detail = {"user": user.username, "taken": kinds, "reason": reason}
        record(moment, actor, [Entry(Fact.SECOND_FACTOR_RESET, detail=detail)])
        bump_access()
    sessions.end_others(user, None)
    told = EmailAddress.objects.get_primary_email(user)
    if told:
        facts = {"reason": reason, "timestamp": clock()}
        with suppress(PackhouseError):  # done all the same, and logged
            get_adapter().send_mail("packhouse/email/second_factor_reset", told, facts)
    return kinds


def is_wanting(user: User) -> bool:
    """Whether a second factor is demanded of somebody who has none."""
    demand = demand_of(settings.PACKHOUSE)
    if demand is Demand.NOBODY or access.has_second_factor(user):
        return False
    return covers(demand, admin=user.is_admin, owner=demand is Demand.OWNERS and _owns(user))


def _owns(user: User) -> bool:
    """Whether somebody owns a project: by themselves, or by an organization they run or a team they are in."""
    by_team = TeamRole.objects.filter(team__members__user=user, role=ProjectRole.OWNER)
    return (
        Role.objects.filter(user=user, role=ProjectRole.OWNER).exists()
        or Membership.objects.filter(user=user, role__in=(OrganizationRole.OWNER, OrganizationRole.MANAGER)).exists()
        or by_team.exists()
    )


def holds_back(user: User) -> bool:
    """Whether everything but setting up a second factor waits for it.

    An administrator of whom alone it is demanded goes on as anybody else does, without an administrator's rights
    (`access.identity_of_user`).
    """
    return demand_of(settings.PACKHOUSE) is not Demand.ADMINISTRATORS and is_wanting(user)
