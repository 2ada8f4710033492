"""The Backend API, which servers call. https://clerk.com/docs/reference/backend-api"""

import re
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from local.clerk import serializers
from local.clerk import users as user_actions
from local.clerk.backend_api import fault_injection, listing, metadata
from local.clerk.backend_api.fault_injection import error
from local.clerk.backend_api.listing import InvalidQuery
from local.clerk.backend_api.metadata import InvalidMetadata
from local.clerk.control_api import actor
from local.clerk.frontend_api import sessions, tokens
from local.clerk.models import Session, User

#: Versions of Clerk's API are dates. This is the first one.
OLDEST_VERSION = "2021-02-05"
METADATA_PATH = re.compile(r"/v1/users/([^/]+)/metadata")


def backend_api(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Require the secret key, and apply fault injection."""

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        expected = f"Bearer {settings.API_KEY}".encode()
        if not settings.API_KEY or not secrets.compare_digest(_authorization(request), expected):
            return error(401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.")
        if not _is_version(request.headers.get("Clerk-API-Version", OLDEST_VERSION)):
            return error(400, "api_version_invalid", "The API version is not a date that Clerk knows.")
        match = METADATA_PATH.fullmatch(request.path)
        user_id = match[1] if match and request.method in ("PATCH", "PUT") else ""
        respond = lambda: _respond(view, request, *args, **kwargs)  # noqa: E731
        return fault_injection.respond_with_faults(respond, metadata_user_id=user_id)

    return wrapped


@csrf_exempt
@require_safe
def jwks(request: HttpRequest) -> HttpResponse:
    """Return the public key that verifies tokens. It is not rate-limited."""
    expected = f"Bearer {settings.API_KEY}".encode()
    if not settings.API_KEY or not secrets.compare_digest(_authorization(request), expected):
        return error(401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.")
    return JsonResponse(tokens.jwks())


@backend_api
@require_safe
def users(request: HttpRequest) -> HttpResponse:
    """List users as a bare array."""
    return JsonResponse([serializers.user(user) for user in listing.page(request.GET)], safe=False)


@backend_api
@require_safe
def user_count(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"object": "total_count", "total_count": listing.filtered(request.GET).count()})


@backend_api
@require_http_methods(["GET", "HEAD", "DELETE"])
def user(request: HttpRequest, user_id: str) -> HttpResponse:
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        if request.method != "DELETE":
            return JsonResponse(serializers.user(user))
        user_actions.delete(user, actor(request))
    return JsonResponse(serializers.deleted(user_id))


@backend_api
@require_http_methods(["PATCH", "PUT"])
def user_metadata(request: HttpRequest, user_id: str) -> HttpResponse:
    """Merge new metadata into a user's metadata (PATCH), or replace the metadata (PUT)."""
    changes = metadata.read(request.body)
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        for name, value in changes.items():
            result = metadata.merge(getattr(user, name), value) if request.method == "PATCH" else value
            setattr(user, name, metadata.validate_size(result))
        user_actions.update(user, actor(request))
    return JsonResponse(serializers.user(user))


@backend_api
@require_POST
def user_ban(request: HttpRequest, user_id: str, verb: str) -> HttpResponse:
    """Ban a user and end the user's sessions, or remove the ban."""
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        user.banned = verb == "ban"
        user_actions.update(user, actor(request))
    return JsonResponse(serializers.user(user))


@backend_api
@require_POST
def user_lock(request: HttpRequest, user_id: str, verb: str) -> HttpResponse:
    """Lock a user, who can then not start new sessions, or remove the lock. Sessions continue."""
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        user.locked = verb == "lock"
        user_actions.update(user, actor(request))
    return JsonResponse(serializers.user(user))


@backend_api
@require_safe
def session_list(request: HttpRequest) -> HttpResponse:
    filters = {name: request.GET[name] for name in ("user_id", "client_id", "status") if name in request.GET}
    if not filters.keys() & {"user_id", "client_id"}:
        raise InvalidQuery("user_id or client_id is required.")
    found = Session.objects.filter(**filters)[: listing.MAX_USERS]
    return JsonResponse([serializers.session(session) for session in found], safe=False)


@backend_api
@require_safe
def session(request: HttpRequest, session_id: str) -> HttpResponse:
    return JsonResponse(serializers.session(Session.objects.get(pk=session_id)))


@backend_api
@require_POST
def session_revoke(request: HttpRequest, session_id: str) -> HttpResponse:
    """End a session. The session's last token remains valid until it expires."""
    session = Session.objects.get(pk=session_id)
    sessions.end(session, Session.Status.REVOKED, actor(request))
    session.refresh_from_db()
    return JsonResponse(serializers.session(session))


def _respond(view: Callable[..., HttpResponse], request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    try:
        response = view(request, *args, **kwargs)
    except ObjectDoesNotExist:
        return error(404, "resource_not_found", "not found")
    except InvalidQuery as exception:
        return error(422, "form_param_value_invalid", str(exception))
    except InvalidMetadata as exception:
        return error(exception.status, exception.code, str(exception))
    if isinstance(response, HttpResponseNotAllowed):
        return error(405, "method_not_allowed", f"Allowed methods: {response['Allow']}.", Allow=response["Allow"])
    return response


def _is_version(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None and text >= OLDEST_VERSION


def _authorization(request: HttpRequest) -> bytes:
    return request.headers.get("Authorization", "").encode()
