# SPDX-License-Identifier: Apache-2.0
"""What django-allauth asks us: who may register, what names and mails look like, how sign-ins are counted."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from smtplib import SMTPException
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.stagekit import clear_login
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.forms import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix, reverse
from django.utils import timezone

from packhouse.catalogue.activity.sessions import STARTED, SessionStore
from packhouse.catalogue.models import User
from packhouse.config import Settings
from packhouse.domain.addresses import own_origin
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import flags, inviting, journal, people, registering
from packhouse.services.access import account_ended
from packhouse.services.resources import now
from packhouse.services.second_factors import is_wanting
from packhouse.services.single_sign_on import identities_of
from packhouse.site import account_facts
from packhouse.site.attempts import Attempt, known_device, mark_device
from packhouse.site.passwords import too_long
from packhouse.web.claim import CLAIM
from packhouse.web.emergency import EMERGENCY
from packhouse.web.invited import INVITATION, invitation_of
from packhouse.web.single_sign_on import passwords_off

_log = structlog.stdlib.get_logger(__name__)


def _ours() -> Settings:
    return settings.PACKHOUSE


def origin(request: HttpRequest | None) -> str:
    """The origin for links in mails."""
    return own_origin(_ours(), request.META.get("HTTP_HOST", "") if request else "")


def _link(request: HttpRequest | None, name: str, *args: str) -> str:
    """A link for a mail. `base_url` brings its own path; a prefix that a proxy added to this request is not ours."""
    path = reverse(name, args=args)
    return origin(request) + "/" + path.removeprefix(get_script_prefix()).lstrip("/")


class Backend(AuthenticationBackend):
    """Finds people by user name or, where there is an `@`, by e-mail address; one hash is made in every case."""

    def _authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        password = credentials["password"]
        if too_long(password):
            return None
        login = credentials.get("email") or credentials.get("username") or ""
        if "@" in login:
            return self._authenticate_by_email(login, password)
        return self._check_password(User.objects.filter(username_key=login.lower()).first(), password)

    def get_user(self, user_id: Any) -> Any:
        """Who a session is of; nobody once a guest's time is over."""
        user = super().get_user(user_id)
        return None if user is None or user.has_ended(now()) else user

    def _mitigate_timing_attack(self, password: str) -> None:
        super()._mitigate_timing_attack(password[:1024])


