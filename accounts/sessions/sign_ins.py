"""Record in the audit log that a user signed in with Clerk."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from functools import cache

from django.utils import timezone

from accounts.clerk.session_payloads import ClerkSessionStarted
from accounts.models import User
from accounts.sessions import services as sessions
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.loading import load, loaded_fields
from core.db.statements import hot_cursor

SIGNED_IN = AuditLog.Action.USER_SIGNED_IN
#: Maximum delay between a sign-in event and the event about its new user. Svix retries for about a day.
MAX_DELAY = timedelta(days=1)


class Outcome(StrEnum):
    RECORDED = "recorded"
    UNKNOWN_USER = "unknown user"
    DELETED_USER = "deleted user"


def record(payloads: Sequence[tuple[ClerkSessionStarted, Actor]]) -> list[Outcome]:
    """Record sign-ins, once per delivery. Must run in a transaction.

    If the event for a new user has not arrived yet, the user is created provisionally, as for session tokens. Sign-ins
    of deleted users are not recorded, because their personal data may already be erased.

    Args:
        payloads: pairs of a payload and an actor. The actor has the delivery ID, IP address and browser.
    """
    deliveries = [actor.delivery for _, actor in payloads]
    users, recorded = _find({payload.clerk_id for payload, _ in payloads}, deliveries)
    recent = {payload.clerk_id for payload, _ in payloads if payload.started_at > timezone.now() - MAX_DELAY}
    if unknown := recent - set(users):
        sessions.create_provisional(unknown)
        users |= _find(unknown, [])[0]
    return [_record(users.get(payload.clerk_id), payload, actor, recorded) for payload, actor in payloads]


def _record(user: User | None, payload: ClerkSessionStarted, actor: Actor, recorded: set[str]) -> Outcome:
    if user is None:
        return Outcome.UNKNOWN_USER
    if user.deleted_at:
        return Outcome.DELETED_USER
    if actor.delivery not in recorded:
        person = replace(actor, user=user, impersonator=payload.impersonator)
        log.record(SIGNED_IN, actor=person, target=user, session=payload.session_id)
    return Outcome.RECORDED


def _find(clerk_ids: Iterable[str], deliveries: Sequence[str | None]) -> tuple[dict[str, User], set[str]]:
    """Return users by Clerk ID, and the deliveries that are already recorded."""
    with hot_cursor() as cursor:
        cursor.execute(_select(), [list(deliveries), list(clerk_ids)])
        rows = cursor.fetchall()
    users = [load(User, values) for *values, _ in rows]
    recorded = {delivery for *_, known in rows for delivery in known}
    return {str(user.clerk_id): user for user in users}, recorded


@cache
def _select() -> str:
    """Return the query for `_find`, compiled once."""
    columns = ", ".join(f'"{field.column}"' for field in loaded_fields(User))
    audited, users = AuditLog._meta.db_table, User._meta.db_table
    # The SQL contains only table and column names from the models.
    recorded = f"SELECT delivery FROM {audited} WHERE delivery = ANY(%s) AND action = '{SIGNED_IN}'"  # noqa: S608
    return f'SELECT {columns}, ARRAY({recorded}) FROM "{users}" WHERE "clerk_id" = ANY(%s)'  # noqa: S608
