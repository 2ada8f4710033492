"""Export a form's validation rules and messages, so that the browser reports the same errors as the server."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms

#: Error codes by ValidityState flag. static/js/editing-validity.js sets the last three, because HTML cannot validate
#: lists.
MESSAGE_CODES = {
    "valueMissing": "required",
    "badInput": "invalid",
    "typeMismatch": "invalid",
    "rangeUnderflow": "min_value",
    "rangeOverflow": "max_value",
    "stepMismatch": "max_decimal_places",
    "tooLong": "max_length",
    "tooMany": "too_many",
    "entryTooLong": "too_long",
    "entryInvalid": "not_a_link",
}


def attributes(field: forms.Field) -> dict[str, Any]:
    """Return data attributes for the field's widget: error messages and maximum length."""
    messages = {
        flag: _interpolate(str(field.error_messages[code]), _limits(field, code))
        for flag, code in MESSAGE_CODES.items()
        if code in field.error_messages and (code != "required" or field.required)
    }
    max_length = getattr(field, "max_length", None)
    attrs = {"data-messages": json.dumps(messages, ensure_ascii=False)}
    return attrs | ({"data-max-length": max_length} if max_length else {})


def _limits(field: Any, code: str) -> dict[str, Any]:
    """Return message parameters that do not depend on the entered value."""
    if code in ("too_many", "too_long"):
        return {"max_items": field.max_items, "max_entry_length": field.max_entry_length}
    return {"limit_value": getattr(field, code, "")}


def _interpolate(message: str, params: Mapping[str, Any]) -> str:
    return re.sub(r"%\((\w+)\)[sd]", lambda match: str(params.get(match[1], match[0])), message)
