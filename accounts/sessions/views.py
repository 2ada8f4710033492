"""Views for sign-in, sign-up and sign-out. The forms are Clerk components and need Clerk's script."""

from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import Resolver404, ResolverMatch, resolve, reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_http_methods, require_safe

from accounts.clerk import cookies, instance
from accounts.extensions import extensions
from accounts.legal import sign_up as agreements
from accounts.security import csp
from accounts.sessions import preserved_forms
from accounts.sessions import services as sessions
from core.redirects import is_internal_url

#: Reasons to sign in, by URL name of the requested page. Reasons contain no values from the URL, because anyone can
#: craft a link to the sign-in page. The heading may contain the name of a public page.
_PURPOSES = {
    "accounts:account": _("Sign in or sign up to view your account."),
    "accounts:security": _("Sign in to change your account details."),
    "accounts:data_export": _("Sign in to download your data."),
}
#: Shown if the page will restore a preserved form after sign-in.
_TEXT_SAVED = _("You were signed out. Your text is saved. Sign in to continue.")
_DEFAULT_PURPOSE = _("Sign in or sign up to continue.")


@never_cache
@require_safe
@csp_override(csp.WIDGETS)
def sign_in(request: HttpRequest) -> HttpResponse:
    return _widget_page(request, "accounts/sign_in.html", reverse("accounts:account"))


@never_cache
@require_safe
@csp_override(csp.WIDGETS)
def sign_up(request: HttpRequest) -> HttpResponse:
    """Show the sign-up form. If legal texts are published, new users return to the URL that records their agreement."""
    versions = agreements.versions_to_agree_to()
    complete = reverse("accounts:sign_up_complete") if versions else ""
    response = _widget_page(request, "accounts/sign_up.html", reverse(extensions.welcome), complete=complete)
    if versions and response.status_code == HTTPStatus.OK:
        agreements.remember(request, response, versions)
    return response


@never_cache
@require_safe
def sign_up_complete(request: HttpRequest) -> HttpResponse:
    """Record the new user's agreement to the legal texts, and redirect to the requested page."""
    response = redirect(_requested_page(request) or reverse(extensions.welcome))
    agreements.record(request, response)
    return response


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ask for confirmation. On POST, end the session here and in Clerk."""
    if request.method != "POST":
        return render(request, "accounts/sign_out.html")
    sessions.sign_out(request)
    response = redirect(extensions.home)
    _delete_token_cookies(response)
    return response


def _widget_page(request: HttpRequest, template: str, default: str, *, complete: str = "") -> HttpResponse:
    """Render a page with Clerk's form.

    Args:
        default: the page after signing in if no page was requested.
        complete: a URL on this site to visit first, which redirects to the requested page. Optional.
    """
    requested = _requested_page(request)
    if request.user.is_authenticated:
        return redirect(requested or default)
    # The two forms link to each other and preserve the requested page.
    onward = f"?{urlencode({'next': requested})}" if requested else ""
    page = _page(requested)
    heading = extensions.sign_in_heading(page) if page else ""
    purpose = _purpose(requested, page)
    context = {"onward": onward, "purpose": purpose, "heading": heading, "is_agreement": bool(complete)}
    context["target"] = f"{complete}{onward}" if complete else requested or default
    return render(request, template, context)


def _requested_page(request: HttpRequest) -> str:
    """Return the requested page, or "" if it is missing or not on this site."""
    target = request.GET.get("next", "")
    return target if is_internal_url(request, target) and not target.startswith(reverse("accounts:sign_in")) else ""


def _page(requested: str) -> ResolverMatch | None:
    """Return the view of the requested page, or None if the sign-in page was opened directly."""
    try:
        return resolve(unquote(urlsplit(requested).path)) if requested else None
    except Resolver404:
        return None


def _purpose(requested: str, page: ResolverMatch | None) -> str | Promise:
    """Return the reason to sign in, or "" if the sign-in page was opened directly."""
    if not requested:
        return ""
    if preserved_forms.PARAMETER in QueryDict(urlsplit(requested).query):
        return _TEXT_SAVED
    purposes = _PURPOSES | extensions.sign_in_reasons
    return purposes.get(page.view_name if page else "", _DEFAULT_PURPOSE)


def _delete_token_cookies(response: HttpResponse) -> None:
    configured = instance.current()
    suffixes = ("", f"_{configured.cookie_suffix}") if configured else ("",)
    for suffix in suffixes:
        response.delete_cookie(f"{cookies.SESSION}{suffix}", samesite="Lax")
