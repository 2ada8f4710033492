"""Sessions at Clerk: from a good token to the person, in one query, and sessions that are over."""

from datetime import timedelta
from functools import cache

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.http import HttpRequest
from django.utils import timezone
from procrastinate.contrib.django import app as queue

from accounts.clerk.authentication import claims_even_if_expired
from accounts.clerk.payloads import ClerkSessionEnded
from accounts.clerk.tokens import SessionClaims
from accounts.models import EndedSession, User
from core.db.statements import insert_if_new

#: Tokens live for a minute. The rest is for a session that was ended here while Clerk was away and could not be told.
REMEMBERED = timedelta(days=30)


def end_session(payload: ClerkSessionEnded) -> None:
    """Refuse the tokens of a session from now on. It may be told of more than once, and never begins again."""
    session = EndedSession(session_id=payload.session_id, clerk_id=payload.clerk_id, ended_at=payload.ended_at)
    insert_if_new(session)


def delete_old() -> int:
    """Delete what is remembered of sessions that ended so long ago that no token of theirs can come; return how many."""
    deleted, _ = EndedSession.objects.filter(ended_at__lt=timezone.now() - REMEMBERED).delete()
    return deleted


def load_user(claims: SessionClaims) -> User | AnonymousUser:
    """Return the person behind `claims`.

    Nobody, if Clerk deleted or banned the person or ended the session, of which webhooks tell before the token expires.
    A person Clerk has not told of yet is welcomed provisionally: webhooks can be late, and people sign in at once.
    """
    found = _found(claims)
    if found is None:
        _welcome(claims.clerk_id)
        found = _found(claims)
    user, is_over = found or (AnonymousUser(), True)
    return user if user.is_active and not is_over else AnonymousUser()


def _found(claims: SessionClaims) -> tuple[User, bool] | None:
    """Return the person, and whether the session is over."""
    with connection.cursor() as cursor:
        cursor.execute(_select(), [claims.session_id, claims.clerk_id])
        row = cursor.fetchone()
    if row is None:
        return None
    *values, is_over = row
    return User.from_db(connection.alias, [field.attname for field in User._meta.concrete_fields], values), is_over


@cache
def _select() -> str:
    """Return the query of `_found`, put together once: the ORM takes longer to compile it than PostgreSQL to run it."""
    ended, users = EndedSession._meta.db_table, User._meta.db_table
    columns = ", ".join(f'"{field.column}"' for field in User._meta.concrete_fields)
    # Only names of tables and columns are put in here, and they come from models.
    over = f'EXISTS (SELECT FROM "{ended}" WHERE "session_id" = %s)'
    return f'SELECT {columns}, {over} FROM "{users}" WHERE "clerk_id" = %s'  # noqa: S608


@transaction.atomic
def _welcome(clerk_id: str) -> None:
    """Make a provisional user, without roles and profiles, and have the rest fetched from Clerk if it can be asked."""
    user = User(clerk_id=clerk_id, password=UNUSABLE_PASSWORD_PREFIX)
    if insert_if_new(user) and settings.CLERK_SECRET_KEY:
        # Named, because the task imports what imports this module.
        queue.configure_task("accounts.tasks.fetch_user").defer(clerk_id=clerk_id)


@transaction.atomic
def sign_out(request: HttpRequest) -> None:
    """End the session behind `request` here now, and at Clerk as soon as Clerk can be reached; an expired one, too."""
    claims = claims_even_if_expired(request)
    if claims is None or not claims.session_id:
        return
    end_session(ClerkSessionEnded(claims.clerk_id, claims.session_id, timezone.now()))
    if settings.CLERK_SECRET_KEY:
        queue.configure_task("accounts.tasks.revoke_session").defer(session_id=claims.session_id)
