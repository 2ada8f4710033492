"""Who is asking: `request.user` from Clerk's session token, and the handshake for pages whose token has run out."""

import logging

from django.contrib.auth import get_user
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.functional import SimpleLazyObject
from structlog.contextvars import bind_contextvars

from accounts import csp, flags
from accounts.clerk import authentication, handshake, instance
from accounts.clerk.authentication import NeedsHandshake, SignedIn, SignedOut, State
from accounts.clerk.cookies import ClerkCookies
from accounts.clerk.instance import Instance
from accounts.http import json_unauthenticated
from accounts.models import User
from accounts.sessions import services as sessions

log = logging.getLogger(__name__)

#: Paths that no person opens.
NEVER_FOR_PEOPLE = ("/api/webhooks/", "/healthz", "/readyz", "/static/", "/media/")
#: Programs are never sent anywhere: they get 401, and fetch a token themselves.
API = "/api/"


class ClerkAuthenticationMiddleware(AuthenticationMiddleware):
    """Set `request.clerk`, what is known of the token, and `request.user`, the person, who is loaded when asked for.

    A page whose token may be had afresh is sent to Clerk and back first. Nothing but whole pages ever is.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(NEVER_FOR_PEOPLE):
            return self._respond(request, SignedOut(authentication.NO_TOKEN))
        configured = instance.current()
        if configured is None:
            return self._answer(request, SignedOut(authentication.NO_TOKEN))
        found = ClerkCookies(request.META.get("HTTP_COOKIE", ""), configured)
        token = handshake.returned_token(request, found, configured)
        if token and handshake.is_eligible(request) and (morsels := handshake.parse_token(token)) is not None:
            response = self._after_handshake(request, handshake.session_token(morsels), configured)
            handshake.set_cookies(response, morsels)
            add_never_cache_headers(response)
            return response
        return self._decide(request, found, configured)

    def _after_handshake(self, request: HttpRequest, token: str, configured: Instance) -> HttpResponse:
        """Answer the page that comes back from Clerk: by its clean address where the token came in the address."""
        if configured.is_development:
            return HttpResponseRedirect(handshake.clean_url(request), preserve_request=True)
        state = authentication.authenticate_token(token) if token else SignedOut(authentication.NO_TOKEN)
        return self._answer(request, state)

    def _decide(self, request: HttpRequest, found: ClerkCookies, configured: Instance) -> HttpResponse:
        state = authentication.authenticate(request, found, configured)
        if not isinstance(state, NeedsHandshake):
            return self._answer(request, state)
        may_go = not request.path.startswith(API) and handshake.is_eligible(request)
        if not may_go or not flags.is_handshake_enabled(request, state.expired_claims):
            return self._without_handshake(request, SignedOut(state.reason, state.expired_claims))
        if handshake.is_loop(found):
            log.error("Handshakes with Clerk lead nowhere (%s): compare the keys, and the clocks.", state.reason)
            return _loop_page(request)
        return handshake.redirect_to_clerk(request, state.reason, found, configured)

    def _without_handshake(self, request: HttpRequest, state: SignedOut) -> HttpResponse:
        if request.headers.get("HX-Request") != "true" or state.reason in authentication.DEV_BROWSER_REASONS:
            return self._answer(request, state)
        # static/js/htmx-session.js gets a fresh token and asks again.
        request.clerk = state  # type: ignore[attr-defined]
        return json_unauthenticated(request)

    def _answer(self, request: HttpRequest, state: State) -> HttpResponse:
        if isinstance(state, SignedOut) and state.reason != authentication.NO_TOKEN:
            log.info("A session token was not accepted: %s", state.reason)
        response = self._respond(request, state)
        patch_vary_headers(response, ["Cookie", "Authorization"])
        if isinstance(state, SignedIn) and not hasattr(response, "_csp_config"):  # a view may have chosen its own
            csp.set_policy(csp.SESSION, request, response)
        return response

    def _respond(self, request: HttpRequest, state: State) -> HttpResponse:
        request.clerk = state  # type: ignore[attr-defined]
        request.impersonator = state.claims.impersonator if isinstance(state, SignedIn) else None  # type: ignore[attr-defined]
        if isinstance(state, SignedIn) and authentication.bearer_token(request) is not None:
            # No browser sends this header by itself, so no other site can make it.
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        request.user = SimpleLazyObject(lambda: _user(request, state))  # type: ignore[assignment]
        response: HttpResponse = self.get_response(request)  # type: ignore[assignment]  # nothing here is async
        return response


def _user(request: HttpRequest, state: State) -> User | AnonymousUser:
    if isinstance(state, SignedIn):
        user = sessions.load_user(state.claims)
        if user.pk:
            bind_contextvars(user_id=user.pk)  # for what is logged from here on
        return user
    # A local operator's password opens the admin when Clerk is away, and nothing else.
    if request.path.startswith(reverse("admin:index")):
        operator = get_user(request)
        return operator if isinstance(operator, User) and operator.clerk_id is None else AnonymousUser()
    return AnonymousUser()


def _loop_page(request: HttpRequest) -> HttpResponse:
    response = render(request, "accounts/handshake_loop.html", status=503)
    response["Retry-After"] = str(handshake.LOOP_WINDOW_S)
    add_never_cache_headers(response)
    return response
