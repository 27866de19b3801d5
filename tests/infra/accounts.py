# SPDX-License-Identifier: Apache-2.0
"""A person at a browser, for the tests of the account pages."""

from __future__ import annotations

import re
from typing import Any

from django.core import mail
from django.core.cache import cache
from django.test import Client

from packhouse.catalogue.models import User
from packhouse.services import people
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now

PASSWORD = "seven quiet otters"
CODE = re.compile(r"^([A-Z0-9]{4}-[A-Z0-9]{4})$", re.MULTILINE)
HTML = {"accept": "text/html"}


class Browser:
    """A client that behaves as browsers do: its own cookies, `Accept: text/html`, hidden fields sent back."""

    def __init__(self, *, address: str = "127.0.0.1", csrf: bool = False) -> None:
        self.client = Client(enforce_csrf_checks=csrf, headers=HTML, REMOTE_ADDR=address)

    def get(self, path: str, **kwargs: Any) -> Any:
        return self.client.get(path, **kwargs)

    def post(self, path: str, **fields: Any) -> Any:
        return self.client.post(path, fields)

    def register(self, name: str = "alice", email: str = "alice@example.org", password: str = PASSWORD) -> Any:
        return self.post("/account/register/", username=name, email=email, password1=password, password2=password)

    def confirm(self) -> Any:
        return self.post("/account/confirm/", action="verify", code=last_code())

    def sign_in(self, name: str = "alice", password: str = PASSWORD, **more: str) -> Any:
        return self.post("/account/login/", login=name, password=password, **more)

    @property
    def signed_in(self) -> bool:
        return bool(self.get("/manage/account/email/").status_code == 200)

    def reauthenticate(self, password: str = PASSWORD) -> Any:
        return self.post("/account/reauthenticate/", password=password)


def last_code() -> str:
    found = CODE.findall(str(mail.outbox[-1].body))
    assert len(found) == 1
    return str(found[0])


def make_user(name: str = "alice", email: str | None = None, **more: Any) -> User:
    return people.create_user(COMMAND, name, email or f"{name}@example.org", PASSWORD, clock=now, **more)


def forget_limits() -> None:
    cache.clear()
