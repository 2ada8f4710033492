"""The part of a stored payload that belongs into an export of its user's data."""

import json
from typing import Any


def own_payload(event_type: str, text: str) -> dict[str, Any] | None:
    """Return a payload without other people: an admin who impersonates the user or changes them at Clerk.

    Return None for other types than users and sessions, which can be about several people (an invitation, for example),
    and for malformed payloads.
    """
    if not event_type.startswith(("user.", "session.")):
        return None
    try:
        envelope = json.loads(text)
        data: dict[str, Any] = {**envelope["data"]}
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    is_impersonated = bool(data.pop("actor", None))
    own = {"type": envelope.get("type"), "timestamp": envelope.get("timestamp"), "data": data}
    if is_impersonated:
        return own | {"impersonated_by": "an administrator"}
    # The IP address and browser of a change to a user can be those of an administrator.
    is_session = event_type.startswith("session.")
    return own | ({"event_attributes": envelope.get("event_attributes")} if is_session else {})
