"""Parse the sessions in Clerk's webhook events into typed values."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.clerk.fields import ClerkPayloadError, parse_time, parse_user_id
from core.text import clean_line

SESSION_ID = re.compile(r"sess_[A-Za-z0-9]{1,59}")


@dataclass(frozen=True, slots=True)
class ClerkSessionStarted:
    """A user signed in.

    Attributes:
        impersonator: the Clerk ID of the administrator who signed in as the user.
        browser_name, device_type, place: what Clerk knows about the user's device, or "". Clerk documents neither the
            possible values nor whether a new session has them. `place` is a city and a country.
    """

    clerk_id: str
    session_id: str
    started_at: datetime
    impersonator: str | None
    browser_name: str = ""
    device_type: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class ClerkSessionEnded:
    """A session ended in Clerk. Its tokens can remain valid for up to a minute."""

    clerk_id: str
    session_id: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class ClerkSession:
    """An active session in Clerk's list."""

    session_id: str
    started_at: datetime
    last_active_at: datetime | None


def active_session(data: object) -> ClerkSession:
    _, session_id, session = _session(data)
    last_active = session.get("last_active_at")
    last_active_at = None if last_active is None else parse_time(last_active, "last_active_at")
    return ClerkSession(session_id, parse_time(session.get("created_at"), "created_at"), last_active_at)


def session_started(data: object, occurred_at: datetime) -> ClerkSessionStarted:
    clerk_id, session_id, session = _session(data)
    actor = session.get("actor")
    impersonator = clean_line(actor.get("sub"), limit=64) if isinstance(actor, dict) else ""
    activity = session.get("latest_activity")
    read = _text_reader(activity if isinstance(activity, dict) else {})
    place = ", ".join(filter(None, (read("city"), read("country"))))
    device = {"browser_name": read("browser_name"), "device_type": read("device_type"), "place": place}
    return ClerkSessionStarted(clerk_id, session_id, occurred_at, impersonator or None, **device)


def _text_reader(values: dict[str, Any]) -> Callable[[str], str]:
    """Return a function that reads a short text, or "" if the value has another type."""
    return lambda key: clean_line(values.get(key), limit=64)


def session_ended(data: object, occurred_at: datetime) -> ClerkSessionEnded:
    clerk_id, session_id, _ = _session(data)
    return ClerkSessionEnded(clerk_id, session_id, occurred_at)


def _session(data: object) -> tuple[str, str, dict[str, Any]]:
    """Return the ids of the user and the session, and the session."""
    session_id = data.get("id") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(session_id, str) or not SESSION_ID.fullmatch(session_id):
        raise ClerkPayloadError("The session has no id that starts with sess_.", reason="session_without_id")
    return parse_user_id(data.get("user_id")), session_id, data
