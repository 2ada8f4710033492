"""Request types, and responses for anonymous users."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from accounts.clerk.authentication import NO_TOKEN, SignedOut, State
from accounts.models import User
from accounts.sessions import preserved_forms


class SiteRequest(HttpRequest):
    """A request with the attributes set by the middleware."""

    user: User | AnonymousUser
    clerk: State
    #: Whether the user was signed in but their token cannot currently be renewed.
    clerk_outage: bool
    impersonator: str | None
    htmx: HtmxDetails
    #: Read by Django's CSRF middleware.
    _dont_enforce_csrf_checks: bool


class AuthenticatedRequest(SiteRequest):
    """A request to a view that requires sign-in."""

    user: User


def sign_in_response(request: HttpRequest) -> HttpResponse:
    """Return a redirect to the sign-in page, which sends the visitor back after sign-in.

    For an htmx GET, the whole page is redirected, and the visitor returns to that page. A posted form is preserved if
    an expired token identifies its user. An htmx POST gets 401, and the page then submits the form without htmx,
    because a response to htmx cannot redirect to the preserved form.
    """
    htmx = getattr(request, "htmx", None)
    if request.method == "POST":
        if htmx:
            return json_unauthenticated(request)
        return preserved_forms.preserve(request) or _sign_in_redirect(request.get_full_path())
    if htmx:
        return HttpResponseClientRedirect(_sign_in_url(htmx.current_url_abs_path or "/"))
    return _sign_in_redirect(request.get_full_path())


def json_error(status: int, code: str, message: str, **details: Any) -> JsonResponse:
    """Return a JSON API error with a machine-readable code, a human-readable message and optional details."""
    return JsonResponse({"error": {"code": code, "message": message, **details}}, status=status)


def json_unauthenticated(request: HttpRequest) -> JsonResponse:
    """Return 401 with the reason why the session token is missing or was rejected."""
    state: State | None = getattr(request, "clerk", None)
    # A valid token is also rejected if its user is banned or deleted, or its session has ended.
    code = str(state.reason) if isinstance(state, SignedOut) else "session_ended"
    message = "Send a Clerk session token." if code == NO_TOKEN else "Get a new session token, or sign in again."
    response = json_error(401, code, message)
    response["WWW-Authenticate"] = 'Bearer realm="buildappswith"'
    return response


def _sign_in_redirect(target: str) -> HttpResponse:
    return HttpResponseRedirect(_sign_in_url(target))


def _sign_in_url(target: str) -> str:
    return f"{reverse('accounts:sign_in')}?{urlencode({'next': target})}"
