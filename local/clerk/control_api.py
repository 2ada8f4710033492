"""The stand-in's own JSON API, for `make run` and for tests. Errors have the same format as Clerk's."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.forms import BaseForm
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from local.clerk import serializers
from local.clerk import users as user_actions
from local.clerk.forms import FaultInjectionForm, UserForm
from local.clerk.models import Attempt, FaultInjection, Message, User
from local.clerk.serializers import Actor

MAX_LISTED_DELIVERIES = 200
MAX_BULK_USERS = 1_000_000


#: The type of each accepted field. The types are checked here, because a form would convert ["x"] to a string.
FIELD_TYPES: dict[str, type] = {
    **dict.fromkeys(("first_name", "last_name", "username", "phone", "email"), str),
    **dict.fromkeys(("banned", "locked", "duplicate", "api_outage", "api_reject_metadata"), bool),
    **dict.fromkeys(("emails", "roles"), list),
    **dict.fromkeys(
        ("delay_s", "shuffle", "lose_percent", "count", "api_delay_ms", "api_limit", "api_user_limit"), int
    ),
    **dict.fromkeys((f"api_{fault}_percent" for fault in ("fail", "lose_answer", "garble", "refuse")), int),
    "public_metadata": dict,
}


class BadRequest(Exception):
    """The request is invalid. The message contains the reason."""


def json_api(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Return errors in Clerk's shape, and exempt the view from CSRF protection, because cookies grant no access here.

    POST bodies must be application/json: browsers send that to another site only with its permission.
    """

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and request.content_type != "application/json":
            return error_response(415, "content_type_invalid", "Send the body as application/json.")
        try:
            response = view(request, *args, **kwargs)
        except BadRequest as error:
            return error_response(400, "form_param_invalid", str(error))
        except RequestDataTooBig:
            return error_response(413, "request_body_too_large", "The body is larger than 2.5 MB.")
        except (User.DoesNotExist, Message.DoesNotExist):
            return error_response(404, "resource_not_found", "not found")
        if isinstance(response, HttpResponseNotAllowed):
            not_allowed = error_response(405, "method_not_allowed", f"Allowed methods: {response['Allow']}.")
            not_allowed["Allow"] = response["Allow"]
            return not_allowed
        return response

    return wrapped


def error_response(status: int, code: str, message: str) -> JsonResponse:
    return JsonResponse({"errors": [{"message": message, "code": code}]}, status=status)


@json_api
def not_found(request: HttpRequest, rest: str) -> HttpResponse:
    return error_response(404, "resource_not_found", f"There is no /local/{rest}.")


@json_api
@require_http_methods(["GET", "POST"])
def users(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return JsonResponse([serializers.user(user) for user in User.objects.all()], safe=False)
    user = apply_data(User(), read_body(request))
    user_actions.create(user, actor(request))
    return JsonResponse(serializers.user(user), status=201)


@json_api
@require_POST
def bulk_create(request: HttpRequest) -> HttpResponse:
    """Sign up `count` users with `roles` in one request and without events, for benchmarks."""
    body = read_body(request)
    count = body.get("count") or 0
    if not 1 <= count <= MAX_BULK_USERS:
        raise BadRequest(f"count must be a number from 1 to {MAX_BULK_USERS}.")
    user_actions.create_many(count, body.get("roles") or [])
    return JsonResponse({"created": count}, status=201)


@json_api
@require_http_methods(["GET", "PATCH", "DELETE"])
def user(request: HttpRequest, user_id: str) -> HttpResponse:
    if request.method == "GET":
        return JsonResponse(serializers.user(User.objects.get(pk=user_id)))
    # Read the user while holding the lock. Otherwise, the second of two simultaneous changes would undo the first.
    with transaction.atomic():
        user = User.objects.get(pk=user_id)
        if request.method == "DELETE":
            user_actions.delete(user, actor(request))
            return JsonResponse(serializers.deleted(user_id))
        user_actions.update(apply_data(user, read_body(request)), actor(request))
    return JsonResponse(serializers.user(user))


@json_api
@require_safe
def deliveries(request: HttpRequest) -> HttpResponse:
    """List recent deliveries with their attempts, newest first."""
    messages = Message.objects.prefetch_related("attempts")[:MAX_LISTED_DELIVERIES]
    return JsonResponse([_message(message) for message in messages], safe=False)


@json_api
@require_http_methods(["GET", "PATCH"])
@transaction.atomic
def settings(request: HttpRequest) -> HttpResponse:
    faults = FaultInjection.current()
    if request.method == "PATCH":
        form = FaultInjectionForm(model_to_dict(faults) | read_body(request), instance=faults)
        _validate(form)
        form.save()
    return JsonResponse(model_to_dict(faults, exclude=["id"]))


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def actor(request: HttpRequest) -> Actor:
    """Return the IP address and browser of `request` in the format of an event's attributes."""
    return Actor(request.META.get("REMOTE_ADDR", "127.0.0.1"), request.headers.get("User-Agent", "")[:500])


def apply_data(user: User, data: dict[str, Any]) -> User:
    """Change the fields in `data` on `user` without saving, and return `user`.

    Raises:
        BadRequest: a value is invalid.
    """
    current = model_to_dict(user)
    current["emails"] = [{**email, "primary": email["id"] == user.primary_email_id} for email in user.emails]
    if "email" in data:
        email = data.pop("email")
        current["emails"] = [{"address": email, "verified": True, "primary": True}] if email else []
    if "roles" in data:
        metadata = data.get("public_metadata") or user.public_metadata
        data["public_metadata"] = {**metadata, "roles": data.pop("roles")}
    _validate(UserForm(current | data, instance=user))  # a valid form updates its instance
    return user


def _validate(form: BaseForm) -> None:
    for field, errors in form.errors.items():
        raise BadRequest(f"{field}: {errors[0]}")


def read_body(request: HttpRequest, *extra_fields: str) -> dict[str, Any]:
    """Return the fields of a JSON body.

    Args:
        extra_fields: text fields that only the calling view accepts.

    Raises:
        BadRequest: the body is not a JSON object, or a field is unknown or has the wrong type.
    """
    try:
        body = json.loads(request.body)
        # json.loads accepts infinity, NaN and lone surrogates, which cannot be serialized again.
        json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise BadRequest("The body is not a JSON object.")
    for name, value in body.items():
        _check_type(name, value, FIELD_TYPES | dict.fromkeys(extra_fields, str))
    return body


def _check_type(name: str, value: object, types: dict[str, type]) -> None:
    expected = types.get(name)
    if expected is None:
        raise BadRequest(f"{name} is not a known field. Known fields: {', '.join(sorted(types))}.")
    if value is not None and type(value) is not expected:
        raise BadRequest(f"{name} must have the type {expected.__name__}.")
    if name == "roles" and isinstance(value, list) and not all(isinstance(role, str) for role in value):
        raise BadRequest("roles must be a list of strings; use public_metadata for anything else.")


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "type": message.event_type,
        "user_id": message.user_id,
        "state": message.state,
        "attempts": [_attempt(attempt) for attempt in message.attempts.all()],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": attempt.at.isoformat(),
        "status": attempt.status,
        "error": attempt.error,
        "answer": attempt.answer,
        "duration_ms": attempt.duration_ms,
    }
