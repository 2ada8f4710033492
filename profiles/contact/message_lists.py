"""A user's sent and received messages, newest first, with their full text."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, QuerySet

from accounts.models import User
from core.db.cursors import InvalidCursor
from core.db.keyset import Cursor, Ordering
from profiles.models import BlockedSender, BuilderProfile, ContactMessage, Report
from profiles.permissions import is_public

PAGE_SIZE = 25
_ORDERING = Ordering(F("sent_at"), datetime)


class SentMessage(NamedTuple):
    """A message and its recipient. `builder` is None if the builder's page is not public."""

    message: ContactMessage
    builder: BuilderProfile | None


def sent_messages(sender: User, after: str) -> tuple[list[SentMessage], str]:
    """Return one page of sent messages after a cursor, and the next page's cursor or "". Runs one query.

    An invalid cursor starts at the first page.
    """
    found = ContactMessage.objects.filter(sender=sender).select_related("builder__user")
    shown, next_cursor = _page(found, after)
    return [SentMessage(each, visible_builder(each.builder)) for each in shown], next_cursor


def received_messages(recipient: User, after: str) -> tuple[list[ContactMessage], str]:
    """Return one page of received messages after a cursor, and the next page's cursor or "". Runs one query.

    Each message has the attributes `is_reported` and `is_blocked`.
    """
    reported = Report.objects.filter(message=OuterRef("pk"), state=Report.State.OPEN)
    blocked = BlockedSender.objects.filter(builder=OuterRef("builder"), sender=OuterRef("sender"))
    found = ContactMessage.objects.filter(builder__user=recipient).select_related("sender")
    return _page(found.annotate(is_reported=Exists(reported), is_blocked=Exists(blocked)), after)


def visible_builder(builder: BuilderProfile) -> BuilderProfile | None:
    """Return the builder, or None if the public cannot view the page."""
    return builder if builder.slug and is_public(builder) else None


def _page(found: QuerySet[ContactMessage], after: str) -> tuple[list[ContactMessage], str]:
    messages = list(_ORDERING.after(found, _cursor(after))[: PAGE_SIZE + 1])
    shown = messages[:PAGE_SIZE]
    next_cursor = _ORDERING.encode_cursor(_ORDERING.cursor_for(shown[-1])) if len(messages) > PAGE_SIZE else ""
    return shown, next_cursor


def _cursor(text: str) -> Cursor | None:
    try:
        return _ORDERING.decode_cursor(text)
    except InvalidCursor:
        return None