class Adapter(DefaultAccountAdapter):
    """The account adapter."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": "The user name and password do not belong together.",
        "email_password_mismatch": "The user name and password do not belong together.",
        "incorrect_password": "This is not the password of your account.",
        "enter_current_password": "This is not the password of your account.",
        "too_many_login_attempts": "Too many failed attempts. Wait a minute, then try again, or reset your password.",
    }

    # -- registering

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whether this browser may register now."""
        stopped = flags.is_on(flags.NO_NEW_USERS) or flags.is_on(flags.READ_ONLY)
        if _ours().sso_only == "on" or (stopped and not _holds_claim(request)):
            return False
        mode = registering.in_force(_ours()).mode
        return mode == "open" or _holds_claim(request) or invitation_of(request) is not None

    def demand_registrable(self, email: str) -> None:
        """Raise ValidationError for an address that may not register in this browser: its domain, or not the invited.

        `is_open_for_signup` was asked before.
        """
        request = context.request
        invitation = invitation_of(request)
        if invitation is not None and invitation.email not in {"", email.lower()}:
            message = "This invitation is for another e-mail address; register with the one it was sent to."
            raise ValidationError(message, code="email-not-invited")
        registration = registering.in_force(_ours())
        if invitation is None and not _holds_claim(request) and not registration.admits(email):
            domains = ", ".join(registration.domains)
            message = (
                f"Without an invitation, only addresses at {domains} register here; use one, or ask to be invited."
            )
            raise ValidationError(message, code="email-domain")

    def _demand_still_open(self, request: HttpRequest, email: str) -> None:
        """Ask again in the transaction that makes the account: somebody may have closed the door meanwhile."""
        try:
            self.demand_registrable(email)
        except ValidationError as error:
            raise refuse(Kind.FORBIDDEN, "registration-closed", str(error.message)) from error
        if not self.is_open_for_signup(request):
            message = "Registration was closed on this server a moment ago; ask an administrator for an invitation."
            raise refuse(Kind.FORBIDDEN, "registration-closed", message)

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """Refuse names that break the grammar, are reserved or taken."""
        try:
            people.check_username(username)
        except PackhouseError as error:
            raise ValidationError(error.message, code=error.code) from error
        return username

    def clean_email(self, email: str) -> str:
        """Refuse what would make two spellings of one address."""
        if not email.isascii():
            message = "E-mail addresses are written in ASCII here; write an international domain in its xn-- form."
            raise ValidationError(message, code="email-invalid")
        return email

    def clean_password(self, password: str, user: Any = None) -> str:
        """Refuse weak passwords."""
        validate_password(password, user)
        return password

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> Any:
        """Make the account and its journal entry in one transaction; the hash is made before it."""
        data = form.cleaned_data
        user.username, user.email = data["username"], data["email"]
        user.set_password(data["password1"])
        invitation = invitation_of(request)
        with journal.write():
            held = None if invitation is None else inviting.hold(invitation.digest, now())
            people.check_username(user.username)
            user.save()
            people.record_creation(journal.Actor(user.pk, user.username, "web"), user, now)
            self._demand_still_open(request, user.email)  # the counter is ours: who closed the door has committed
            if held is not None:
                inviting.use(held, user, clock=now)
        request.session.pop(INVITATION, None)
        return user

    # -- signing in

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt; refuse when there were far too many."""
        if _ours().sso_only == "on":
            raise passwords_off()
        self._attempt = Attempt(request, _login_of(credentials), self.get_client_ip(request))
        if not self._attempt.admitted():
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """After some failures say so, so that people stop guessing."""
        if self._attempt.suspicious:
            raise self.validation_error("too_many_login_attempts")

    def _rollback_login_failed_rl_usage(self) -> None:
        self._attempt.succeeded()

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        for user in User.objects.filter(emailaddress__email=_login_of(credentials)):
            for login in (user.username, user.email):
                Attempt(request, login, self.get_client_ip(request)).forget()

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address the boundary middleware settled on."""
        return str(request.META.get("REMOTE_ADDR") or "0.0.0.0")  # noqa: S104 - stands for "unknown"

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse | None:
        """Turn guests away whose time is over, however they prove who they are."""
        if user.has_ended(now()):
            clear_login(request)
            raise account_ended(user.username, user.guest_until)
        if _ours().sso_only == "on" and not {"sociallogin", EMERGENCY} & set(kwargs.get("signal_kwargs") or ()):
            clear_login(request)
            raise passwords_off()
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return response

    def login(self, request: HttpRequest, user: Any) -> None:
        """Start a session under a new key, with where and when it began; tell the owner where the browser is new."""
        first = user.last_login is None
        super().login(request, user)
        if not first and not any(known_device(request, name.lower()) for name in (user.username, user.email)):
            self.send_notification_mail("packhouse/email/new_sign_in", user)
        SessionStore.clear_expired()
        request.session[STARTED] = {
            "address": self.get_client_ip(request)[:64],
            "agent": self.get_http_user_agent(request)[:200],
            "at": timezone.now().isoformat(),
            "first": first,
        }

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse:
        """Remember the browser."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        mark_device(response, [user.username, user.email])
        return response

    # -- mail

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send one plain-text mail whose links are built from our own address."""
        site = origin(self.request)
        links = {"signup_url": "account_signup", "password_reset_url": "account_reset_password"}
        links["projects_url"] = "manage-projects"
        own = {key: _link(self.request, name) for key, name in links.items() if key in context and "key" not in context}
        place = SimpleNamespace(name="Packhouse", domain=urlsplit(site).netloc, url=site)
        mail = self.render_mail(template_prefix, email, {"email": email, **context, **own, "current_site": place})
        try:
            mail.send()
        except (OSError, SMTPException) as error:
            _log.error("mail not sent", reason=f"{type(error).__name__}: {error}", subject=mail.subject)
            raise refuse(Kind.UNAVAILABLE, "mail-failed", _MAIL_FAILED) from error

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Send a notice about something that is done; where mail fails, it is done all the same (logged)."""
        with suppress(PackhouseError):
            super().send_notification_mail(*args, **kwargs)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """The link of a reset mail."""
        uid, _, secret = key.partition("-")
        return _link(self.request, "account_reset_password_from_key", uid, secret)

    # -- where to go

    def get_logout_redirect_url(self, request: HttpRequest) -> str:
        """After signing out: the provider of single sign-on may know the browser still."""
        return reverse("sso-out") if _ours().has_single_sign_on else str(super().get_logout_redirect_url(request))

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """After a change of the password."""
        return reverse("manage-account")

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """After signing in on the way to nowhere else: who has to set up a second factor is led there."""
        if isinstance(request.user, User) and is_wanting(request.user):
            return reverse("mfa_index")
        return str(super().get_login_redirect_url(request))

    get_signup_redirect_url = get_login_redirect_url

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        """After a code was right."""
        signed_in = self.request is not None and self.request.user.is_authenticated
        return reverse("manage-account" if signed_in else "account_login")

    def is_ajax(self, request: HttpRequest) -> bool:
        """Never: the pages are pages. Only what a passkey is asked is fetched by a script."""
        here = request.resolver_match
        wanted = request.headers.get("Accept") == "application/json"
        return wanted and here is not None and here.url_name == "mfa_login_webauthn"

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """How somebody shows once more who they are; by the provider where there is nothing else."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if methods or not user.is_authenticated or not (_ours().has_single_sign_on and identities_of(user)):
            return methods
        return [{"id": "sso", "description": _ours().oidc_name, "url": reverse("account_reauthenticate")}]

    def get_login_stages(self) -> list[str]:
        """The steps of signing in; whether to trust the browser is asked with the second factor, not after it."""
        return [stage for stage in super().get_login_stages() if not stage.endswith(".TrustStage")]

    def is_safe_url(self, url: str) -> bool:
        """Whether `next` stays here: a path of ours, nothing with a host, a backslash or a control character."""
        return is_local_path(url)


