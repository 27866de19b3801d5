# SPDX-License-Identifier: Apache-2.0
"""Where mails go: by SMTP when `PACKHOUSE_EMAIL` is set, else to the console and to `<data>/outbox/`."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from packhouse.errors import Kind, refuse

SMTP = "django.core.mail.backends.smtp.EmailBackend"
OUTBOX = "packhouse.site.mail.Outbox"
TIMEOUT = 10
"""Seconds a mail server may take for a step."""

_console = threading.Lock()


def mail_settings(url: str | None, sender: str) -> dict[str, Any]:
    """Django's EMAIL_* settings for `smtp[s]://user:password@host:port` (`?tls=starttls` for STARTTLS)."""
    common = {"DEFAULT_FROM_EMAIL": sender, "SERVER_EMAIL": sender, "EMAIL_TIMEOUT": TIMEOUT}
    if url is None:
        return {**common, "EMAIL_BACKEND": OUTBOX}
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise refuse(
            Kind.INVALID,
            "setting-invalid",
            f"email is a {parts.scheme or 'nameless'} address, expected smtp://user:password@host:port; correct it.",
            "email",
        )
    direct = parts.scheme == "smtps"
    return {
        **common,
        "EMAIL_BACKEND": SMTP,
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if direct else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": direct,
        "EMAIL_USE_TLS": "starttls" in parts.query.lower(),
    }


class Outbox(BaseEmailBackend):
    """Writes each mail to a file of its own and shows it on the console."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the mails; returns how many."""
        for mail in email_messages:
            text = as_text(mail)
            write(Path(settings.PACKHOUSE.data) / "outbox", text)
            with _console:
                sys.stdout.write(f"\n--- mail ---\n{text}--- end of mail ---\n")
                sys.stdout.flush()
        return len(email_messages)


def as_text(mail: EmailMessage) -> str:
    """A mail as people read it: four header lines, an empty line, the text."""
    when = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    head = {"Date": when, "From": mail.from_email, "To": ", ".join(mail.to), "Subject": mail.subject}
    lines = [f"{name}: {' '.join(str(value).split())}" for name, value in head.items()]
    return "\n".join([*lines, "", str(mail.body).rstrip(), ""])


def write(folder: Path, text: str) -> Path:
    """Write one mail as a whole: a reader of the folder sees a complete `.txt` file or none. Names sort by time."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    target = folder / f"{stamp}-{secrets.token_hex(4)}.txt"
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    Path(name).rename(target)
    return target
