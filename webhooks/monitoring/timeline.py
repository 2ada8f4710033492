"""The timeline of a user: events, audit log entries, ended sessions and pushes, newest first.

Each table is read in descending order of IDs, and the rows are merged by time. A page's cursor contains the last ID
shown from each table. Rows added in the meantime therefore do not shift later pages, and every page costs the same.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import EndedSession, MetadataPush, User
from audit.log import target_key
from audit.models import AuditLog
from core.db.cursors import format_cursor, parse_cursor
from webhooks.models import WebhookEvent

PAGE_SIZE = 50


@dataclass(slots=True)
class Entry:
    """One line of the timeline.

    Attributes:
        source: a key of SOURCES.
        event: for an audit log entry, the event that caused the change, if any.
        actions: for an event, the operator actions on it.
    """

    source: str
    at: datetime
    row: Any
    event: WebhookEvent | None = None
    actions: list[AuditLog] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of entries; `next_cursor` is empty on the last page."""

    entries: list[Entry]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class Identity:
    """An account's Clerk ID. IDs that the account had before an identity move have time bounds."""

    clerk_id: str
    since: datetime | None = None
    until: datetime | None = None

    def condition(self, id_field: str, time_field: str) -> Q:
        bounds = {f"{time_field}__gte": self.since, f"{time_field}__lt": self.until}
        return Q(**{id_field: self.clerk_id}, **{name: at for name, at in bounds.items() if at})


def identities(user: User) -> list[Identity]:
    """Return the account's current Clerk ID, and earlier IDs that an admin replaced by joining two accounts.

    The current ID has no start time, because its events from before the move belong to the same person.
    """
    found, since = [Identity(user.clerk_id)] if user.clerk_id else [], None
    for row in AuditLog.objects.about(user.pk).filter(action=AuditLog.Action.IDENTITY_MOVED).order_by("pk"):
        clerk_id = ((row.details or {}).get("before") or {}).get("clerk_id")
        if clerk_id and clerk_id != user.clerk_id:
            found.append(Identity(clerk_id, since, row.timestamp))
        since = row.timestamp
    return found


def _of_identities(rows: QuerySet[Any], known: Iterable[Identity], id_field: str, time_field: str) -> QuerySet[Any]:
    conditions = [identity.condition(id_field, time_field) for identity in known]
    # An empty filter would return the rows of all users.
    return rows.filter(reduce(or_, conditions)) if conditions else rows.none()


def _events(user: User, known: list[Identity]) -> QuerySet[Any]:
    return _of_identities(WebhookEvent.objects.defer("payload", "headers"), known, "clerk_user_id", "received_at")


def _sessions(user: User, known: list[Identity]) -> QuerySet[Any]:
    return _of_identities(EndedSession.objects.all(), known, "clerk_id", "ended_at")


#: The rows and the time field of each source.
SOURCES: dict[str, tuple[Callable[[User, list[Identity]], QuerySet[Any]], str]] = {
    "e": (_events, "received_at"),
    "a": (lambda user, _known: AuditLog.objects.about(user.pk), "timestamp"),
    "s": (_sessions, "ended_at"),
    "p": (lambda user, _known: MetadataPush.objects.filter(user=user), "requested_at"),
}


def fetch_page(user: User, *, cursor: str = "", until: datetime | None = None) -> Page:
    """Return one page of the timeline; seven statements, regardless of its length.

    Args:
        cursor: `next_cursor` of the previous page; empty for the first page.
        until: exclude later rows.

    Raises:
        InvalidCursor: `cursor` was not returned by a previous page.
    """
    reached, known = _parse_cursor(cursor), identities(user)
    queues = {source: _fetch_rows(user, known, source, reached[source], until) for source in SOURCES}
    entries: list[Entry] = []
    while len(entries) < PAGE_SIZE and any(queues.values()):
        entry = max((rows[0] for rows in queues.values() if rows), key=lambda entry: entry.at)
        queues[entry.source].pop(0)
        reached[entry.source] = entry.row.pk
        entries.append(entry)
    _add_events(entries)
    _add_actions(entries, user)
    return Page(entries, format_cursor([*reached.values()]) if any(queues.values()) else "")


def _parse_cursor(text: str) -> dict[str, int]:
    """Return the last ID shown of each source, or 0 if none of its rows has been shown."""
    ids = parse_cursor(text, [int] * len(SOURCES)) if text else [0] * len(SOURCES)
    return dict(zip(SOURCES, ids, strict=True))


def _fetch_rows(user: User, known: list[Identity], source: str, before: int, until: datetime | None) -> list[Entry]:
    """Return a source's candidates for the page, newest first, plus one to detect a next page."""
    rows_of, time_field = SOURCES[source]
    rows = rows_of(user, known).order_by("-pk")
    if before:
        rows = rows.filter(pk__lt=before)
    if until is not None:
        rows = rows.filter(**{f"{time_field}__lte": until})
    return [Entry(source, getattr(row, time_field), row) for row in rows[: PAGE_SIZE + 1]]


def _add_events(entries: Iterable[Entry]) -> None:
    changes = [entry for entry in entries if entry.source == "a" and entry.row.delivery]
    events = WebhookEvent.objects.filter(svix_id__in={entry.row.delivery for entry in changes}).only(
        "svix_id", "event_type"
    )
    by_svix_id = {event.svix_id: event for event in events}
    for entry in changes:
        entry.event = by_svix_id.get(entry.row.delivery)


def _add_actions(entries: Iterable[Entry], user: User) -> None:
    """Add operator actions to their events. Audit log entries about the user are entries themselves."""
    events = {target_key(entry.row): entry for entry in entries if entry.source == "e"}
    for action in AuditLog.objects.filter(target__in=events).exclude(subject=user.pk).order_by("pk"):
        events[action.target].actions.append(action)
