"""Read the envelope of Clerk's webhook events: the fields that all event types have."""

import json
from datetime import datetime
from typing import Any

from accounts.clerk.fields import ClerkPayloadError, parse_time, parse_user_id
from core.client_ip import normalize_ip
from core.text import clean_line


def parse_envelope(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    # A number with 5,000 digits raises ValueError, and 20,000 nested lists raise RecursionError.
    except (ValueError, RecursionError) as error:
        raise ClerkPayloadError(f"The body is not JSON: {error}", reason="not_json") from None
    if not isinstance(value, dict):
        raise ClerkPayloadError("The body is JSON but not an object.", reason="not_an_object")
    return value


def event_time(envelope: dict[str, Any], data: object) -> datetime | None:
    """Return the envelope's time, or the object's last change for older events that have no envelope time."""
    if envelope.get("timestamp") is not None:
        return parse_time(envelope["timestamp"], "timestamp")
    if isinstance(data, dict) and data.get("updated_at") is not None:
        return parse_time(data["updated_at"], "data.updated_at")
    return None


def request_context(envelope: dict[str, Any]) -> tuple[str | None, str | None]:
    attributes = envelope.get("event_attributes")
    request = attributes.get("http_request") if isinstance(attributes, dict) else None
    if not isinstance(request, dict):
        return None, None
    client_ip = request.get("client_ip")
    user_agent = clean_line(request.get("user_agent"), limit=500)
    return (normalize_ip(client_ip) if isinstance(client_ip, str) else None), user_agent or None


def mentioned_user(data: object) -> str | None:
    """Return the user id in an event of any type. It is for the event list only and must not be trusted."""
    if not isinstance(data, dict):
        return None
    for key in ("user_id", "id"):
        try:
            return parse_user_id(data.get(key))
        except ClerkPayloadError:
            continue
    return None
