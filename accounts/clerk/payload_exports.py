"""Select the parts of a stored payload for a user's data export."""

import json
from typing import Any


def own_payload(event_type: str, text: str) -> dict[str, Any] | None:
    """Return a payload without other people's data, such as the details of an admin who impersonates or edits the user.

    Return None for malformed payloads and for types other than users and sessions. Other types, such as invitations,
    can contain data about several people.
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
    # The IP address and browser for a user change may belong to an administrator.
    is_session = event_type.startswith("session.")
    return own | ({"event_attributes": envelope.get("event_attributes")} if is_session else {})
