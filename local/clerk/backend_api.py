"""The Backend API: what servers ask of Clerk. https://clerk.com/docs/reference/backend-api"""

import re
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from local.clerk import fault_injection, listing, metadata, serializers, sessions, tokens
from local.clerk import users as people
from local.clerk.api import actor
from local.clerk.fault_injection import error
from local.clerk.listing import BadQuery
from local.clerk.metadata import BadMetadata
from local.clerk.models import Session, User

#: Versions are dates, and this is the first one.
OLDEST_VERSION = "2021-02-05"
METADATA_PATH = re.compile(r"/v1/users/([^/]+)/metadata")


def for_servers(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer whoever knows the secret key, in the trouble that was chosen."""

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        expected = f"Bearer {settings.API_KEY}".encode()
        if not settings.API_KEY or not secrets.compare_digest(_authorization(request), expected):
            return error(401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.")
        if not _is_version(request.headers.get("Clerk-API-Version", OLDEST_VERSION)):
            return error(400, "api_version_invalid", "The API version is no date that Clerk knows.")
        written = METADATA_PATH.fullmatch(request.path)
        of = written[1] if written and request.method in ("PATCH", "PUT") else ""
        return fault_injection.endured(request, lambda: _answer(view, request, *args, **kwargs), metadata_of=of)

    return wrapped


@csrf_exempt
@require_safe
def jwks(request: HttpRequest) -> HttpResponse:
    """Show the key that tokens are signed with; there is no limit to asking for it."""
    expected = f"Bearer {settings.API_KEY}".encode()
    if not settings.API_KEY or not secrets.compare_digest(_authorization(request), expected):
        return error(401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.")
    return JsonResponse(tokens.jwks())


@for_servers
@require_safe
def users(request: HttpRequest) -> HttpResponse:
    """List users as a bare array."""
    return JsonResponse([serializers.user(person) for person in listing.page(request.GET)], safe=False)


@for_servers
@require_safe
def user_count(request: HttpRequest) -> HttpResponse:
    """Count the users."""
    return JsonResponse({"object": "total_count", "total_count": listing.filtered(request.GET).count()})


@for_servers
@require_http_methods(["GET", "HEAD", "DELETE"])
def user(request: HttpRequest, user_id: str) -> HttpResponse:
    """Show or delete a user."""
    with transaction.atomic():
        person = User.objects.get(pk=user_id)
        if request.method != "DELETE":
            return JsonResponse(serializers.user(person))
        people.delete(person, actor(request))
    return JsonResponse(serializers.deleted(user_id))


@for_servers
@require_http_methods(["PATCH", "PUT"])
def user_metadata(request: HttpRequest, user_id: str) -> HttpResponse:
    """Merge what is sent into a user's metadata, or put it in its place."""
    given = metadata.read(request.body)
    with transaction.atomic():
        person = User.objects.get(pk=user_id)
        for name, value in given.items():
            whole = metadata.merged(getattr(person, name), value) if request.method == "PATCH" else value
            setattr(person, name, metadata.checked(whole))
        people.update(person, actor(request))
    return JsonResponse(serializers.user(person))


@for_servers
@require_POST
def user_ban(request: HttpRequest, user_id: str, verb: str) -> HttpResponse:
    """Ban somebody, which ends their sessions, or let them in again."""
    with transaction.atomic():
        person = User.objects.get(pk=user_id)
        person.banned = verb == "ban"
        people.update(person, actor(request))
    return JsonResponse(serializers.user(person))


@for_servers
@require_safe
def session_list(request: HttpRequest) -> HttpResponse:
    """List the sessions of a user or of a browser, newest first."""
    asked = {name: request.GET[name] for name in ("user_id", "client_id", "status") if name in request.GET}
    if not asked.keys() & {"user_id", "client_id"}:
        raise BadQuery("Say whose sessions: user_id or client_id.")
    return JsonResponse(
        [serializers.session(one) for one in Session.objects.filter(**asked)[: listing.MOST_USERS]], safe=False
    )


@for_servers
@require_safe
def session(request: HttpRequest, session_id: str) -> HttpResponse:
    """Show a session."""
    return JsonResponse(serializers.session(Session.objects.get(pk=session_id)))


@for_servers
@require_POST
def session_revoke(request: HttpRequest, session_id: str) -> HttpResponse:
    """End a session; its last token lives on until its minute is over."""
    one = Session.objects.get(pk=session_id)
    sessions.end(one, Session.Status.REVOKED, actor(request))
    one.refresh_from_db()
    return JsonResponse(serializers.session(one))


def _answer(view: Callable[..., HttpResponse], request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    try:
        response = view(request, *args, **kwargs)
    except (User.DoesNotExist, Session.DoesNotExist):
        return error(404, "resource_not_found", "not found")
    except BadQuery as complaint:
        return error(422, "form_param_value_invalid", str(complaint))
    except BadMetadata as complaint:
        return error(complaint.status, complaint.code, str(complaint))
    if isinstance(response, HttpResponseNotAllowed):
        return error(405, "method_not_allowed", f"This takes {response['Allow']}.", Allow=response["Allow"])
    return response


def _is_version(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None and text >= OLDEST_VERSION


def _authorization(request: HttpRequest) -> bytes:
    return request.headers.get("Authorization", "").encode()
