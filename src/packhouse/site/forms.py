# SPDX-License-Identifier: Apache-2.0
"""The forms of the account pages: allauth's, with our labels and limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account import forms as account
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.manage_email import email_already_exists
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter as get_factor_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from allauth.mfa.webauthn.internal.auth import parse_authentication_response
from allauth.socialaccount.forms import SignupForm as SocialSignupForm
from django import forms
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from packhouse.domain.second_factors import TRUST_DAYS
from packhouse.services.second_factors import as_kept, count_up, use_up, was_used
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


class RegisterBySingleSignOn(SocialSignupForm):
    """User name, and the e-mail address as the provider has it; typed, and confirmed by a code, where it has none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, username="Username", email="E-mail")
        if self.sociallogin.email_addresses:
            self.fields["email"].disabled = True

    def validate_unique_email(self, value: str) -> str:
        """Tell who owns the address, as the provider says, that an account has it; nobody else is told."""
        email, taken = email_already_exists(value)
        if taken and any(known.email == email and known.verified for known in self.sociallogin.email_addresses):
            message = "An account here has this e-mail address: sign in to it, and join single sign-on on its page."
            raise ValidationError(message, code="email-taken")
        self.account_already_exists = taken
        return str(email)


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


class _Codes:
    """Compares recovery codes with what is kept of them, which can't be read again."""

    def clean_code(self) -> Any:
        """Judge the code of an app, or a recovery code."""
        form: Any = self
        typed = form.cleaned_data["code"]
        form.cleaned_data["code"] = "" if was_used(form.user, typed) else as_kept(form.user, typed)
        parent: Any = super()
        code = parent.clean_code()
        if form.authenticator.type == Authenticator.Type.TOTP and not use_up(form.user, typed):
            raise get_factor_adapter().validation_error("incorrect_code")
        return code


class SecondFactor(_Codes, AuthenticateForm):
    """The code of an app, or a recovery code; and whether this browser is to be asked again."""

    trust = forms.BooleanField(label=f"Don't ask again in this browser for {TRUST_DAYS} days", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, code="Code")


class SecondFactorAgain(_Codes, ReauthenticateForm):
    """The code of an app, or a recovery code, before something grave."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, code="Code")


class _Careful:
    """Takes what a browser sends as a key's answer for what it may be: anything. Nonsense is a wrong code."""

    def clean_credential(self) -> Any:
        """Judge the answer of a key that signs in; that of a copied key, whose counter lags, is refused."""
        parent: Any = super()
        answer = self.cleaned_data["credential"]  # type: ignore[attr-defined]
        if not hasattr(parent, "clean_credential"):
            return answer
        return _judged(lambda: self._judge(answer, parent.clean_credential))

    def _judge(self, answer: Any, judge: Callable[[], Any]) -> Any:
        key = judge()
        if not count_up(key, parse_authentication_response(answer).response.authenticator_data.counter):
            raise get_factor_adapter().validation_error("incorrect_code")
        return key

    def clean(self) -> Any:
        """Parse the answer of a key that is added."""
        parent: Any = super()
        return _judged(parent.clean)


def _judged(judge: Callable[[], Any]) -> Any:
    try:
        return judge()
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise get_factor_adapter().validation_error("incorrect_code") from error


class AddKey(_Careful, AddWebAuthnForm):
    """A new key. As a passkey it signs in alone: what the device asks for, a finger or a PIN, is the other factor."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self, name="Name", passwordless="Passkey: signs in without the password")
        self.fields["name"].max_length = 60
        self.fields["name"].widget.attrs |= {"maxlength": "60", "autocomplete": "off"}
        self.fields["passwordless"].initial = True
        self.fields["passwordless"].help_text = "Take it off for a key that has no room for passkeys."


class SignInWithKey(_Careful, LoginWebAuthnForm):
    """A passkey in place of password and second factor: it must have made sure of the person, not only of a touch."""

    def _judge(self, answer: Any, judge: Callable[[], Any]) -> Any:
        if not parse_authentication_response(answer).response.authenticator_data.is_user_verified():
            raise get_factor_adapter().validation_error("incorrect_code")
        return super()._judge(answer, judge)


class AuthenticateKey(_Careful, AuthenticateWebAuthnForm):
    """A key as the second step of signing in."""


class ReauthenticateKey(_Careful, ReauthenticateWebAuthnForm):
    """A key before something grave."""
