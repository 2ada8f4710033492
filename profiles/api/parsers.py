"""Check query parameters, and parse JSON request bodies. Bodies that are too large or contain duplicate keys are rejected."""

import json
from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

from core.text import clean_line
from profiles.api.errors import ApiError

#: Several times the combined maximum size of all fields.
MAX_BODY_BYTES = 256 * 1024
JSON = "application/json"
#: Longer names of parameters are truncated in errors.
MAX_NAME_LENGTH = 50


class Number(str):
    """A JSON number stored as text, so that parsing very long or large numbers is cheap and cannot fail."""

    __slots__ = ()


def read_object(request: HttpRequest) -> dict[str, Any]:
    """Return the request body's JSON object, with numbers as `Number` instances.

    Raises:
        ApiError: the body is not a JSON object, is too large, or is ambiguous.
    """
    if request.content_type != JSON:
        raise ApiError(415, "not_json", f"Send the body as {JSON}.", headers={"Accept-Patch": JSON})
    try:
        data = json.loads(
            _body(request),
            parse_int=Number,
            parse_float=Number,
            parse_constant=_reject_constant,
            object_pairs_hook=_reject_duplicates,
        )
    except RecursionError:
        raise ApiError(400, "malformed", "The body is nested too deeply.") from None
    except ValueError as error:
        raise ApiError(400, "malformed", f"The body is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise ApiError(400, "not_an_object", "Send a JSON object with the fields to change.")
    return data


def _body(request: HttpRequest) -> str:
    too_large = ApiError(413, "too_large", f"Send at most {MAX_BODY_BYTES // 1024} KB.")
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
        raise too_large
    try:
        body = request.body
    except RequestDataTooBig:
        raise too_large from None
    except UnreadablePostError:
        raise ApiError(400, "cut_short", "The body is incomplete. Send it again.") from None
    if len(body) > MAX_BODY_BYTES:
        raise too_large
    return body.decode("utf-8")  # invalid UTF-8 raises a ValueError


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number.")


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build the object and reject duplicate keys, because parsers handle them differently."""
    data = dict(pairs)
    if len(data) < len(pairs):
        raise ValueError("an object contains a duplicate key.")
    return data


def check_parameters(request: HttpRequest, known: frozenset[str]) -> None:
    """Reject unknown query parameters.

    Raises:
        ApiError: 400. The message contains the first unknown parameter and the valid parameters.
    """
    unknown = next((name for name in request.GET if name not in known), None)
    if unknown is not None:
        allowed = (
            f"This URL has these parameters: {', '.join(sorted(known))}." if known else "This URL has no parameters."
        )
        name = clean_line(unknown, limit=MAX_NAME_LENGTH)
        raise ApiError(400, "unknown_parameter", f"The query parameter `{name}` is unknown. {allowed}")
