"""The stand-in's JSON API, for `make run` and for tests. Errors have the shape of Clerk's own."""

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
from local.clerk import users as people
from local.clerk.forms import TroubleForm, UserForm
from local.clerk.models import Attempt, Message, Trouble, User
from local.clerk.serializers import Actor

#: The newest deliveries the log answers with.
LOG_LENGTH = 200
MOST_AT_ONCE = 1_000_000


#: The type of each fact that may be told; a form alone would turn ["x"] into a name.
TYPES: dict[str, type] = {
    **dict.fromkeys(("first_name", "last_name", "username", "phone", "email"), str),
    **dict.fromkeys(("banned", "locked", "duplicate", "api_outage", "api_reject_metadata"), bool),
    **dict.fromkeys(("emails", "roles"), list),
    **dict.fromkeys(
        ("delay_s", "shuffle", "lose_percent", "count", "api_delay_ms", "api_limit", "api_user_limit"), int
    ),
    **dict.fromkeys((f"api_{what}_percent" for what in ("fail", "lose_answer", "garble", "refuse")), int),
    "public_metadata": dict,
}


class BadRequest(Exception):
    """The request cannot be understood; the message says why."""


def json_api(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Exempt from CSRF, because no cookie gives anybody rights here, and answer mistakes in Clerk's shape.

    What is posted has to be called JSON: browsers let a page of another site send that only when asked and allowed.
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
            refusal = error_response(405, "method_not_allowed", f"This address takes {response['Allow']}.")
            refusal["Allow"] = response["Allow"]
            return refusal
        return response

    return wrapped


def error_response(status: int, code: str, message: str) -> JsonResponse:
    """Return an error in the shape of Clerk's."""
    return JsonResponse({"errors": [{"message": message, "code": code}]}, status=status)


@json_api
def nothing_here(request: HttpRequest, rest: str) -> HttpResponse:
    """Answer for addresses that this API does not have."""
    return error_response(404, "resource_not_found", f"There is no /local/{rest}.")


@json_api
@require_http_methods(["GET", "POST"])
def users(request: HttpRequest) -> HttpResponse:
    """List users, or create one."""
    if request.method == "GET":
        return JsonResponse([serializers.user(person) for person in User.objects.all()], safe=False)
    person = filled(User(), read_body(request))
    people.create(person, actor(request))
    return JsonResponse(serializers.user(person), status=201)


@json_api
@require_POST
def crowd(request: HttpRequest) -> HttpResponse:
    """Sign up `count` people at once, with `roles`, and tell nobody; for measuring."""
    body = read_body(request)
    count = body.get("count") or 0
    if not 1 <= count <= MOST_AT_ONCE:
        raise BadRequest(f"count: a number from 1 to {MOST_AT_ONCE}.")
    people.create_many(count, body.get("roles") or [])
    return JsonResponse({"created": count}, status=201)


@json_api
@require_http_methods(["GET", "PATCH", "DELETE"])
def user(request: HttpRequest, user_id: str) -> HttpResponse:
    """Show, change or delete a user."""
    if request.method == "GET":
        return JsonResponse(serializers.user(User.objects.get(pk=user_id)))
    # Read under the lock as well, or of two changes at one time the second would undo the first.
    with transaction.atomic():
        person = User.objects.get(pk=user_id)
        if request.method == "DELETE":
            people.delete(person, actor(request))
            return JsonResponse(serializers.deleted(user_id))
        people.update(filled(person, read_body(request)), actor(request))
    return JsonResponse(serializers.user(person))


@json_api
@require_safe
def deliveries(request: HttpRequest) -> HttpResponse:
    """List the newest deliveries with their attempts, newest first."""
    messages = Message.objects.prefetch_related("attempts")[:LOG_LENGTH]
    return JsonResponse([_message(message) for message in messages], safe=False)


@json_api
@require_http_methods(["GET", "PATCH"])
@transaction.atomic
def settings(request: HttpRequest) -> HttpResponse:
    """Show or change the trouble that deliveries are given."""
    trouble = Trouble.current()
    if request.method == "PATCH":
        form = TroubleForm(model_to_dict(trouble) | read_body(request), instance=trouble)
        _check(form)
        form.save()
    return JsonResponse(model_to_dict(trouble, exclude=["id"]))


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while anything can be answered."""
    return JsonResponse({"status": "ok"})


def actor(request: HttpRequest) -> Actor:
    """Return the browser behind `request`, as an event tells of it."""
    return Actor(request.META.get("REMOTE_ADDR", "127.0.0.1"), request.headers.get("User-Agent", "")[:500])


def filled(person: User, facts: dict[str, Any]) -> User:
    """Return `person` with the given facts; what they leave out stays."""
    now = model_to_dict(person)
    now["emails"] = [{**email, "primary": email["id"] == person.primary_email_id} for email in person.emails]
    if "email" in facts:
        email = facts.pop("email")
        now["emails"] = [{"address": email, "verified": True, "primary": True}] if email else []
    if "roles" in facts:
        metadata = facts.get("public_metadata") or person.public_metadata
        facts["public_metadata"] = {**metadata, "roles": facts.pop("roles")}
    _check(UserForm(now | facts, instance=person))  # a form writes what is right onto its instance
    return person


def _check(form: BaseForm) -> None:
    for field, errors in form.errors.items():
        raise BadRequest(f"{field}: {errors[0]}")


def read_body(request: HttpRequest, *also: str) -> dict[str, Any]:
    """Return the facts in the body; `also` names texts that are known in this place only.

    Raises:
        BadRequest: it is no JSON object of known facts of the right types.
    """
    try:
        body = json.loads(request.body)
        # Infinity, "not a number" and half characters can be read, and written nowhere.
        json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise BadRequest("The body is not a JSON object.")
    for name, value in body.items():
        _check_type(name, value, TYPES | dict.fromkeys(also, str))
    return body


def _check_type(name: str, value: object, types: dict[str, type]) -> None:
    expected = types.get(name)
    if expected is None:
        raise BadRequest(f"{name} is not known here; known are {', '.join(sorted(types))}.")
    if value is not None and type(value) is not expected:
        raise BadRequest(f"{name} has to be of the type {expected.__name__}.")
    if name == "roles" and not all(isinstance(role, str) for role in value or ()):  # type: ignore[attr-defined]
        raise BadRequest("roles has to be a list of texts; put anything else into public_metadata.")


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
