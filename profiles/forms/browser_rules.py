"""The rules of a form for the browser, whose own constraint validation then checks them in the server's words."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms

#: A fault as ValidityState names it, and the code of the message for it. Those of lists, which HTML does not know, are
#: found by static/js/editing-validity.js.
FAULTS = {
    "valueMissing": "required",
    "badInput": "invalid",
    "typeMismatch": "invalid",
    "rangeUnderflow": "min_value",
    "rangeOverflow": "max_value",
    "stepMismatch": "max_decimal_places",
    "tooLong": "max_length",
    "tooMany": "too_many",
    "entryTooLong": "too_long",
    "entryWrong": "not_a_link",
}


def attributes(field: forms.Field) -> dict[str, Any]:
    """Return what the widget of `field` needs besides what Django gives it: the messages, and how long a text may be."""
    messages = {
        fault: _filled(str(field.error_messages[code]), _limits(field, code))
        for fault, code in FAULTS.items()
        if code in field.error_messages and (code != "required" or field.required)
    }
    longest = getattr(field, "max_length", None)
    return {"data-messages": json.dumps(messages, ensure_ascii=False)} | ({"data-longest": longest} if longest else {})


def _limits(field: Any, code: str) -> dict[str, Any]:
    """Return the parts of a message that do not depend on what is typed."""
    if code in ("too_many", "too_long"):
        return {"most": field.most, "longest": field.longest}
    return {"limit_value": getattr(field, code, "")}


def _filled(message: str, parts: Mapping[str, Any]) -> str:
    return re.sub(r"%\((\w+)\)[sd]", lambda match: str(parts.get(match[1], match[0])), message)
