"""Clerk's rate limits, counted in memory. https://clerk.com/docs/guides/how-clerk-works/system-limits"""

import math
import threading
import time
from collections import defaultdict, deque

WINDOW_S = 10.0
PRODUCTION, DEVELOPMENT, METADATA_PER_USER = 1000, 100, 10
#: Invitations per hour.
INVITATIONS, INVITATION_WINDOW_S = 100, 3600.0

_lock = threading.Lock()
_requests: dict[str, deque[float]] = defaultdict(deque)


def count(key: str, limit: int, window_s: float = WINDOW_S) -> int:
    """Count a request and return 0, or return the number of seconds until the next request is allowed.

    Args:
        key: "" for the instance, "invitations", or a user ID for updates of that user's metadata.
        limit: maximum number of requests in any `window_s` seconds.
    """
    now = time.monotonic()
    with _lock:
        recent = _requests[key]
        while recent and recent[0] <= now - window_s:
            recent.popleft()
        if len(recent) >= limit:
            return math.ceil(recent[0] + window_s - now) or 1
        recent.append(now)
        return 0
