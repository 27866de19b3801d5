# SPDX-License-Identifier: Apache-2.0
"""Mails without a mail server: a file each, and the console."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.core.mail import EmailMessage

from packhouse.errors import PackhouseError
from packhouse.site.mail import OUTBOX, SMTP, Outbox, as_text, mail_settings, write


def message(subject: str = "Hello", body: str = "One.\n\nABCD-EFGH\n") -> EmailMessage:
    return EmailMessage(subject, body, "packhouse@localhost", ["alice@example.org"])


def test_one_plain_text_file_per_mail(tmp_path: Path, settings, capsys: pytest.CaptureFixture[str]):
    settings.PACKHOUSE = replace(settings.PACKHOUSE, data=tmp_path)
    assert Outbox().send_messages([message("First"), message("Second")]) == 2
    files = sorted((tmp_path / "outbox").iterdir())
    assert [f.suffix for f in files] == [".txt", ".txt"]
    texts = [f.read_text() for f in files]
    assert ["Subject: First" in texts[0], "Subject: Second" in texts[1]] == [True, True]  # sorted by time
    assert "ABCD-EFGH" in texts[0].splitlines()
    assert "To: alice@example.org" in texts[0].splitlines()
    assert "ABCD-EFGH" in capsys.readouterr().out.splitlines()


def test_files_are_ours_alone(tmp_path: Path):
    file = write(tmp_path / "outbox", "text")
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


def test_headers_can_t_be_smuggled_in():
    text = as_text(message("Hello\r\nBcc: everybody@example.org"))
    assert "\nBcc:" not in text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", {"EMAIL_HOST": "mail.example", "EMAIL_PORT": 25, "EMAIL_USE_SSL": False}),
        ("smtps://mail.example", {"EMAIL_PORT": 465, "EMAIL_USE_SSL": True}),
        (
            "smtp://me%40x:p%3Aw@mail.example:2525",
            {"EMAIL_PORT": 2525, "EMAIL_HOST_USER": "me@x", "EMAIL_HOST_PASSWORD": "p:w"},
        ),
        ("smtp://mail.example:587?tls=starttls", {"EMAIL_USE_TLS": True}),
    ],
)
def test_addresses_of_mail_servers(url: str, expected: dict[str, object]):
    values = mail_settings(url, "from@example.org")
    assert values["EMAIL_BACKEND"] == SMTP
    assert values["DEFAULT_FROM_EMAIL"] == "from@example.org"
    assert expected.items() <= values.items()


def test_without_a_mail_server():
    assert mail_settings(None, "x@y")["EMAIL_BACKEND"] == OUTBOX


@pytest.mark.parametrize("url", ["http://mail.example", "mail.example:25", "smtp://"])
def test_what_is_no_mail_server(url: str):
    with pytest.raises(PackhouseError, match="smtp://"):
        mail_settings(url, "x@y")
