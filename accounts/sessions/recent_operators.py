"""Copies of the operators who used the admin recently, in the memory of this process.

While the table of users is locked, `request.user` cannot be loaded. Without a copy, the pages that explain the problem
would only be available once it is over. A copy is used only for reading pages in the admin, only if the table was locked
during the same request, and only for KEEP_S. Nobody can change a user while the table is locked.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db import OperationalError
from django.http import HttpRequest
from psycopg.errors import LockNotAvailable

from accounts.clerk.authentication import SignedIn, State
from accounts.models import User
from core.db.timeouts import TIMEOUTS_MS, short_timeouts

#: Seconds that a copy is kept after the operator's last request.
KEEP_S = 900
#: After the table was found to be locked, pages of this process wait for it only briefly for this many seconds.
RETRY_AFTER_S, LOCK_TIMEOUT_MS = 10, 200
LOCKED = "recent_operators_locked"


def load(request: HttpRequest, state: State, read: Callable[[], User | AnonymousUser]) -> User | AnonymousUser:
    """Return the user that `read` loads from the table, or the copy of the session's user if the table is locked."""
    try:
        with _timeouts(request):
            user = read()
    except OperationalError as error:
        if copy := _copy(request, state, error):
            return copy
        raise
    if isinstance(user, User):
        _remember(request, state, user)
    return user


def _timeouts(request: HttpRequest) -> AbstractContextManager[None]:
    if _only_reads(request) and cache.get(LOCKED):
        return short_timeouts(lock_ms=LOCK_TIMEOUT_MS, statement_ms=TIMEOUTS_MS["statement_timeout"])
    return nullcontext()


def _copy(request: HttpRequest, state: State, error: OperationalError) -> User | None:
    """Return the copy of the user whom a request's session names, or None."""
    if not isinstance(error.__cause__, LockNotAvailable):
        return None
    cache.set(LOCKED, value=True, timeout=RETRY_AFTER_S)
    key = _key(request, state) if _only_reads(request) else ""
    user: User | None = cache.get(key) if key else None
    return user


def _remember(request: HttpRequest, state: State, user: User) -> None:
    cache.delete(LOCKED)
    if user.is_staff and (key := _key(request, state)):
        cache.set(key, user, KEEP_S)


def _only_reads(request: HttpRequest) -> bool:
    return request.method in ("GET", "HEAD")


def _key(request: HttpRequest, state: State) -> str:
    """Return the key of a session that has been verified, or "" without one."""
    if isinstance(state, SignedIn):
        session, user = state.claims.session_id, state.claims.clerk_id
    else:
        session, user = request.session.session_key or "", request.session.get(SESSION_KEY, "")
    return f"recent_operator:{session}:{user}" if session and user else ""
