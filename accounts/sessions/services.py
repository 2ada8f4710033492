"""Load the user of a verified session token with one query, and end sessions."""

from datetime import timedelta
from functools import cache

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.http import HttpRequest
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue

from accounts.clerk import api
from accounts.clerk.authentication import claims_even_if_expired
from accounts.clerk.payloads import ClerkSessionEnded
from accounts.clerk.tokens import SessionClaims
from accounts.models import EndedSession, User
from accounts.sync.apply import apply_user
from audit.log import SYSTEM
from core.db.statements import insert_if_new

#: Tokens are valid for one minute. The rest covers sessions ended here while Clerk was unreachable.
RETENTION = timedelta(days=30)
#: Retries for requests to Clerk.
CLERK_RETRY = RetryStrategy(max_attempts=8, exponential_wait=3)


def end_session(payload: ClerkSessionEnded) -> bool:
    """Reject the tokens of a session from now on. Return False if it had already ended."""
    session = EndedSession(session_id=payload.session_id, clerk_id=payload.clerk_id, ended_at=payload.ended_at)
    return insert_if_new(session)


def delete_old() -> int:
    deleted, _ = EndedSession.objects.filter(ended_at__lt=timezone.now() - RETENTION).delete()
    return deleted


def load_user(claims: SessionClaims) -> User | AnonymousUser:
    """Return the user of `claims`, or an anonymous user if the user is inactive or the session has ended.

    A valid token can belong to a banned or deleted user for up to a minute. If no webhook about the user has arrived
    yet, a provisional user is created: webhooks can be late, and new users start right away.
    """
    row = _load(claims)
    if row is None:
        _create_provisional(claims.clerk_id)
        row = _load(claims)
    user, has_ended = row or (AnonymousUser(), True)
    return user if user.is_active and not has_ended else AnonymousUser()


def _load(claims: SessionClaims) -> tuple[User, bool] | None:
    with connection.cursor() as cursor:
        cursor.execute(_select(), [claims.session_id, claims.clerk_id])
        row = cursor.fetchone()
    if row is None:
        return None
    *values, has_ended = row
    return User.from_db(connection.alias, [field.attname for field in User._meta.concrete_fields], values), has_ended


@cache
def _select() -> str:
    """Return the query of `_load`. It is cached because the ORM takes longer to compile it than PostgreSQL to run it."""
    ended, users = EndedSession._meta.db_table, User._meta.db_table
    columns = ", ".join(f'"{field.column}"' for field in User._meta.concrete_fields)
    # Contains only table and column names, which come from the models.
    ended_expression = f'EXISTS (SELECT FROM "{ended}" WHERE "session_id" = %s)'
    return f'SELECT {columns}, {ended_expression} FROM "{users}" WHERE "clerk_id" = %s'  # noqa: S608


@transaction.atomic
def _create_provisional(clerk_id: str) -> None:
    """Create a provisional user without roles and profiles, and queue a fetch of the rest from Clerk."""
    user = User(clerk_id=clerk_id, password=UNUSABLE_PASSWORD_PREFIX)
    if insert_if_new(user) and settings.CLERK_SECRET_KEY:
        fetch_user.defer(clerk_id=clerk_id)


@queue.task(retry=CLERK_RETRY)
def fetch_user(clerk_id: str) -> None:
    """Fetch a user known only from a session token and apply the payload like an event.

    Clerk's webhook usually arrives first.
    """
    payload = api.get_user(clerk_id)
    with transaction.atomic():
        apply_user(payload, actor=SYSTEM)


def recent_claims(request: HttpRequest) -> SessionClaims | None:
    """Return the claims of a valid or recently expired token, if it names a session of a known user.

    They identify whose form to preserve and which session to sign out. They must never grant access.
    """
    claims = claims_even_if_expired(request)
    if claims is None or not claims.session_id:
        return None
    return claims if User.objects.filter(clerk_id=claims.clerk_id).exists() else None


@transaction.atomic
def sign_out(request: HttpRequest) -> None:
    """End the session of `request` here, and queue ending it at Clerk. Works with recently expired tokens as well."""
    claims = recent_claims(request)
    if claims is None:
        return
    is_new = end_session(ClerkSessionEnded(claims.clerk_id, claims.session_id, timezone.now()))
    if is_new and settings.CLERK_SECRET_KEY:
        revoke_session.defer(session_id=claims.session_id)


@queue.task(retry=CLERK_RETRY)
def revoke_session(session_id: str) -> None:
    """End a session at Clerk that has already ended here."""
    api.revoke_session(session_id)
