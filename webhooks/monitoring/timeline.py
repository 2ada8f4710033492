"""One person's story: all that is known to have happened, newest first, from the tables that tell of it.

Each table is read backwards by its own ids, and the latest of all heads comes next. A page ends with the id it reached in
each table, so the next page begins there whatever came meanwhile, and costs the same however long the story is.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import EndedSession, MetadataPush, User
from audit.log import target_of
from audit.models import AuditLog
from webhooks.models import WebhookEvent

#: Lines a page.
PAGE = 50
#: The last id that was shown of each source.
type Place = dict[str, int]


class NoPlace(ValueError):
    """What is said to be a place in a story is none."""


@dataclass(slots=True)
class Line:
    """One thing that happened.

    Attributes:
        source: of which of SOURCES.
        row: what tells of it.
        event: for an audit row, the event behind it, if there is one.
        deeds: for an event, what people did about it.
    """

    source: str
    at: datetime
    row: Any
    event: WebhookEvent | None = None
    deeds: list[AuditLog] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Story:
    """A page of it; `further` leads to what happened before, and is empty where it begins."""

    lines: list[Line]
    further: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A Clerk id that an account has, or had from one move of identities to another."""

    clerk_id: str
    since: datetime | None = None
    until: datetime | None = None

    def when(self, column: str, moment: str) -> Q:
        """Return what rows meet that are of it."""
        bounds = {f"{moment}__gte": self.since, f"{moment}__lt": self.until}
        return Q(**{column: self.clerk_id}, **{name: at for name, at in bounds.items() if at})


def identities(user: User) -> list[Identity]:
    """Return the Clerk id that an account has, and those that it had before an admin moved them.

    What happened under the present one before it came here is told, too: it is the same person.
    """
    found, since = [Identity(user.clerk_id)] if user.clerk_id else [], None
    for row in AuditLog.objects.about(user.pk).filter(action=AuditLog.Action.IDENTITY_MOVED).order_by("pk"):
        clerk_id = ((row.details or {}).get("before") or {}).get("clerk_id")
        if clerk_id and clerk_id != user.clerk_id:
            found.append(Identity(clerk_id, since, row.timestamp))
        since = row.timestamp
    return found


def _under(rows: QuerySet[Any], had: Iterable[Identity], column: str, moment: str) -> QuerySet[Any]:
    conditions = [identity.when(column, moment) for identity in had]
    return rows.filter(reduce(or_, conditions)) if conditions else rows.none()  # NULL would be no person's


def _events(user: User, had: list[Identity]) -> QuerySet[Any]:
    return _under(WebhookEvent.objects.defer("payload", "headers"), had, "clerk_user_id", "received_at")


def _sessions(user: User, had: list[Identity]) -> QuerySet[Any]:
    return _under(EndedSession.objects.all(), had, "clerk_id", "ended_at")


#: A letter for the address, whose rows they are, and the column that says when it was.
SOURCES: dict[str, tuple[Callable[[User, list[Identity]], QuerySet[Any]], str]] = {
    "e": (_events, "received_at"),
    "a": (lambda user, _had: AuditLog.objects.about(user.pk), "timestamp"),
    "s": (_sessions, "ended_at"),
    "p": (lambda user, _had: MetadataPush.objects.filter(user=user), "requested_at"),
}


def tell(user: User, *, place: str = "", until: datetime | None = None) -> Story:
    """Return a page of the story; seven statements, however long it is.

    Args:
        place: where to go on, as the page before said.
        until: leave out what happened later.

    Raises:
        NoPlace: `place` was not said by any page.
    """
    reached, had = parse_place(place), identities(user)
    heads = {source: _rows(user, had, source, reached.get(source), until) for source in SOURCES}
    lines: list[Line] = []
    while len(lines) < PAGE and any(heads.values()):
        line = max((rows[0] for rows in heads.values() if rows), key=lambda line: line.at)
        heads[line.source].pop(0)
        reached[line.source] = line.row.pk
        lines.append(line)
    _add_events(lines)
    _add_deeds(lines, user)
    return Story(lines, format_place(reached) if any(heads.values()) else "")


def format_place(reached: Mapping[str, int]) -> str:
    return ".".join(f"{source}{pk}" for source, pk in sorted(reached.items()))


def parse_place(text: str) -> Place:
    """Return what `format_place` was given.

    Raises:
        NoPlace: it is something else.
    """
    if not re.fullmatch(r"(?:[a-z]\d{1,18}(?:\.[a-z]\d{1,18})*)?", text, re.ASCII):
        raise NoPlace(text)
    return {part[0]: int(part[1:]) for part in text.split(".") if part}


def _rows(user: User, had: list[Identity], source: str, before: int | None, until: datetime | None) -> list[Line]:
    """Return the rows of a source that may be on the page, and one more, newest first."""
    of, moment = SOURCES[source]
    rows = of(user, had).order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    if until is not None:
        rows = rows.filter(**{f"{moment}__lte": until})
    return [Line(source, getattr(row, moment), row) for row in rows[: PAGE + 1]]


def _add_events(lines: Iterable[Line]) -> None:
    """Find the events behind audit rows."""
    changes = [line for line in lines if line.source == "a" and line.row.delivery]
    events = WebhookEvent.objects.filter(svix_id__in={line.row.delivery for line in changes}).only(
        "svix_id", "event_type"
    )
    found = {event.svix_id: event for event in events}
    for line in changes:
        line.event = found.get(line.row.delivery)


def _add_deeds(lines: Iterable[Line], user: User) -> None:
    """Find what people did about events; rows about the person have lines of their own."""
    events = {target_of(line.row): line for line in lines if line.source == "e"}
    for deed in AuditLog.objects.filter(target__in=events).exclude(subject=user.pk).order_by("pk"):
        events[deed.target].deeds.append(deed)
