"""Group failed password logins for django-axes, and limit the number of rows that it stores.

Logins are counted by IP address, or by /64 network for IPv6, because one client can use every address in its /64.
Behind a misconfigured proxy, all addresses are unknown. Counting these logins together would allow one attacker to lock
everyone out, so they are counted by username instead.

axes stores a row for each username, address and user agent. The user agent is ignored here, so an address has at most
five rows, and gets none while it is locked out. Usernames are hashed into a fixed number of groups.
"""

import hashlib
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from core.client_ip import client_network

#: Stored instead of an unknown address, because NULL values do not violate the rows' unique constraint.
UNKNOWN = "::"


def lockout_parameters(request_or_attempt: Any, credentials: dict[str, Any] | None = None) -> list[str]:
    is_request = isinstance(request_or_attempt, HttpRequest)
    address = counted_address(request_or_attempt) if is_request else request_or_attempt.ip_address
    return ["username"] if address == UNKNOWN else ["ip_address"]


def counted_address(request: HttpRequest) -> str:
    return client_network(request) or UNKNOWN


def counted_username(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Return a username's group, or "" if the address is known. There are 4,096 groups."""
    if client_network(request):
        return ""
    username = str((credentials or request.POST).get("username") or "")
    return hashlib.sha256(username.encode("utf-8", "replace")).hexdigest()[:3]


def delete_expired() -> int:
    """Delete failures that no longer count. axes does this only when another login fails."""
    deleted, _ = AccessAttempt.objects.filter(attempt_time__lte=timezone.now() - settings.AXES_COOLOFF_TIME).delete()
    return int(deleted)