_MAIL_FAILED = "The mail could not be sent; nothing is lost, try again later or tell the administrator of this server."


def is_local_path(url: str | None) -> bool:
    """Whether a redirect target is a plain absolute path."""
    if not url or not url.startswith("/") or url.startswith("//") or "\\" in url or not url.isprintable():
        return False
    parts = urlsplit(url)
    return not parts.scheme and not parts.netloc


def _login_of(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email") or credentials.get("username") or "")


def _holds_claim(request: HttpRequest) -> bool:
    return people.claim_is_open(str(request.session.get(CLAIM, "")))


class SecondFactorAdapter(DefaultMFAAdapter):
    """Keeps the secrets of second factors encrypted with a key that is not in the database."""

    def encrypt(self, text: str) -> str:
        """Encrypt what goes into the database."""
        return _fernet().encrypt(text.encode()).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """The reverse; raises InvalidToken when the signing key is another one."""
        return _fernet().decrypt(encrypted_text.encode()).decode()

    def generate_authenticator_name(self, user: Any, type: Any) -> str:  # noqa: A002 - allauth's name
        """The name a new key is offered: the next number."""
        return f"Key {Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Passkeys are bound to the host people know this server by."""
        host = urlsplit(origin(context.request)).hostname or "localhost"
        return {"id": host, "name": "Packhouse"}


def _fernet() -> Fernet:
    key = hashlib.sha256(b"packhouse second factor " + str(settings.SECRET_KEY).encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


__all__ = ["Adapter", "Backend", "SecondFactorAdapter", "account_facts", "is_local_path"]
