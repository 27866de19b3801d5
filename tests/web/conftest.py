# SPDX-License-Identifier: Apache-2.0
"""Every test of a page starts without remembered rate limits and without mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.infra.accounts import Browser


@pytest.fixture
def browser(db: None) -> Browser:
    """Somebody's browser."""
    from tests.infra.accounts import Browser, forget_limits

    forget_limits()
    return Browser()


@pytest.fixture
def signed_in(browser: Browser) -> Browser:
    """The browser of alice, signed in."""
    from tests.infra.accounts import make_user

    make_user()
    browser.sign_in()
    return browser
