"""Requests of people who are signed in, and answers to those who are not."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from accounts import preserved_forms
from accounts.clerk.authentication import NO_TOKEN, SignedOut
from accounts.models import User


class AuthenticatedRequest(HttpRequest):
    """A request that a view takes only from somebody who is signed in."""

    user: User
    htmx: HtmxDetails


def sign_in_response(request: HttpRequest) -> HttpResponse:
    """Return the way to the sign-in page, from where the person comes back to the page that was wanted.

    A fragment takes the whole page there, back to the page it is on. A posted form is kept as a draft if its person is
    known; if htmx posted it, the page is told to post it by itself, since an answer to htmx cannot keep it.
    """
    htmx = getattr(request, "htmx", None)
    if request.method == "POST":
        if htmx:
            return json_unauthenticated(request)
        return preserved_forms.preserve(request) or _to_sign_in(request.get_full_path())
    if htmx:
        return HttpResponseClientRedirect(_sign_in_url(htmx.current_url_abs_path or "/"))
    return _to_sign_in(request.get_full_path())


def is_internal_url(request: HttpRequest, target: str) -> bool:
    """Return whether `target` is the address of a page of this site, to which somebody can be sent.

    Part of a path is none: where that leads depends on the page on which it stands.
    """
    is_whole = target.startswith(("/", "http://", "https://"))
    return is_whole and url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())


def json_error(status: int, code: str, message: str, **facts: Any) -> JsonResponse:
    """Return an error of the JSON API: a code for programs, a sentence for people, and further facts if there are any."""
    return JsonResponse({"error": {"code": code, "message": message, **facts}}, status=status)


def json_unauthenticated(request: HttpRequest) -> JsonResponse:
    """Return 401 with the reason why the token was not accepted, or that there was none."""
    state: Any = getattr(request, "clerk", None)
    # A good token of somebody who is banned or deleted, or of a session that is over, is refused as well.
    code = str(state.reason) if isinstance(state, SignedOut) else "session_ended"
    message = "Send a session token of Clerk's." if code == NO_TOKEN else "Get a new session token, or sign in again."
    response = json_error(401, code, message)
    response["WWW-Authenticate"] = 'Bearer realm="buildappswith"'
    return response


def _to_sign_in(target: str) -> HttpResponse:
    return HttpResponseRedirect(_sign_in_url(target))


def _sign_in_url(target: str) -> str:
    return f"{reverse('accounts:sign_in')}?{urlencode({'next': target})}"
