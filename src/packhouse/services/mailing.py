# SPDX-License-Identifier: Apache-2.0
"""One plain-text mail to people about what happened, outside of any request."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from smtplib import SMTPException, SMTPResponseException
from urllib.parse import urlsplit

from django.core.mail import EmailMessage

from packhouse.catalogue.models import User
from packhouse.config import Settings
from packhouse.domain.addresses import own_origin
from packhouse.upstream.errors import UnreachableError

_log = logging.getLogger(__name__)


def link(settings: Settings, path: str) -> str:
    """The address of a page (`/manage/...`) as mails give it."""
    return own_origin(settings) + path


def send(settings: Settings, people: Iterable[User], subject: str, text: str) -> int:
    """Write to those who have an address, each alone; returns how many mails were sent.

    Raises UnreachableError when no mail server answers; what it refuses to take is logged, since it would again.
    """
    sent = 0
    foot = f"\n\n-- \nPackhouse at {urlsplit(own_origin(settings)).netloc}, a Python package index\n"
    for person in people:
        if not person.email:
            continue
        mail = EmailMessage(
            subject=subject, body=f"Hello {person.username},\n\n{text.strip()}{foot}", to=[person.email]
        )
        try:
            mail.send()
            sent += 1
        except SMTPResponseException as error:
            _log.error("mail %r to %s refused: %s", subject, person.username, error)
        except (OSError, SMTPException) as error:
            raise UnreachableError(f"mail {subject!r} to {person.username}: {error}") from error
    return sent
