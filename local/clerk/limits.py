"""Clerk's rate limits, kept in the memory of the one process. https://clerk.com/docs/guides/how-clerk-works/system-limits"""

import math
import threading
import time
from collections import defaultdict, deque

WINDOW_S = 10.0
PRODUCTION, DEVELOPMENT, METADATA_OF_ONE_USER = 1000, 100, 10

_lock = threading.Lock()
_requests: dict[str, deque[float]] = defaultdict(deque)


def wait_s(name: str, limit: int) -> int:
    """Count a request, and return 0; beyond the limit return for how many seconds none more is taken.

    Args:
        name: what is limited: the instance, or one user's metadata.
        limit: requests in any ten seconds.
    """
    now = time.monotonic()
    with _lock:
        made = _requests[name]
        while made and made[0] <= now - WINDOW_S:
            made.popleft()
        if len(made) >= limit:
            return math.ceil(made[0] + WINDOW_S - now) or 1
        made.append(now)
        return 0
