"""Related data for the page of an event: its user, neighbouring events, attempts, effects and sender."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.clerk.lead_payloads import LEAD_TYPES
from accounts.clerk.payloads import SECRET_TYPES
from accounts.extensions import extensions
from accounts.models import User
from audit.log import target_key
from audit.models import AuditLog
from webhooks.inbox import signatures
from webhooks.models import Attempt, WebhookEvent

#: Number of rows shown in each list on the page.
MAX_ROWS = 50
#: Headers that are never shown. They should not be stored either.
HIDDEN_HEADERS = ("signature", "cookie", "authorization")


@dataclass(frozen=True, slots=True)
class EventContext:
    """An event's user, the URL of the user's builder page if there is one, and the user's neighbouring events."""

    user: User | None
    page_url: str
    previous: WebhookEvent | None
    next: WebhookEvent | None


def build_context(event: WebhookEvent) -> EventContext:
    """Return an event's user context, using four queries, or none if the event has no user."""
    if not event.clerk_user_id:
        return EventContext(None, "", None, None)
    user = User.objects.filter(clerk_id=event.clerk_user_id).first()
    page_url = extensions.page_url(user.pk) if user else ""
    events = WebhookEvent.objects.filter(clerk_user_id=event.clerk_user_id)
    events = events.only("event_type", "svix_id", "state", "received_at")
    previous = events.filter(pk__lt=event.pk).order_by("-pk").first()
    return EventContext(user, page_url, previous, events.filter(pk__gt=event.pk).order_by("pk").first())


@dataclass(frozen=True, slots=True)
class AttemptHistory:
    """The latest attempts at an event, oldest first, and the number of earlier attempts that are not listed."""

    rows: list[Attempt]
    missing: int


def attempt_history(event: WebhookEvent) -> AttemptHistory:
    """Return an event's attempts. A single attempt without a row is rebuilt from the event."""
    rows = list(event.attempt_rows.order_by("-number")[:MAX_ROWS])[::-1]
    if not rows and event.attempts == 1:
        rows = [_only_attempt(event)]
    return AttemptHistory(rows, max(event.attempts - len(rows), 0))


def _only_attempt(event: WebhookEvent) -> Attempt:
    return Attempt(
        event=event,
        number=1,
        started_at=event.received_at,
        duration=event.duration,
        outcome=event.state,
        error_class=event.error_class,
        error=event.last_error,
        trigger=Attempt.Trigger.DELIVERY,
    )


def effects(event: WebhookEvent) -> QuerySet[AuditLog]:
    """Return the audit rows of the changes that the event caused, in order."""
    return AuditLog.objects.filter(delivery=event.svix_id).exclude(target=target_key(event)).order_by("pk")


def admin_actions(event: WebhookEvent) -> QuerySet[AuditLog]:
    """Return the audit rows of actions on the event itself, latest first."""
    return AuditLog.objects.filter(target=target_key(event)).order_by("-pk")


def visible_headers(event: WebhookEvent) -> list[tuple[str, str]]:
    headers = event.headers.items() if isinstance(event.headers, dict) else ()
    return [(name, value) for name, value in headers if not any(word in name.lower() for word in HIDDEN_HEADERS)]


def describe_secret(event: WebhookEvent) -> str:
    position = signatures.position(event.secret_fingerprint)
    if position is None:
        return _("no longer in CLERK_WEBHOOK_SECRET")
    count = len(settings.CLERK_WEBHOOK_SECRETS)
    if count == 1:
        return _("the only one in CLERK_WEBHOOK_SECRET")
    return _("number %(position)d of %(count)d in CLERK_WEBHOOK_SECRET") % {"position": position, "count": count}


def why_no_payload(event: WebhookEvent, user: User | None) -> str:
    if event.event_type in SECRET_TYPES:
        return _("The payload was not stored, because events of this type contain one-time codes.")
    if user and user.erased_at:
        return _("The payload was erased with the personal data of this user.")
    days = settings.PAYLOAD_RETENTION_DAYS
    if event.event_type in LEAD_TYPES and event.received_at > timezone.now() - timedelta(days=days):
        return _("The payload was erased with the personal data of this waitlist entry or invitation.")
    text = ngettext(
        "The payload was deleted after %d day, because Svix can no longer send the event again.",
        "The payload was deleted after %d days, because Svix can no longer send the event again.",
        days,
    )
    return text % days
