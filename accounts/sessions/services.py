"""Load a verified session token's user with one query, and end sessions."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue

from accounts.clerk import api
from accounts.clerk.authentication import claims_even_if_expired
from accounts.clerk.session_payloads import ClerkSessionEnded
from accounts.clerk.tokens import SessionClaims
from accounts.models import EndedSession, User
from accounts.sync.apply import apply_user
from audit.log import SYSTEM
from core.db.loading import load, loaded_fields
from core.db.statements import hot_cursor, insert_new
from core.jobs import BULK, URGENT, Person, describe

#: Tokens are valid for one minute. The additional time covers sessions that ended here while Clerk was unreachable.
RETENTION = timedelta(days=30)
#: Number of retries for requests to Clerk.
CLERK_RETRY = RetryStrategy(max_attempts=8, exponential_wait=3)


def end_session(payload: ClerkSessionEnded) -> bool:
    """Record that a session has ended, so that its tokens are rejected. Return False if it had already ended."""
    return bool(end_sessions([payload]))


def end_sessions(payloads: Sequence[ClerkSessionEnded]) -> list[EndedSession]:
    """Mark sessions as ended in one statement, and return the sessions that had not ended before."""
    sessions = [EndedSession(session_id=p.session_id, clerk_id=p.clerk_id, ended_at=p.ended_at) for p in payloads]
    return insert_new(sessions, key="session_id")


def delete_old() -> int:
    deleted, _ = EndedSession.objects.filter(ended_at__lt=timezone.now() - RETENTION).delete()
    return deleted


def load_user(claims: SessionClaims) -> User | AnonymousUser:
    """Return the user for `claims`, or an anonymous user if the user is inactive or the session has ended.

    A banned or deleted user's token can remain valid for up to a minute. If no webhook about the user has arrived yet,
    a provisional user is created, so that new users can start even if webhooks are delayed.
    """
    row = _load(claims)
    if row is None:
        with transaction.atomic():
            create_provisional([claims.clerk_id], priority=URGENT)  # the person is waiting
        row = _load(claims)
    user, has_ended = row or (AnonymousUser(), True)
    return user if user.is_active and not has_ended else AnonymousUser()


def _load(claims: SessionClaims) -> tuple[User, bool] | None:
    with hot_cursor() as cursor:
        cursor.execute(_select(), [claims.session_id, claims.clerk_id])
        row = cursor.fetchone()
    if row is None:
        return None
    *values, has_ended = row
    return load(User, values), has_ended


@cache
def _select() -> str:
    """Return the query for `_load`. It is cached because compiling it with the ORM takes longer than running it."""
    ended, users = EndedSession._meta.db_table, User._meta.db_table
    columns = ", ".join(f'"{field.column}"' for field in loaded_fields(User))
    # Contains only table and column names from the models.
    ended_expression = f'EXISTS (SELECT FROM "{ended}" WHERE "session_id" = %s)'
    return f'SELECT {columns}, {ended_expression} FROM "{users}" WHERE "clerk_id" = %s'  # noqa: S608


def create_provisional(clerk_ids: Iterable[str], *, priority: int = BULK) -> None:
    """Create provisional users without roles and profiles, and queue fetching their data from Clerk.

    Must run in a transaction. Existing users are not changed.

    Args:
        priority: of the queued jobs, see core.jobs.
    """
    users = [User(clerk_id=clerk_id, password=UNUSABLE_PASSWORD_PREFIX) for clerk_id in sorted(set(clerk_ids))]
    for user in insert_new(users, key="clerk_id"):
        if settings.CLERK_SECRET_KEY:
            fetch_user.configure(priority=priority).defer(clerk_id=str(user.clerk_id))


@queue.task(retry=CLERK_RETRY)
@describe(
    _("Fetch a new user"),
    _(
        "Fetches a person from Clerk who signed in before their first webhook arrived. If the job fails, the person has no profile until a webhook arrives."
    ),
    person=Person("clerk_id", "accounts.User", "clerk_id", "clerk_id"),
)
def fetch_user(clerk_id: str) -> None:
    """Fetch a user who is known only from a session token, and apply the payload like an event.

    Clerk's webhook usually arrives first.
    """
    payload = api.get_user(clerk_id)
    with transaction.atomic():
        apply_user(payload, actor=SYSTEM)


def recent_claims(request: HttpRequest) -> SessionClaims | None:
    """Return the claims of a valid or recently expired token, if it names a known user's session.

    They identify the user of a preserved form and the session to sign out. They must never grant access.
    """
    claims = claims_even_if_expired(request)
    if claims is None or not claims.session_id:
        return None
    return claims if User.objects.filter(clerk_id=claims.clerk_id).exists() else None


@transaction.atomic
def sign_out(request: HttpRequest) -> None:
    """End the request's session here, and queue a job to end it in Clerk.

    This also works with recently expired tokens.
    """
    claims = recent_claims(request)
    if claims is None:
        return
    is_new = end_session(ClerkSessionEnded(claims.clerk_id, claims.session_id, timezone.now()))
    if is_new and settings.CLERK_SECRET_KEY:
        revoke_session.defer(session_id=claims.session_id)


@queue.task(retry=CLERK_RETRY)
@describe(
    _("End a session in Clerk"),
    _(
        "Ends a session in Clerk after the person signed out here. If the job fails, the session stays open in Clerk, but it no longer works here."
    ),
    person=Person("session_id", "accounts.EndedSession", "session_id", "clerk_id"),
)
def revoke_session(session_id: str) -> None:
    """End a session in Clerk that has already ended here."""
    api.revoke_session(session_id)
