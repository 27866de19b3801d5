# SPDX-License-Identifier: Apache-2.0
"""Single sign-on for people: to the provider and back, joining an identity to an account, signing out.

Who somebody is says issuer and subject, never an e-mail address: an account that is here already is joined by its
owner alone, signed in. allauth keeps states, identities and pending registrations (`SocialAdapter`).
"""

from __future__ import annotations

import secrets
import time
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account.internal.flows.login import record_authentication
from allauth.core.exceptions import ReauthenticationRequired
from allauth.socialaccount import signals
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.helpers import complete_social_login
from allauth.socialaccount.internal import flows, statekit
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers.oauth2.utils import generate_code_challenge
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.conf import settings as django_settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import get_script_prefix, reverse

from packhouse.catalogue.models import User
from packhouse.config import Settings
from packhouse.domain import single_sign_on as rules
from packhouse.domain.addresses import own_origin
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import flags, journal, people
from packhouse.services import single_sign_on as service
from packhouse.services.resources import now
from packhouse.web import errors, openid
from packhouse.web.account import person_of
from packhouse.web.proofs import proved_lately
from packhouse.web.routing import View

JOINING = "packhouse_sso_join"
"""Session entry: when somebody asked that the next way to the provider joins its identity to their account."""
_JOINING_SECONDS = 600
_CONFIRM = "confirm"


def _ours() -> Settings:
    ours: Settings = django_settings.PACKHOUSE
    return ours


def _enabled() -> Settings:
    ours = _ours()
    if not ours.has_single_sign_on:
        message = "This server has no single sign-on; sign in with your password."
        raise refuse(Kind.MISSING, "sso-off", message)
    return ours


class Provider(OpenIDConnectProvider):
    """What allauth is told of an identity: no more is kept than it needs."""

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """What is kept beside the identity, for people to recognize it by, and the groups that mean something here."""
        claims, ours = data["id_token"], _ours()
        kept = {name: str(claims[name])[:200] for name in ("preferred_username", "email") if name in claims}
        known = service.groups_that_count(service.rules_of(ours))
        return kept | {"groups": sorted(rules.groups_of(claims, ours.oidc_groups_claim) & known)}


