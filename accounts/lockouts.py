"""Decide which failed password logins django-axes counts together.

Logins are counted by IP address. Behind a misconfigured proxy every address is unknown, and counting these logins together
would let one attacker lock everyone out. They are counted by username instead.
"""

from typing import Any

from axes.helpers import get_client_ip_address
from django.http import HttpRequest


def lockout_parameters(request_or_attempt: Any, credentials: dict[str, Any] | None = None) -> list[str]:
    is_request = isinstance(request_or_attempt, HttpRequest)
    address = get_client_ip_address(request_or_attempt) if is_request else request_or_attempt.ip_address
    return ["ip_address"] if address else ["username"]


def counted_username(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str | None:
    """Return the username of a login if it is needed, because axes stores a row per username."""
    if get_client_ip_address(request):
        return None
    return str((credentials or request.POST).get("username") or "")
