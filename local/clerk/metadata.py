"""Metadata of users: merged as Clerk merges it, or replaced. https://clerk.com/docs/reference/backend-api"""

import json
from typing import Any

from local.clerk.forms import MOST_LEVELS, MOST_METADATA_BYTES, is_deeper

FIELDS = ("public_metadata", "private_metadata", "unsafe_metadata")


class BadMetadata(Exception):
    """Metadata that Clerk does not take.

    Attributes:
        status, code: of the answer.
    """

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def read(body: bytes) -> dict[str, dict[str, Any]]:
    """Return the kinds of metadata in a request.

    Raises:
        BadMetadata: it is no JSON object of JSON objects.
    """
    try:
        found = json.loads(body)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadMetadata("The request body is not JSON.", 400, "request_body_invalid") from None
    if not isinstance(found, dict):
        raise BadMetadata("The request body is not an object.", 400, "request_body_invalid")
    for name in FIELDS:
        if not isinstance(found.get(name, {}), dict) or is_deeper(found.get(name, {}), MOST_LEVELS):
            raise BadMetadata(f"{name} must be an object.", 422, "form_param_format_invalid")
    return {name: found[name] for name in FIELDS if name in found}


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return `old` with what `new` says, at every level; None removes a key, and a list is replaced whole."""
    result = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result


def checked(value: dict[str, Any]) -> dict[str, Any]:
    """Return metadata that is not too large.

    Raises:
        BadMetadata: it is.
    """
    if len(json.dumps(value).encode()) > MOST_METADATA_BYTES:
        raise BadMetadata("Metadata is at most 8 KB.", 422, "form_param_max_length_exceeded")
    return value
