"""The Backend API: what servers ask of Clerk. https://clerk.com/docs/reference/backend-api"""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from localclerk import sessions, tokens, wire
from localclerk.api import actor, error_response
from localclerk.models import Session, User

#: In one page of a listing.
MOST_USERS = 500


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
def users(request: HttpRequest) -> HttpResponse:
    """List users as a bare array: `limit`, `order_by=[+-]created_at`, and `offset` or `starting_after`."""
    try:
        limit, offset = (int(request.GET.get(name, default)) for name, default in (("limit", 10), ("offset", 0)))
    except ValueError:
        return error_response(422, "form_param_format_invalid", "limit and offset are whole numbers.")
    order = request.GET.get("order_by", "-created_at").lstrip(" ")  # a plus sign in an address is a space
    if not 1 <= limit <= MOST_USERS or offset < 0 or order.lstrip("+-") != "created_at":
        return error_response(422, "form_param_value_invalid", f"limit is 1 to {MOST_USERS}, order_by is created_at.")
    after = request.GET.get("starting_after", "")
    if after and offset:
        return error_response(422, "form_param_value_invalid", "starting_after and offset exclude each other.")
    found = _in_order(after, newest_first=order.startswith("-"))[offset : offset + limit]
    return JsonResponse([wire.user(person) for person in found], safe=False)


@for_servers
@require_safe
def user_count(request: HttpRequest) -> HttpResponse:
    """Count the users."""
    return JsonResponse({"object": "total_count", "total_count": User.objects.count()})


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


def _in_order(after: str, *, newest_first: bool) -> QuerySet[User]:
    """Return users by the time they signed up, from behind the one with the id `after`."""
    sign, comparison = ("-", "lt") if newest_first else ("", "gt")
    found = User.objects.order_by(f"{sign}created_ms", f"{sign}id")
    if not after:
        return found
    last = User.objects.get(pk=after)
    same_moment = Q(created_ms=last.created_ms, **{f"id__{comparison}": last.pk})
    return found.filter(Q(**{f"created_ms__{comparison}": last.created_ms}) | same_moment)


def _authorization(request: HttpRequest) -> bytes:
    return request.headers.get("Authorization", "").encode()
