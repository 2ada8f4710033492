"""Sessions at Clerk: from a good token to the person, in one query, and sessions that are over."""

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists

from accounts.clerk.payloads import ClerkSessionEnded
from accounts.clerk.tokens import SessionClaims
from accounts.models import EndedSession, User
from audit.statements import insert_if_new


def end(payload: ClerkSessionEnded) -> None:
    """Refuse the tokens of a session from now on. It may be told of more than once, and never begins again."""
    session = EndedSession(session_id=payload.session_id, clerk_id=payload.clerk_id, ended_at=payload.ended_at)
    insert_if_new(session)


def load_user(claims: SessionClaims) -> User | AnonymousUser | None:
    """Return the person behind `claims`.

    Returns:
        The user; nobody if Clerk deleted or banned the person or ended the session, of which webhooks tell before the
        token expires; None if Clerk has not told of this person yet.
    """
    ended = EndedSession.objects.filter(session_id=claims.session_id)
    found = User.objects.filter(clerk_id=claims.clerk_id).annotate(session_ended=Exists(ended))
    user = next(iter(found), None)
    if user is None:
        return None
    return user if user.is_active and not user.session_ended else AnonymousUser()
