"""Signing in, up and out. The forms are Clerk's own components; without Clerk's script they cannot be shown."""

from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_http_methods, require_safe

from accounts import csp
from accounts.clerk import cookies, instance
from accounts.http import is_internal_url
from accounts.sessions import services as sessions

_CHANGING = _("Sign in to change this profile.")
#: What somebody was about to do on the page that was wanted, by its name. Nobody is named: any link can lead here.
_PURPOSES = {
    "profiles:contact": _("Sign in or join to write to this builder: the answer then reaches you."),
    "profiles:welcome": _("Sign in or join to make your profile."),
    "profiles:section_update": _CHANGING,
    "profiles:portrait": _CHANGING,
    "profiles:project_new": _CHANGING,
    "profiles:project_update": _CHANGING,
    "profiles:project_delete": _CHANGING,
    "accounts:account": _("Sign in or join to see your account."),
    "accounts:data_export": _("Sign in to download the copy of your data."),
}
_OTHER_PURPOSE = _("Sign in or join, and you go on to the page you asked for.")


@never_cache
@require_safe
@csp_override(csp.WIDGETS)
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show Clerk's sign-in form; who is signed in already moves on."""
    return _widget_page(request, "accounts/sign_in.html", reverse("accounts:account"))


@never_cache
@require_safe
@csp_override(csp.WIDGETS)
def sign_up(request: HttpRequest) -> HttpResponse:
    """Show Clerk's sign-up form, which leads to the first questions; who is signed in already moves on."""
    return _widget_page(request, "accounts/sign_up.html", reverse("profiles:welcome"))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ask whether to sign out; on POST end the session here at once, and at Clerk."""
    if request.method != "POST":
        return render(request, "accounts/sign_out.html")
    sessions.sign_out(request)
    response = redirect("profiles:home")
    _forget_token(response)
    return response


def _widget_page(request: HttpRequest, template: str, otherwise: str) -> HttpResponse:
    wanted = _wanted(request)
    if request.user.is_authenticated:
        return redirect(wanted or otherwise)
    # Each form links to the other, which leads to the same page, if one was wanted.
    onward = f"?{urlencode({'next': wanted})}" if wanted else ""
    facts = {"target": wanted or otherwise, "onward": onward, "purpose": _purpose(wanted)}
    return render(request, template, facts)


def _wanted(request: HttpRequest) -> str:
    """Return the page that was wanted, if it is one of our own, else ""."""
    target = request.GET.get("next", "")
    return target if is_internal_url(request, target) and not target.startswith(reverse("accounts:sign_in")) else ""


def _purpose(wanted: str) -> str | Promise:
    """Return a sentence about what leads to the sign-in page, "" if it was opened for itself."""
    try:
        page = resolve(urlsplit(wanted).path).view_name if wanted else ""
    except Resolver404:
        page = ""
    return _PURPOSES.get(page, _OTHER_PURPOSE) if wanted else ""


def _forget_token(response: HttpResponse) -> None:
    configured = instance.current()
    suffixes = ("", f"_{configured.cookie_suffix}") if configured else ("",)
    for suffix in suffixes:
        response.delete_cookie(f"{cookies.SESSION}{suffix}", samesite="Lax")
