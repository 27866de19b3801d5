# SPDX-License-Identifier: Apache-2.0
"""Django's settings as a module, for mypy's Django plugin, which wants one; tests are configured by `conftest`."""

from __future__ import annotations

from packhouse.config import Settings
from packhouse.site.settings import values

PACKHOUSE: Settings = Settings()
globals().update(values(PACKHOUSE, secret_key="read by mypy alone"))
