"""Clerk's rate limits, counted in memory. https://clerk.com/docs/guides/how-clerk-works/system-limits"""

import math
import threading
import time
from collections import defaultdict, deque

WINDOW_S = 10.0
PRODUCTION, DEVELOPMENT, METADATA_PER_USER = 1000, 100, 10

_lock = threading.Lock()
_requests: dict[str, deque[float]] = defaultdict(deque)


def count(key: str, limit: int) -> int:
    """Count a request and return 0, or return the number of seconds until the next request is allowed.

    Args:
        key: "" for the instance, or a user ID for updates of that user's metadata.
        limit: maximum number of requests in any ten seconds.
    """
    now = time.monotonic()
    with _lock:
        recent = _requests[key]
        while recent and recent[0] <= now - WINDOW_S:
            recent.popleft()
        if len(recent) >= limit:
            return math.ceil(recent[0] + WINDOW_S - now) or 1
        recent.append(now)
        return 0
