# SPDX-License-Identifier: Apache-2.0
"""The forms of the account pages: allauth's, with our labels and limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account import forms as account
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter as get_factor_adapter
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, AuthenticateWebAuthnForm, ReauthenticateWebAuthnForm
from django import forms
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from packhouse.site.passwords import MAX_BYTES, MIN_LENGTH, too_long

PASSWORD_HELP = f"At least {MIN_LENGTH} characters; a few words that don't belong together do well."


def _dress(form: forms.Form, **labels: str) -> None:
    """Set labels; take away placeholders (they vanish when people type) and allauth's long help texts."""
    for name, field in form.fields.items():
        field.label = labels.get(name, field.label)
        field.widget.attrs.pop("placeholder", None)
        if isinstance(field.widget, forms.PasswordInput):
            field.help_text = PASSWORD_HELP if field.widget.attrs.get("autocomplete") == "new-password" else ""
            field.validators = [*field.validators, _check_length]
        if name in {"password2", "email"}:
            field.help_text = ""


def _check_length(password: str) -> None:
    if too_long(password):
        raise ValidationError(f"A password may have at most {MAX_BYTES} bytes.", code="password_too_long")


class Register(account.SignupForm):
    """User name, e-mail, password twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = {"username": "Username", "email": "E-mail", "password1": "Password", "password2": "Confirm password"}
        _dress(self, **labels)

    def validate_unique_email(self, value: str) -> str:
        """Note whether an account has this address, or the same with another `+tag`; people are not told which."""
        get_adapter().demand_registrable(value)
        email = str(super().validate_unique_email(value))
        if _tagged_twin(email):
            self.account_already_exists = True
        return email

    def try_save(self, request: HttpRequest) -> Any:
        """Make the account; where the address has one, work as long and show the same."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
        return super().try_save(request)


def _tagged_twin(email: str) -> bool:
    local, _, domain = email.partition("@")
    plain = local.partition("+")[0]
    same = EmailAddress.objects.filter(email__startswith=plain, email__endswith=f"@{domain}")
    return any(_without_tag(found) == (plain, domain) for found in same.values_list("email", flat=True)[:1000])


def _without_tag(email: str) -> tuple[str, str]:
    local, _, domain = email.partition("@")
    return local.partition("+")[0], domain


class SignIn(account.LoginForm):
    """User name (or e-mail address) and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, login="Username", password="Password")
        self.fields["login"].help_text = "Or the e-mail address of your account."
        self.fields["login"].widget.attrs["autocomplete"] = "username"
        self.fields["login"].max_length = 254


class Reauthenticate(account.ReauthenticateForm):
    """One field: the password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, password="Password")


class ChangeEmail(account.AddEmailForm):
    """The new address; it counts when the code sent to it was typed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, email="E-mail")


class ChangePassword(account.ChangePasswordForm):
    """The password now, and the new one twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, oldpassword="Current password", password1="New password", password2="Confirm password")


class SetPassword(account.SetPasswordForm):
    """A first password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, password1="Password", password2="Confirm password")


class Reset(account.ResetPasswordForm):
    """The address a link goes to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, email="E-mail")


class NewPassword(account.ResetPasswordKeyForm):
    """The password after a reset."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, password1="Password", password2="Confirm password")


class ConfirmEmail(account.ConfirmEmailVerificationCodeForm):
    """The code of a mail."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, code="Code")


class SecondFactor(AuthenticateForm):
    """The code of an app, or a recovery code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, code="Code")


class _Careful:
    """Takes what a browser sends as a key's answer for what it may be: anything. Nonsense is a wrong code."""

    def clean_credential(self) -> Any:
        """Parse the answer of a key that signs in."""
        parent: Any = super()
        if not hasattr(parent, "clean_credential"):
            return self.cleaned_data["credential"]  # type: ignore[attr-defined]
        return _judged(parent.clean_credential)

    def clean(self) -> Any:
        """Parse the answer of a key that is added."""
        parent: Any = super()
        return _judged(parent.clean)


def _judged(judge: Callable[[], Any]) -> Any:
    try:
        return judge()
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise get_factor_adapter().validation_error("incorrect_code") from error


class AddKey(_Careful, AddWebAuthnForm):
    """A new key."""


class AuthenticateKey(_Careful, AuthenticateWebAuthnForm):
    """A key as the second step of signing in."""


class ReauthenticateKey(_Careful, ReauthenticateWebAuthnForm):
    """A key before something grave."""
