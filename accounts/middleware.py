"""Set `request.user` from Clerk's session token, and refresh expired tokens with a handshake."""

import logging
from functools import cache, partial
from typing import cast

from django.contrib.auth import get_user
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.functional import SimpleLazyObject
from structlog.contextvars import bind_contextvars

from accounts import flags
from accounts.clerk import authentication, handshake, instance, outage
from accounts.clerk.authentication import HandshakeReason, NeedsHandshake, SignedIn, SignedOut, State
from accounts.clerk.cookies import ClerkCookies
from accounts.clerk.instance import Instance
from accounts.clerk.tokens import Reason
from accounts.http import SiteRequest, json_unauthenticated
from accounts.models import User
from accounts.security import csp
from accounts.sessions import profile_visits, recent_operators
from accounts.sessions import services as sessions

log = logging.getLogger(__name__)

#: Paths that never need a user.
ANONYMOUS_PREFIXES = ("/api/webhooks/", "/static/", "/media/")
#: If the page fetches a token that also names no site, an error is shown for this long.
REFRESH_S = 10
#: API clients are never redirected. They get 401 and must fetch a new token.
API_PREFIX = "/api/"


class ClerkAuthenticationMiddleware(AuthenticationMiddleware):
    """Set `request.clerk` to the session token's state, and `request.user` to the lazily loaded user.

    Page loads with an expired token are first redirected to Clerk and back to get a new token.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(ANONYMOUS_PREFIXES):
            return self._respond(request, SignedOut(authentication.NO_TOKEN))
        configured = instance.current()
        if configured is None:
            return self._respond_as(request, SignedOut(authentication.NO_TOKEN))
        found = ClerkCookies(request.META.get("HTTP_COOKIE", ""), configured)
        token = handshake.returned_token(request, found, configured)
        if token and handshake.is_eligible(request) and (morsels := handshake.parse_token(token)) is not None:
            response = self._after_handshake(request, handshake.session_token(morsels), configured)
            handshake.set_cookies(response, morsels)
            add_never_cache_headers(response)
            return response
        return self._authenticate(request, found, configured)

    def _after_handshake(self, request: HttpRequest, token: str, configured: Instance) -> HttpResponse:
        """Respond to a request that returns from Clerk. In development, redirect to a URL without the token."""
        if configured.is_development:
            return HttpResponseRedirect(handshake.clean_url(request), preserve_request=True)
        state = authentication.authenticate_token(token) if token else SignedOut(authentication.NO_TOKEN)
        if isinstance(state, SignedOut) and state.reason == Reason.NO_PARTY:
            return _refresh_response(request)
        return self._respond_as(request, state)

    def _authenticate(self, request: HttpRequest, found: ClerkCookies, configured: Instance) -> HttpResponse:
        state = authentication.authenticate(request, found, configured)
        if not isinstance(state, NeedsHandshake):
            return self._respond_as(request, state)
        can_redirect = not request.path.startswith(API_PREFIX) and handshake.is_eligible(request)
        if not can_redirect or not flags.is_handshake_enabled(request, state.expired_claims):
            return self._without_handshake(request, SignedOut(state.reason, state.expired_claims))
        if outage.is_known():
            return self._during_outage(request, state)
        if handshake.is_loop(found):
            log.error(
                "Redirect loop in the handshake with Clerk (%s). Check the Clerk keys and the server clock.",
                state.reason,
                extra={"cause": "redirect loop"},
            )
            return _redirect_loop_response(request)
        if state.reason == HandshakeReason.NO_PARTY and found.redirect_count:
            return _refresh_response(request)
        return handshake.redirect_to_clerk(request, state.reason, found, configured)

    def _during_outage(self, request: HttpRequest, state: NeedsHandshake) -> HttpResponse:
        """Respond as for a visitor, because the redirect would lead to an error.

        Users who were signed in see a note.
        """
        was_signed_in = state.reason not in authentication.DEV_BROWSER_REASONS
        cast("SiteRequest", request).clerk_outage = was_signed_in
        response = self._respond_as(request, SignedOut(state.reason, state.expired_claims))
        add_never_cache_headers(response)
        return response

    def _without_handshake(self, request: HttpRequest, state: SignedOut) -> HttpResponse:
        if request.headers.get("HX-Request") != "true" or state.reason in authentication.DEV_BROWSER_REASONS:
            return self._respond_as(request, state)
        # static/js/htmx-session.js fetches a new token and repeats the request.
        cast("SiteRequest", request).clerk = state
        return json_unauthenticated(request)

    def _respond_as(self, request: HttpRequest, state: State) -> HttpResponse:
        if isinstance(state, SignedOut) and state.reason != authentication.NO_TOKEN:
            log.info("Session token rejected: %s", state.reason, extra={"cause": f"session token {state.reason}"})
        response = self._respond(request, state)
        patch_vary_headers(response, ["Cookie", "Authorization"])
        if isinstance(state, SignedIn) and not hasattr(response, "_csp_config"):  # Keep a policy that the view has set.
            csp.set_policy(csp.SESSION, request, response)
        return response

    def _respond(self, original: HttpRequest, state: State) -> HttpResponse:
        request = cast("SiteRequest", original)
        request.clerk = state
        request.impersonator = state.claims.impersonator if isinstance(state, SignedIn) else None
        if isinstance(state, SignedIn) and authentication.bearer_token(request) is not None:
            # Browsers never add this header automatically, so another site cannot forge the request.
            request._dont_enforce_csrf_checks = True
        request.user = cast("User", SimpleLazyObject(lambda: _user(request, state)))
        has_returned = isinstance(state, SignedIn) and profile_visits.fetch_changes(request, state.claims.clerk_id)
        response = cast("HttpResponse", self.get_response(request))  # All code here is synchronous.
        if has_returned:
            profile_visits.finish(response)
        if isinstance(state, SignedIn) or is_in_admin(request):
            _forbid_storing(response)
        return response


def is_in_admin(request: HttpRequest) -> bool:
    return request.path.startswith(_admin_path())


@cache
def _admin_path() -> str:
    return reverse("admin:index")


def _forbid_storing(response: HttpResponse) -> None:
    """Keep the response out of the browser's caches, where the next user of the computer could find it.

    Images that are the same for everyone may be stored.
    """
    if "public" not in response.get("Cache-Control", ""):
        add_never_cache_headers(response)


def _user(request: HttpRequest, state: State) -> User | AnonymousUser:
    if not is_in_admin(request):
        return _load_user(request, state)
    return recent_operators.load(request, state, partial(_load_user, request, state))


def _load_user(request: HttpRequest, state: State) -> User | AnonymousUser:
    if isinstance(state, SignedIn):
        user = sessions.load_user(state.claims)
        if user.pk:
            bind_contextvars(user_id=user.pk)  # Add the user to all following log lines.
        return user
    # Local operators' password sessions also work while Clerk is unreachable, but only in the admin.
    if is_in_admin(request):
        operator = get_user(request)
        return operator if isinstance(operator, User) and operator.clerk_id is None else AnonymousUser()
    return AnonymousUser()


def _refresh_response(request: HttpRequest) -> HttpResponse:
    """Return a page whose script fetches a session token that names this site and then reloads the requested page.

        Clerk takes the site from the Origin header, which browsers send with a script's request but not with a
        redirect.
    https://github.com/clerk/javascript/issues/8231
    """
    response = render(request, "accounts/session_refresh.html", status=401)
    csp.set_policy(csp.SESSION, request, response)
    handshake.count_redirects(response, handshake.MAX_HANDSHAKES, max_age_s=REFRESH_S)  # Reload the page only once.
    add_never_cache_headers(response)
    return response


def _redirect_loop_response(request: HttpRequest) -> HttpResponse:
    response = render(request, "accounts/handshake_loop.html", status=503)
    response["Retry-After"] = str(handshake.LOOP_WINDOW_S)
    add_never_cache_headers(response)
    return response
