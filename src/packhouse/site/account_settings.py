# SPDX-License-Identifier: Apache-2.0
"""The part of Django's settings that is about people: accounts, passwords, sessions, mail, limits."""

from __future__ import annotations

from typing import Any

from packhouse.config import Settings
from packhouse.domain.second_factors import CODE_DIGITS, TOTP_SECONDS, TOTP_TOLERANCE, TRUST_DAYS
from packhouse.site.mail import mail_settings

_DAY = 86400
RESET_TIMEOUT = 6 * 3600
"""Seconds a link for a new password is good for."""


EVEN_SECONDS = 0.5
"""How long registering, or asking for a reset, takes at least (`web.pacing`)."""


def account_settings(settings: Settings) -> dict[str, Any]:
    """All of them, for these settings of ours."""
    return {
        "AUTH_USER_MODEL": "catalogue.User",
        "AUTHENTICATION_BACKENDS": ["packhouse.site.accounts.Backend"],
        "PASSWORD_HASHERS": ["packhouse.site.passwords.Argon2"],
        "AUTH_PASSWORD_VALIDATORS": _validators(),
        "PASSWORD_RESET_TIMEOUT": RESET_TIMEOUT,
        "LOGIN_URL": "account_login",
        "LOGIN_REDIRECT_URL": "manage-projects",
        "LOGOUT_REDIRECT_URL": "home",
        **mail_settings(settings.email, settings.email_from),
        **_cookies(settings),
        "EVEN_SECONDS": EVEN_SECONDS,
        **_ALLAUTH,
    }


def _validators() -> list[dict[str, Any]]:
    django = "django.contrib.auth.password_validation"
    return [
        {"NAME": f"{django}.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
        {"NAME": "packhouse.site.passwords.MaximumBytesValidator"},
        {
            "NAME": f"{django}.UserAttributeSimilarityValidator",
            "OPTIONS": {"user_attributes": ("username", "email", "name")},
        },
        {"NAME": f"{django}.CommonPasswordValidator"},
        {"NAME": f"{django}.NumericPasswordValidator"},
        {"NAME": "packhouse.site.passwords.BreachedPasswordValidator"},
    ]


def _cookies(settings: Settings) -> dict[str, Any]:
    """Cookies bound to this very host; over TLS the browser enforces that by their `__Host-` names."""
    secure = bool(settings.base_url and settings.base_url.startswith("https://"))
    prefix = "__Host-packhouse" if secure else "packhouse"
    return {
        "SESSION_ENGINE": "packhouse.catalogue.activity.sessions",
        "SESSION_COOKIE_NAME": prefix,
        "SESSION_COOKIE_AGE": 30 * _DAY,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": secure,
        "CSRF_COOKIE_NAME": f"{prefix}-csrf",
        "CSRF_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_SECURE": secure,
        "CSRF_TRUSTED_ORIGINS": [settings.base_url] if settings.base_url else [],
        "CSRF_FAILURE_VIEW": "packhouse.web.errors.form_expired",
        "MFA_TRUST_COOKIE_NAME": f"{prefix}-trusted",
        "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
    }


_ALLAUTH = {
    "ACCOUNT_ADAPTER": "packhouse.site.accounts.Adapter",
    "ACCOUNT_LOGIN_METHODS": {"username", "email"},
    "ACCOUNT_SIGNUP_FIELDS": ["username*", "email*", "password1*", "password2*"],
    "ACCOUNT_EMAIL_VERIFICATION": "mandatory",
    "ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED": True,
    "ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT": 3600,
    "ACCOUNT_EMAIL_VERIFICATION_BY_CODE_MAX_ATTEMPTS": 5,
    "ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND": True,
    "ACCOUNT_EMAIL_NOTIFICATIONS": True,
    "ACCOUNT_EMAIL_SUBJECT_PREFIX": "",
    "ACCOUNT_CHANGE_EMAIL": True,
    "ACCOUNT_PREVENT_ENUMERATION": True,
    "ACCOUNT_REAUTHENTICATION_REQUIRED": True,
    "ACCOUNT_SESSION_REMEMBER": True,
    "ACCOUNT_LOGIN_TIMEOUT": 3600,
    "ACCOUNT_FORMS": {
        "signup": "packhouse.site.forms.Register",
        "login": "packhouse.site.forms.SignIn",
        "reauthenticate": "packhouse.site.forms.Reauthenticate",
        "add_email": "packhouse.site.forms.ChangeEmail",
        "change_password": "packhouse.site.forms.ChangePassword",
        "set_password": "packhouse.site.forms.SetPassword",
        "reset_password": "packhouse.site.forms.Reset",
        "reset_password_from_key": "packhouse.site.forms.NewPassword",
        "confirm_email_verification_code": "packhouse.site.forms.ConfirmEmail",
    },
    # Failed sign-ins have limits of their own (site/attempts.py); `login_failed` here is for second factors.
    "ACCOUNT_RATE_LIMITS": {
        "login": "",
        "login_failed": "5/5m/key,20/h/key,50/d/key",
        "factor_failed": "2/5m/key",  # from the third on a notice is due
        "factor_notice": "1/h/key",
        "signup": "60/m/ip",
        "confirm_email": "2/10s/key,20/h/key",
        "reset_password": "20/m/ip,5/m/key",
        "disclose": "60/m/ip",  # reports of leaked tokens
        "invite": "5/h/key",  # mails about invitations to one address
    },
    "SOCIALACCOUNT_ADAPTER": "packhouse.web.single_sign_on.SocialAdapter",
    "SOCIALACCOUNT_FORMS": {"signup": "packhouse.site.forms.RegisterBySingleSignOn"},
    "SOCIALACCOUNT_STORE_TOKENS": False,
    "SOCIALACCOUNT_EMAIL_AUTHENTICATION": False,  # an address never says who somebody is
    "MFA_ADAPTER": "packhouse.site.accounts.SecondFactorAdapter",
    "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
    "MFA_PASSKEY_LOGIN_ENABLED": True,
    "MFA_TOTP_ISSUER": "Packhouse",
    "MFA_TOTP_PERIOD": TOTP_SECONDS,
    "MFA_TOTP_TOLERANCE": TOTP_TOLERANCE,
    "MFA_RECOVERY_CODES_SHOW_ONCE": True,
    "MFA_RECOVERY_CODE_DIGITS": CODE_DIGITS,
    "MFA_TRUST_ENABLED": True,
    "MFA_TRUST_COOKIE_AGE": TRUST_DAYS * _DAY,
    "MFA_RATE_LIMITS": {"webauthn_login": "60/m/ip"},
    "MFA_FORMS": {
        "authenticate": "packhouse.site.forms.SecondFactor",
        "reauthenticate": "packhouse.site.forms.SecondFactorAgain",
        "login_webauthn": "packhouse.site.forms.SignInWithKey",
        "add_webauthn": "packhouse.site.forms.AddKey",
        "authenticate_webauthn": "packhouse.site.forms.AuthenticateKey",
        "reauthenticate_webauthn": "packhouse.site.forms.ReauthenticateKey",
    },
}
