# SPDX-License-Identifier: Apache-2.0
"""What every page knows about the house it is in: its name, its addresses, its version."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

import packhouse
from packhouse.config import Settings
from packhouse.domain.addresses import is_loopback
from packhouse.domain.registration import Registration
from packhouse.services import registering, wiping
from packhouse.services.resources import now


@dataclass(frozen=True)
class House:
    """The server as its pages speak of it; `base_url` has no slash at the end."""

    title: str
    base_url: str
    version: str
    settings: Settings = field(repr=False)
    sandbox: bool = False
    sso: str = ""  # what single sign-on is called; "" for none
    sso_only: bool = False
    next_wipe: datetime | None = None

    @cached_property
    def registration(self) -> Registration:
        """Who may register, read when a page asks."""
        return registering.in_force(self.settings)

    @cached_property
    def sandbox_words(self) -> str:
        """What an administrator of a sandbox says on every page."""
        return wiping.banner(self.settings)

    @property
    def simple_url(self) -> str:
        """The address installers are given."""
        return f"{self.base_url}/simple/"

    @property
    def upload_url(self) -> str:
        """The address uploaders are given."""
        return f"{self.base_url}/legacy/"

    @property
    def trusted_host(self) -> str:
        """The host pip must be told to trust, or "": plain http from another machine."""
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        return "" if parts.scheme != "http" or is_loopback(host) else host

    @property
    def pip_options(self) -> str:
        """What pip needs to be told beside the name of a project."""
        trust = f" --trusted-host {self.trusted_host}" if self.trusted_host else ""
        return f"--index-url {self.simple_url}{trust}"


def house(request: HttpRequest) -> dict[str, House]:
    """Context processor: `house` for every template."""
    values: Settings = settings.PACKHOUSE
    return {
        "house": House(
            title="Packhouse",
            base_url=(values.base_url or f"{request.scheme}://{request.get_host()}{_prefix(request)}").rstrip("/"),
            version=packhouse.__version__,
            settings=values,
            sso=values.oidc_name if values.has_single_sign_on else "",
            sso_only=values.sso_only == "on",
            sandbox=values.sandbox == "on",
            next_wipe=wiping.next_wipe(values, now()),
        )
    }


def _prefix(request: HttpRequest) -> str:
    """The prefix under which a trusted proxy shows us."""
    return str(request.META.get("SCRIPT_NAME", ""))
