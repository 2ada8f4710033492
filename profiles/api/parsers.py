"""Reading what programs send: JSON, of a bearable size, and clear in what it means."""

import json
from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

from profiles.api.errors import ApiError

#: Several times what fits into all fields together.
LARGEST_BYTES = 256 * 1024
JSON = "application/json"


class Number(str):
    """A number as it was written: however long or large it is, reading it costs nothing and cannot fail."""

    __slots__ = ()


def read_object(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object in the body, its numbers as `Number`.

    Raises:
        ApiError: there is none, or not everybody would read the same in it.
    """
    if request.content_type != JSON:
        raise ApiError(415, "not_json", f"Send the body as {JSON}.", headers={"Accept-Patch": JSON})
    try:
        found = json.loads(
            _text(request),
            parse_int=Number,
            parse_float=Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_doubles,
        )
    except RecursionError:
        raise ApiError(400, "malformed", "The body is nested too deeply.") from None
    except ValueError as error:
        raise ApiError(400, "malformed", f"The body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ApiError(400, "not_an_object", "Send an object with the fields to change.")
    return found


def _text(request: HttpRequest) -> str:
    too_large = ApiError(413, "too_large", f"Send at most {LARGEST_BYTES // 1024} KB.")
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BYTES:
        raise too_large
    try:
        body = request.body
    except RequestDataTooBig:
        raise too_large from None
    except UnreadablePostError:
        raise ApiError(400, "cut_short", "The body ended too early; send it again.") from None
    if len(body) > LARGEST_BYTES:
        raise too_large
    return body.decode("utf-8")  # another encoding is a ValueError


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON's.")


def _refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object, unless it has a name twice: then one reader takes the first, and another the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object.")
    return found
