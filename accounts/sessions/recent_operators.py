"""Copies of the operators who used the admin recently, in the memory of this process.

While the table of users is locked, `request.user` cannot be loaded. Without a copy, the pages that explain the problem
would only be available once it is over. A copy is used only for reading pages in the admin, only if the table is locked,
and only for KEEP_S. Nobody can change a user while the table is locked.
"""

from django.contrib.auth import SESSION_KEY
from django.core.cache import cache
from django.db import OperationalError
from django.http import HttpRequest
from psycopg.errors import LockNotAvailable

from accounts.clerk.authentication import SignedIn, State
from accounts.models import User

#: Seconds that a copy is kept after the operator's last request.
KEEP_S = 900
#: After the table was found to be locked, this process does not wait for it again for this many seconds.
RETRY_AFTER_S = 10
LOCKED = "recent_operators_locked"


def remember(request: HttpRequest, state: State, user: User) -> None:
    if user.is_staff and (key := _key(request, state)):
        cache.set(key, user, KEEP_S)


def recall(request: HttpRequest, state: State, error: OperationalError) -> User | None:
    """Return the copy of the user whom a request's session names, or None."""
    if not isinstance(error.__cause__, LockNotAvailable):
        return None
    cache.set(LOCKED, value=True, timeout=RETRY_AFTER_S)
    return recall_without_waiting(request, state)


def recall_without_waiting(request: HttpRequest, state: State) -> User | None:
    """Return the copy if the table was locked a moment ago. The user is then not loaded from the table."""
    if request.method not in ("GET", "HEAD") or not cache.get(LOCKED):
        return None
    key = _key(request, state)
    user: User | None = cache.get(key) if key else None
    return user


def _key(request: HttpRequest, state: State) -> str:
    """Return the key of a session that has been verified, or "" without one."""
    if isinstance(state, SignedIn):
        session, user = state.claims.session_id, state.claims.clerk_id
    else:
        session, user = request.session.session_key or "", request.session.get(SESSION_KEY, "")
    return f"recent_operator:{session}:{user}" if session and user else ""