class SocialAdapter(DefaultSocialAccountAdapter):
    """One provider, that of the settings; nothing of it is in the database."""

    def list_apps(self, request: Any, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """The client of the settings, without its secret, which allauth has no need of."""
        ours = _ours()
        if not ours.has_single_sign_on:
            return []
        return [
            SocialApp(
                provider="openid_connect",
                provider_id=ours.oidc_issuer,
                name=ours.oidc_name,
                client_id=ours.oidc_client_id,
            )
        ]

    def get_provider(self, request: Any, provider: Any, client_id: Any = None) -> Provider:
        """The provider, whatever identity asks: those of issuers of before are shown under its name."""
        apps = self.list_apps(request)
        return Provider(request, app=apps[0] if apps else SocialApp(provider="openid_connect", name="single sign-on"))

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Ask the groups, keep no tokens."""
        sociallogin.token = None
        groups = frozenset(sociallogin.account.extra_data.get("groups", ()))
        mapped = service.rules_of(_ours())
        if not mapped.admits(groups):
            message = f"Your groups at {_ours().oidc_name} don't let you in here; ask the administrator of this server."
            raise refuse(Kind.FORBIDDEN, "sso-group", message)
        if sociallogin.is_existing and sociallogin.state.get("process") == "login":
            service.apply_groups(sociallogin.user, groups, mapped, clock=now)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Whether a first sign-in makes an account; otherwise the refusal says what to do."""
        flags.demand_off(flags.NO_NEW_USERS)
        flags.demand_off(flags.READ_ONLY)
        if _ours().oidc_accounts == "made":
            return True
        message = (
            f"No account here is joined to your identity at {_ours().oidc_name}; sign in otherwise and join it on the"
            " page of your account, or ask the administrator for an account."
        )
        raise refuse(Kind.FORBIDDEN, "sso-not-joined", message)

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Never: people choose the user name that they keep."""
        return False

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> Any:
        """Make the account, its identity and their journal entries in one transaction."""
        user, data = sociallogin.user, form.cleaned_data
        user.username, user.email = data["username"], data["email"]
        user.set_unusable_password()
        with journal.write():
            people.check_username(user.username)
            user.save()
            people.record_creation(journal.Actor(user.pk, user.username, "web"), user, now)
            sociallogin.save(request)
            service.note_joined(user, sociallogin.account, clock=now)
        _apply(user, sociallogin.account)
        return user

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        """After an identity was joined."""
        return reverse("socialaccount_connections")


def _apply(user: User, account: SocialAccount) -> None:
    service.apply_groups(user, frozenset(account.extra_data.get("groups", ())), service.rules_of(_ours()), clock=now)


@receiver(signals.social_account_added)
def joined(request: HttpRequest, sociallogin: Any, **kwargs: Any) -> None:
    """An identity was joined to an account that was there."""
    service.note_joined(sociallogin.user, sociallogin.account, clock=now)
    _apply(sociallogin.user, sociallogin.account)


@receiver(signals.social_account_removed)
def parted(request: HttpRequest, socialaccount: Any, **kwargs: Any) -> None:
    """An identity signs nobody in any more."""
    service.note_parted(socialaccount.user, socialaccount, clock=now)


# -- to the provider and back


def _told(view: View) -> View:
    """Tell what went wrong on a page with a way on."""

    @wraps(view)
    def telling(request: HttpRequest) -> HttpResponseBase:
        try:
            return view(request)
        except PackhouseError as error:
            if not error.code.startswith("sso-") or error.code == "sso-off":
                raise
            context = {"sentence": error.message, "signed_in": request.user.is_authenticated}
            status = errors.STATUS[error.kind]
            return TemplateResponse(request, "account/sso_failed.html", context, status=status)

    return telling


@_told
def start(request: HttpRequest) -> HttpResponse:
    """`/account/sso/`: off to the provider, with a state, a nonce and a PKCE challenge of this browser."""
    ours = _enabled()
    process = _process_of(request)
    provider = openid.discover(ours)
    proof = generate_code_challenge()
    nonce = secrets.token_urlsafe(24)
    state = statekit.stash_state(
        request,
        provider_id=ours.oidc_issuer or "",
        state={
            "process": process,
            "next": _next_of(request),
            "nonce": nonce,
            "pkce_code_verifier": proof.pop("code_verifier"),
            "at": now().timestamp(),
        },
    )
    asked = {
        "response_type": "code",
        "client_id": ours.oidc_client_id,
        "redirect_uri": _redirect_uri(request),
        "scope": ours.oidc_scopes,
        "state": state,
        "nonce": nonce,
        **proof,
    }
    if process != "login":
        asked["prompt"] = "login"
    mark = "&" if "?" in provider.authorization else "?"
    return HttpResponseRedirect(f"{provider.authorization}{mark}{urlencode(asked)}")


def _process_of(request: HttpRequest) -> str:
    """What this way is for; joining was asked for by a form of ours just before."""
    if not request.user.is_authenticated:
        return "login"
    if request.GET.get("confirm"):
        return _CONFIRM
    return "connect" if time.time() - request.session.pop(JOINING, 0) < _JOINING_SECONDS else "login"


def _next_of(request: HttpRequest) -> str | None:
    from allauth.account.utils import get_next_redirect_url

    wanted: str | None = get_next_redirect_url(request)
    return wanted


def _redirect_uri(request: HttpRequest) -> str:
    path = reverse("sso-callback").removeprefix(get_script_prefix()).lstrip("/")
    return f"{own_origin(_ours(), request.META.get('HTTP_HOST', ''))}/{path}"


@_told
def callback(request: HttpRequest) -> HttpResponseBase:
    """`/account/sso/callback/`: back from the provider. Whatever does not fit ends in one sentence."""
    ours = _enabled()
    state = statekit.unstash_state(
        request, provider_id=ours.oidc_issuer or "", state_id=request.GET.get("state", "")[:200]
    )
    if state is None:
        message = "This sign-in was begun in another browser, too long ago, or is done already; begin it again."
        raise refuse(Kind.INVALID, "sso-state", message)
    provider = openid.discover(ours)
    _demand_issuer(ours, provider, request)
    if "error" in request.GET:
        raise _declined(ours, request.GET["error"])
    code = request.GET.get("code", "")
    if not code or len(code) > 4096:
        raise openid.refused(ours, "there is no code in it")
    tokens = openid.exchange(ours, provider, code, state["pkce_code_verifier"], _redirect_uri(request))
    claims = _tidy(openid.claims_of(ours, provider, tokens, state["nonce"]))
    if state["process"] == _CONFIRM:
        return _confirmed(request, ours, claims, state)
    login = (
        get_adapter(request)
        .get_provider(request, ours.oidc_issuer)
        .sociallogin_from_response(request, {"id_token": claims})
    )
    login.state = {name: state[name] for name in ("process", "next") if state.get(name)}
    answer: HttpResponseBase = complete_social_login(request, login)
    return answer


def _demand_issuer(ours: Settings, provider: rules.Provider, request: HttpRequest) -> None:
    """Refuse an answer of another issuer (RFC 9207: the mix-up of two providers)."""
    said = request.GET.get("iss")
    if said is None and not provider.says_iss:
        return
    if said != ours.oidc_issuer:
        raise openid.refused(ours, "it comes from another issuer")


def _declined(ours: Settings, error: str) -> PackhouseError:
    if error == "access_denied":
        message = f"You did not sign in at {ours.oidc_name}; try again, or sign in otherwise."
        return refuse(Kind.FORBIDDEN, "sso-declined", message)
    return openid.refused(ours, f"it says {error[:60]!r}")


def _tidy(claims: dict[str, Any]) -> dict[str, Any]:
    """The claims as far as we understand them: an address in ASCII, and vouched for or not."""
    email = claims.pop("email", None)
    if isinstance(email, str) and email.isascii() and len(email) <= 254:
        claims["email"] = email.strip().lower()
    claims["email_verified"] = rules.is_verified(claims)
    claims["preferred_username"] = rules.suggested_name(claims)
    return claims


def _confirmed(request: HttpRequest, ours: Settings, claims: dict[str, Any], state: dict[str, Any]) -> HttpResponse:
    """The person showed once more who they are, before something that matters."""
    known = SocialAccount.objects.filter(provider=ours.oidc_issuer, uid=claims["sub"]).first()
    if known is None or known.user_id != request.user.pk:
        raise openid.refused(ours, "it is somebody else's identity than yours")
    signed_in = claims.get("auth_time", state["at"])
    if not isinstance(signed_in, int | float) or signed_in < state["at"] - openid.LEEWAY:
        raise openid.refused(ours, "it did not ask you again who you are")
    record_authentication(
        request, request.user, method="socialaccount", reauthenticated=True, provider=known.provider, uid=known.uid
    )
    return HttpResponseRedirect(state.get("next") or reverse("manage-account"))


# -- one's identities


@proved_lately
def identities(request: HttpRequest) -> HttpResponse:
    """`/manage/account/sso/`: the identities that sign this account in; joining one, parting from one."""
    ours, user = _enabled(), person_of(request)
    if request.method == "POST" and request.POST.get("action") == "join":
        request.session[JOINING] = time.time()
        return TemplateResponse(request, "manage/sso_join.html", {"name": ours.oidc_name})
    if request.method == "POST":
        _part(request, user)
        return redirect("socialaccount_connections")
    context = {
        "name": ours.oidc_name,
        "identities": service.identities_of(user),
        "issuer": ours.oidc_issuer,
        "may_part": ours.sso_only != "on",
    }
    return TemplateResponse(request, "manage/sso.html", context)


def _part(request: HttpRequest, user: User) -> None:
    chosen = request.POST.get("identity", "")
    number = int(chosen) if chosen.isdecimal() and len(chosen) < 19 else 0
    account = SocialAccount.objects.filter(user=user, pk=number).first()
    if account is None:
        messages.error(request, "You have no such identity; see the list.")
        return
    if _ours().sso_only == "on":
        messages.error(request, "This server takes nothing but single sign-on, so the identity stays.")
        return
    try:
        flows.connect.validate_disconnect(request, account)
        flows.connect.disconnect(request, account)
    except ReauthenticationRequired:
        raise
    except ValidationError:
        messages.error(request, "Without it you could not sign in any more; set a password first.")


@_told
def signed_out(request: HttpRequest) -> HttpResponse:
    """`/account/sso/out/`: signed out here; a POST leads on to sign out at the provider, where it can."""
    ours = _enabled()
    if request.method != "POST":
        return TemplateResponse(request, "account/sso_out.html", {"name": ours.oidc_name, "address": None})
    provider = openid.discover(ours)
    if not provider.end_session:
        raise openid.unusable(ours, "it says no address at which people sign out; sign out on its own page")
    told = {"client_id": ours.oidc_client_id, "post_logout_redirect_uri": own_origin(ours) + "/"}
    mark = "&" if "?" in provider.end_session else "?"
    address = f"{provider.end_session}{mark}{urlencode(told)}"
    return TemplateResponse(request, "account/sso_out.html", {"name": ours.oidc_name, "address": address})


def without_passwords(view: View) -> View:
    """A page about passwords, which a server with nothing but single sign-on does not have."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if _ours().sso_only == "on":
            raise passwords_off()
        return view(request, *args, **kwargs)

    return guarded


def passwords_off() -> PackhouseError:
    """The refusal of everything but single sign-on."""
    message = f"Passwords are switched off on this server; sign in by {_ours().oidc_name}."
    return refuse(Kind.FORBIDDEN, "passwords-off", message)
