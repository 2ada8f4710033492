"""Merge or replace users' metadata in the same way as Clerk. https://clerk.com/docs/reference/backend-api"""

import json
from typing import Any

from local.clerk.forms import MAX_METADATA_BYTES, MAX_METADATA_DEPTH, is_deeper_than

FIELDS = ("public_metadata", "private_metadata", "unsafe_metadata")


class InvalidMetadata(Exception):
    """Clerk would reject the metadata.

    Attributes:
        status, code: the response's status and error code.
    """

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def read(body: bytes) -> dict[str, dict[str, Any]]:
    """Return the metadata in a request body, by field.

    Raises:
        InvalidMetadata: the body is not a JSON object of JSON objects.
    """
    try:
        data = json.loads(body)
        json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise InvalidMetadata("The request body is not JSON.", 400, "request_body_invalid") from None
    if not isinstance(data, dict):
        raise InvalidMetadata("The request body is not an object.", 400, "request_body_invalid")
    for name in FIELDS:
        if not isinstance(data.get(name, {}), dict) or is_deeper_than(data.get(name, {}), MAX_METADATA_DEPTH):
            raise InvalidMetadata(f"{name} must be an object.", 422, "form_param_format_invalid")
    return {name: data[name] for name in FIELDS if name in data}


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return a deep merge of `new` into `old`. None removes a key, and lists are replaced."""
    result = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            nested = result.get(key)
            result[key] = merge(nested if isinstance(nested, dict) else {}, value)
        else:
            result[key] = value
    return result


def validate_size(value: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata unchanged.

    Raises:
        InvalidMetadata: it is larger than 8 KB.
    """
    if len(json.dumps(value).encode()) > MAX_METADATA_BYTES:
        raise InvalidMetadata("Metadata must not be larger than 8 KB.", 422, "form_param_max_length_exceeded")
    return value
