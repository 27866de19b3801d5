# SPDX-License-Identifier: Apache-2.0
"""The addresses of the account pages: allauth's views under ours."""

from __future__ import annotations

from typing import Any

from allauth.account import views as account
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.socialaccount import views as social
from django.urls import URLPattern

from packhouse.domain.permissions import Action
from packhouse.web import account as own
from packhouse.web import claim, emergency, invited, single_sign_on, token_pages
from packhouse.web import second_factors as second
from packhouse.web.pacing import evenly
from packhouse.web.proofs import proved_lately
from packhouse.web.routing import View, route
from packhouse.web.single_sign_on import without_passwords

_FORM = ("GET", "HEAD", "POST")


def _anyone(pattern: str, view: View, name: str) -> URLPattern:
    return route(pattern, view, action=Action.ANYONE, name=name, methods=_FORM)


def _person(pattern: str, view: Any, name: str) -> URLPattern:
    return route(pattern, view, action=Action.ACCOUNT, name=name, methods=_FORM)


def _setting_up(pattern: str, view: Any, name: str) -> URLPattern:
    return route(pattern, view, action=Action.ACCOUNT, name=name, methods=_FORM, setting_up=True)


account_routes: list[URLPattern] = [
    _anyone("account/register/", evenly(account.signup), "account_signup"),
    _anyone("account/login/", own.SignIn.as_view(), "account_login"),
    _anyone("account/logout/", account.logout, "account_logout"),
    _anyone("account/inactive/", account.account_inactive, "account_inactive"),
    _anyone("account/confirm/", account.email_verification_sent, "account_email_verification_sent"),
    _anyone("account/reset/", without_passwords(evenly(account.password_reset)), "account_reset_password"),
    _anyone("account/reset/sent/", account.password_reset_done, "account_reset_password_done"),
    _anyone("account/reset/done/", account.password_reset_from_key_done, "account_reset_password_from_key_done"),
    _anyone(
        "account/reset/<str:uidb36>/<str:key>/",
        without_passwords(account.password_reset_from_key),
        "account_reset_password_from_key",
    ),
    _setting_up("account/reauthenticate/", account.reauthenticate, "account_reauthenticate"),
    # one's own account
    _setting_up("manage/account/", own.overview, "manage-account"),
    _setting_up("manage/account/email/", proved_lately(account.email), "account_email"),
    _setting_up("manage/account/password/", without_passwords(account.password_change), "account_change_password"),
    _setting_up(
        "manage/account/password/set/", proved_lately(without_passwords(account.password_set)), "account_set_password"
    ),
    _setting_up("manage/account/sessions/", proved_lately(own.session_list), "manage-sessions"),
    _person("manage/account/token/", proved_lately(token_pages.token_list), "tokens"),
    _person("manage/account/token/delete/", token_pages.token_delete_all, "token-delete-all"),
    _person("manage/account/token/<int:token_id>/delete/", token_pages.token_delete, "token-delete"),
    _person("manage/account/token/<int:token_id>/rotate/", token_pages.token_rotate, "token-rotate"),
    # second factors
    _anyone("account/login/second-factor/", second.SecondStep.as_view(), "mfa_authenticate"),
    _anyone("account/login/passkey/", webauthn.login_webauthn, "mfa_login_webauthn"),
    _setting_up("account/two-factor/", second.Factors.as_view(), "mfa_index"),
    _setting_up("account/two-factor/confirm/", factors.reauthenticate, "mfa_reauthenticate"),
    _setting_up("account/two-factor/app/", proved_lately(totp.activate_totp), "mfa_activate_totp"),
    _setting_up("account/two-factor/app/remove/", proved_lately(totp.deactivate_totp), "mfa_deactivate_totp"),
    _setting_up("account/two-factor/codes/", second.RecoveryCodes.as_view(), "mfa_view_recovery_codes"),
    _setting_up(
        "account/two-factor/codes/new/", proved_lately(recovery.generate_recovery_codes), "mfa_generate_recovery_codes"
    ),
    _setting_up("account/two-factor/keys/", webauthn.list_webauthn, "mfa_list_webauthn"),
    _setting_up("account/two-factor/keys/add/", proved_lately(webauthn.add_webauthn), "mfa_add_webauthn"),
    _setting_up("account/two-factor/keys/confirm/", webauthn.reauthenticate_webauthn, "mfa_reauthenticate_webauthn"),
    _setting_up("account/two-factor/keys/<int:pk>/", proved_lately(webauthn.edit_webauthn), "mfa_edit_webauthn"),
    _setting_up(
        "account/two-factor/keys/<int:pk>/remove/", proved_lately(webauthn.remove_webauthn), "mfa_remove_webauthn"
    ),
    # single sign-on, and links where it is away
    _anyone("account/sso/", single_sign_on.start, "sso"),
    _anyone("account/sso/callback/", single_sign_on.callback, "sso-callback"),
    _anyone("account/sso/register/", social.signup, "socialaccount_signup"),
    _anyone("account/sso/out/", single_sign_on.signed_out, "sso-out"),
    _anyone("account/emergency/<str:secret>/", emergency.sign_in, "sign-in-link"),
    _person("manage/account/sso/", single_sign_on.identities, "socialaccount_connections"),
    # invitations to register
    route("account/invitation/<str:secret>/", invited.follow, action=Action.ANYONE, name="invitation-link"),
    route("account/invitation/", invited.invitation, action=Action.ANYONE, name="invitation"),
    # the first administrator
    route("admin/claim/<str:secret>/", claim.follow, action=Action.ANYONE, name="claim-link"),
    _anyone("admin/claim/", claim.claim, "claim"),
]
"""Taken up by `urls.py`."""
