# SPDX-License-Identifier: Apache-2.0
"""No page without a look: each that a route of ours answers is weighed and shown to axe by a test that is named here.

The routes with names are the pages; the others are asked by programs.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.urls import resolve
from tests.browser.test_look import OWN, PUBLIC
from tests.browser.test_look_people import PAGES
from tests.web.test_routes import ROUTES

HERE = Path(__file__).parent

NO_PAGES = {
    "releases-file",
    "files-file",
    "own-projects-file",
    "tokens-file",
    "picture",
    "admin-lock",  # a file to be saved
    "static",
    "invitation-link",  # leads to the page
    "claim-link",
    "sso",  # leads to the provider, and back
    "sso-callback",
    "mfa_login_webauthn",  # JSON
}
ELSEWHERE = {
    "mfa_activate_totp": ("test_second_factors.py", r"/account/two-factor/app/"),
    "mfa_deactivate_totp": ("test_second_factors.py", r"app/remove/"),
    "mfa_view_recovery_codes": ("test_second_factors.py", r'"codes/"'),
    "mfa_generate_recovery_codes": ("test_second_factors.py", r"codes/new/"),
    "mfa_add_webauthn": ("test_second_factors.py", r"keys/add/"),
    "mfa_authenticate": ("test_second_factors.py", r"second step"),
    "mfa_reauthenticate": ("test_second_factors.py", r"once more"),
    "mfa_reauthenticate_webauthn": ("test_security_keys.py", r"looked_at\(page\)\n    page.reload"),
    "mfa_edit_webauthn": ("test_security_keys.py", r'looked_at\(page\)\n    page.get_by_label\("Name"'),
    "mfa_remove_webauthn": ("test_security_keys.py", r'looked_at\(page\)\n    .*"Remove the key"'),
    "socialaccount_signup": ("test_single_sign_on.py", r'"Welcome"'),
    "socialaccount_connections": ("test_single_sign_on.py", r"/manage/account/sso/"),
    "sso-out": ("test_single_sign_on.py", r"Sign out at Example Login, too"),
    "sign-in-link": ("test_single_sign_on.py", r"sign-in-link"),
}
"""The pages that need more than an address, with the test that looks at them and what of it shows so."""


def named(address: str) -> str:
    """The route of an address."""
    found = resolve(address.partition("?")[0].partition("#")[0])
    return found.url_name or found.route


SEEN = {named(address) for address in (*PUBLIC.values(), *OWN.values(), *PAGES)}


def test_every_page_is_looked_at() -> None:
    pages = {route.name for route in ROUTES if route.name}
    assert sorted(pages - SEEN - NO_PAGES - set(ELSEWHERE)) == []


def test_nothing_is_left_of_pages_that_are_gone() -> None:
    pages = {route.name for route in ROUTES if route.name}
    assert sorted((NO_PAGES | set(ELSEWHERE)) - pages) == []


@pytest.mark.parametrize("page", sorted(ELSEWHERE))
def test_the_other_tests_look_at_them(page: str) -> None:
    file, shown = ELSEWHERE[page]
    assert re.search(shown, (HERE / file).read_text(encoding="utf-8"))
