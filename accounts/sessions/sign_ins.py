"""Record in the audit log that a user signed in with Clerk, and notify users of sign-ins from new devices."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from functools import cache

from django.utils import timezone

from accounts.clerk.session_payloads import ClerkSessionStarted
from accounts.models import KnownDevice, User
from accounts.notifications import account_emails
from accounts.sessions import devices
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


@dataclass(frozen=True, slots=True)
class _Found:
    """A user, and the digests of the user's known devices."""

    user: User
    devices: set[str]


def record(payloads: Sequence[tuple[ClerkSessionStarted, Actor]]) -> list[Outcome]:
    """Record sign-ins, once per delivery. Must run in a transaction.

    If the event for a new user has not arrived yet, the user is created provisionally, as for session tokens. Sign-ins
    of deleted users are not recorded, because their personal data may already be erased.

    Args:
        payloads: pairs of a payload and an actor. The actor has the delivery ID, IP address and browser.
    """
    deliveries = [actor.delivery for _, actor in payloads]
    found, recorded = _find({payload.clerk_id for payload, _ in payloads}, deliveries)
    recent = {payload.clerk_id for payload, _ in payloads if _is_recent(payload)}
    if unknown := recent - set(found):
        sessions.create_provisional(unknown)
        found |= _find(unknown, [])[0]
    return [_record(found.get(payload.clerk_id), payload, actor, recorded) for payload, actor in payloads]


def _is_recent(payload: ClerkSessionStarted) -> bool:
    return payload.started_at > timezone.now() - MAX_DELAY


def _record(found: _Found | None, payload: ClerkSessionStarted, actor: Actor, recorded: set[str]) -> Outcome:
    if found is None:
        return Outcome.UNKNOWN_USER
    if found.user.deleted_at:
        return Outcome.DELETED_USER
    if actor.delivery not in recorded:
        person = replace(actor, user=found.user, impersonator=payload.impersonator)
        log.record(SIGNED_IN, actor=person, target=found.user, session=payload.session_id)
        if payload.impersonator is None:
            _check_device(found, payload, actor)
    return Outcome.RECORDED


def _check_device(found: _Found, payload: ClerkSessionStarted, actor: Actor) -> None:
    """Store the device, and notify the user if it is new and the event is not an old one that was sent again."""
    device = devices.identify(payload, actor.user_agent)
    if device and devices.remember(found.user, device, found.devices) and _is_recent(payload):
        account_emails.notify_new_device(
            found.user,
            session_id=payload.session_id,
            signed_in_at=payload.started_at,
            device=", ".join(filter(None, (device.browser, device.system))),
            ip_address=actor.ip_address or "",
            place=payload.place,
        )


def _find(clerk_ids: Iterable[str], deliveries: Sequence[str | None]) -> tuple[dict[str, _Found], set[str]]:
    """Return users by Clerk ID, and the deliveries that are already recorded."""
    with hot_cursor() as cursor:
        cursor.execute(_select(), [list(deliveries), list(clerk_ids)])
        rows = cursor.fetchall()
    found = [_Found(load(User, values), set(digests)) for *values, _, digests in rows]
    recorded = {delivery for *_, known, _ in rows for delivery in known}
    return {str(each.user.clerk_id): each for each in found}, recorded


@cache
def _select() -> str:
    """Return the query for `_find`, compiled once."""
    columns = ", ".join(f'"{field.column}"' for field in loaded_fields(User))
    audited, users, known = (model._meta.db_table for model in (AuditLog, User, KnownDevice))
    # The SQL contains only table and column names from the models.
    recorded = f"SELECT delivery FROM {audited} WHERE delivery = ANY(%s) AND action = '{SIGNED_IN}'"  # noqa: S608
    digests = f'SELECT digest FROM {known} WHERE user_id = "{users}"."id"'  # noqa: S608
    return f'SELECT {columns}, ARRAY({recorded}), ARRAY({digests}) FROM "{users}" WHERE "clerk_id" = ANY(%s)'  # noqa: S608
