"""Change a user's access in Clerk: bans, locks and sessions. The local state follows Clerk's answer, as with webhooks."""

from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.clerk import api
from accounts.clerk.api import ClerkApiError
from accounts.clerk.session_payloads import ClerkSession, ClerkSessionEnded
from accounts.models import User
from accounts.sessions.services import end_sessions, revoke_session
from accounts.sync.apply import apply_user
from audit import log
from audit.log import Actor
from audit.models import AuditLog


class Change(StrEnum):
    BAN = "ban"
    UNBAN = "unban"
    LOCK = "lock"
    UNLOCK = "unlock"
    SIGN_OUT = "sign_out"
    END_SESSION = "end_session"


class AccessError(Exception):
    """The change was not made. The message is shown to the admin."""


class NothingToEndError(AccessError):
    """The user has no such active session."""


_REQUESTS = {
    Change.BAN: api.ban_user,
    Change.UNBAN: api.unban_user,
    Change.LOCK: api.lock_user,
    Change.UNLOCK: api.unlock_user,
}


def change_access(user: User, change: Change, *, reason: str, actor: Actor, session_id: str = "") -> int:
    """Change a user's access, and audit the change. Call this outside transactions, because it sends a request.

    Args:
        session_id: the session to end, only for `END_SESSION`.

    Returns:
        The number of ended sessions. Clerk ends more sessions itself after a ban.

    Raises:
        AccessError: Clerk did not make the change, or the admin cannot make it. A failed request is also audited.
    """
    _check(user, change, actor)
    try:
        if change in _REQUESTS:
            _change_user(user, change, reason, actor)
            return 0
        sessions = api.list_active_sessions(str(user.clerk_id))
    except ClerkApiError as error:
        _record(user, change, reason, actor, error=str(error)[:500])
        raise AccessError(str(error)) from error
    if change == Change.END_SESSION:
        sessions = [session for session in sessions if session.session_id == session_id]
    return _end(user, sessions, change, reason, actor)


def _check(user: User, change: Change, actor: Actor) -> None:
    if not user.clerk_id or user.deleted_at:
        raise AccessError(_("%(name)s has no account in Clerk.") % {"name": user})
    if change in (Change.BAN, Change.LOCK) and actor.user and actor.user.pk == user.pk:
        raise AccessError(_("You cannot ban or lock your own account. Ask another admin to do it."))


def _change_user(user: User, change: Change, reason: str, actor: Actor) -> None:
    payload = _REQUESTS[change](str(user.clerk_id))
    with transaction.atomic():
        _record(user, change, reason, actor)
        apply_user(payload, actor=actor)


@transaction.atomic
def _end(user: User, sessions: list[ClerkSession], change: Change, reason: str, actor: Actor) -> int:
    """End sessions here immediately, and queue jobs that end them in Clerk and are retried."""
    if not sessions:
        raise NothingToEndError(_("Nothing was changed, because Clerk lists no such active session."))
    now, clerk_id = timezone.now(), str(user.clerk_id)
    end_sessions([ClerkSessionEnded(clerk_id, session.session_id, now) for session in sessions])
    for session in sessions:
        revoke_session.defer(session_id=session.session_id)
    _record(user, change, reason, actor, sessions=[session.session_id for session in sessions])
    return len(sessions)


def _record(user: User, change: Change, reason: str, actor: Actor, **facts: Any) -> None:
    log.record(AuditLog.Action.ACCESS_CHANGED, actor=actor, target=user, change=change, note=reason, **facts)
