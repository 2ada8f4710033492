"""The stand-in's JSON API, for `make run` and for tests. Errors have the shape of Clerk's own."""

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.forms import BaseForm
from django.forms.models import model_to_dict
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from localclerk import people, wire
from localclerk.forms import TroubleForm, UserForm
from localclerk.models import Attempt, Message, Trouble, User
from localclerk.wire import Actor

#: The newest deliveries the log answers with.
LOG_LENGTH = 200


class BadRequest(Exception):
    """The request cannot be understood; the message says why."""


def json_api(view: Callable[..., JsonResponse]) -> Callable[..., JsonResponse]:
    """Exempt from CSRF, because no cookie gives anybody rights here, and answer mistakes in Clerk's shape."""

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        try:
            return view(request, *args, **kwargs)
        except BadRequest as error:
            return JsonResponse({"errors": [{"message": str(error), "code": "form_param_invalid"}]}, status=400)
        except (User.DoesNotExist, Message.DoesNotExist):
            return JsonResponse({"errors": [{"message": "not found", "code": "resource_not_found"}]}, status=404)

    return wrapped


@json_api
@require_http_methods(["GET", "POST"])
def users(request: HttpRequest) -> JsonResponse:
    """List users, or create one."""
    if request.method == "GET":
        return JsonResponse([wire.user(person) for person in User.objects.all()], safe=False)
    person = _filled(User(), _body(request))
    people.create(person, actor(request))
    return JsonResponse(wire.user(person), status=201)


@json_api
@require_http_methods(["GET", "PATCH", "DELETE"])
def user(request: HttpRequest, user_id: str) -> JsonResponse:
    """Show, change or delete a user."""
    person = User.objects.get(pk=user_id)
    if request.method == "DELETE":
        people.delete(person, actor(request))
        return JsonResponse(wire.deleted(user_id))
    if request.method == "PATCH":
        people.update(_filled(person, _body(request)), actor(request))
    return JsonResponse(wire.user(person))


@require_safe
def deliveries(request: HttpRequest) -> JsonResponse:
    """List the newest deliveries with their attempts, newest first."""
    messages = Message.objects.prefetch_related("attempts")[:LOG_LENGTH]
    return JsonResponse([_message(message) for message in messages], safe=False)


@json_api
@require_http_methods(["GET", "PATCH"])
def settings(request: HttpRequest) -> JsonResponse:
    """Show or change the trouble that deliveries are given."""
    trouble = Trouble.current()
    if request.method == "PATCH":
        form = TroubleForm(model_to_dict(trouble) | _body(request), instance=trouble)
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


def _filled(person: User, facts: dict[str, Any]) -> User:
    """Return `person` with the given facts; what they leave out stays."""
    now = model_to_dict(person)
    now["emails"] = [{**email, "primary": email["id"] == person.primary_email_id} for email in person.emails]
    if "email" in facts:
        email = facts.pop("email")
        now["emails"] = [{"address": email, "verified": True, "primary": True}] if email else []
    if "roles" in facts:
        now["public_metadata"] = {**person.public_metadata, "roles": facts.pop("roles")}
    _check(UserForm(now | facts, instance=person))  # a form writes what is right onto its instance
    return person


def _check(form: BaseForm) -> None:
    for field, errors in form.errors.items():
        raise BadRequest(f"{field}: {errors[0]}")


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(body, Mapping):
        raise BadRequest("The body is not a JSON object.")
    known = {*UserForm.Meta.fields, *TroubleForm.Meta.fields, "email", "roles"}
    if unknown := sorted(set(body) - known):
        raise BadRequest(f"{unknown[0]} is not known here; known are {', '.join(sorted(known))}.")
    return dict(body)


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
