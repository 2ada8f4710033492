"""The Backend API: what servers ask of Clerk. https://clerk.com/docs/reference/backend-api"""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from localclerk import sessions, tokens, wire
from localclerk.api import actor, error_response
from localclerk.models import Session, User


def for_servers(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer whoever knows the secret key."""

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        expected = f"Bearer {settings.API_KEY}".encode()
        if not settings.API_KEY or not secrets.compare_digest(_authorization(request), expected):
            return error_response(401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.")
        try:
            return view(request, *args, **kwargs)
        except (User.DoesNotExist, Session.DoesNotExist):
            return error_response(404, "resource_not_found", "not found")

    return wrapped


@for_servers
@require_safe
def jwks(request: HttpRequest) -> HttpResponse:
    """Show the key that tokens are signed with."""
    return JsonResponse(tokens.jwks())


@for_servers
@require_safe
def user(request: HttpRequest, user_id: str) -> HttpResponse:
    """Show a user."""
    return JsonResponse(wire.user(User.objects.get(pk=user_id)))


@for_servers
@require_POST
def session_revoke(request: HttpRequest, session_id: str) -> HttpResponse:
    """End a session; its last token lives on until its minute is over."""
    session = Session.objects.get(pk=session_id)
    sessions.end(session, Session.Status.REVOKED, actor(request))
    session.refresh_from_db()
    return JsonResponse(wire.session(session))


def _authorization(request: HttpRequest) -> bytes:
    return request.headers.get("Authorization", "").encode()
