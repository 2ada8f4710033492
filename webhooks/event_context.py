"""What stands around an event: its person, that person's events before and after, who sent it, and why it has no payload."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from accounts.clerk.payloads import SECRET_TYPES
from accounts.models import User
from audit.log import target_key
from audit.models import AuditLog
from webhooks.inbox import signatures
from webhooks.models import Attempt, WebhookEvent

#: Of each list on the page.
MOST_SHOWN = 50
#: None of these is stored; should one ever be, it is not shown.
NEVER_SHOWN = ("signature", "cookie", "authorization")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """An event's person, where their page is if they have one, and their events before and after."""

    user: User | None
    page: str
    previous: WebhookEvent | None
    next: WebhookEvent | None


def of(event: WebhookEvent) -> Surroundings:
    """Return what stands around an event; four statements, and none for one that is about nobody."""
    if not event.clerk_user_id:
        return Surroundings(None, "", None, None)
    user = User.objects.filter(clerk_id=event.clerk_user_id).first()
    page = import_string(settings.PROFILE_URL_LOOKUP)(user.pk) if user else ""
    same = WebhookEvent.objects.filter(clerk_user_id=event.clerk_user_id)
    same = same.only("event_type", "svix_id", "state", "received_at")
    previous = same.filter(pk__lt=event.pk).order_by("-pk").first()
    return Surroundings(user, page, previous, same.filter(pk__gt=event.pk).order_by("pk").first())


@dataclass(frozen=True, slots=True)
class Tries:
    """The attempts at an event, oldest first, and how many there were before them of which nothing is known."""

    rows: list[Attempt]
    unknown: int


def tries(event: WebhookEvent) -> Tries:
    """Return the attempts. Of a single one the event's own row tells all but the traceback."""
    rows = list(event.attempt_rows.order_by("-number")[:MOST_SHOWN])[::-1]
    if not rows and event.attempts == 1:
        rows = [_only_attempt(event)]
    return Tries(rows, max(event.attempts - len(rows), 0))


def _only_attempt(event: WebhookEvent) -> Attempt:
    return Attempt(
        event=event,
        number=1,
        started_at=event.received_at,
        duration=event.duration,
        outcome=event.state,
        error_class=event.error_class,
        error=event.last_error,
        via=Attempt.Via.DELIVERY,
    )


def effects(event: WebhookEvent) -> QuerySet[AuditLog]:
    """Return what the event changed, in order."""
    return AuditLog.objects.filter(delivery=event.svix_id).exclude(target=target_key(event)).order_by("pk")


def deeds(event: WebhookEvent) -> QuerySet[AuditLog]:
    """Return what people did with the event, the latest first."""
    return AuditLog.objects.filter(target=target_key(event)).order_by("-pk")


def headers(event: WebhookEvent) -> list[tuple[str, str]]:
    """Return the stored headers."""
    kept = event.headers.items() if isinstance(event.headers, dict) else ()
    return [(name, value) for name, value in kept if not any(word in name.lower() for word in NEVER_SHOWN)]


def secret(event: WebhookEvent) -> str:
    """Return which signing secret it was signed with."""
    place = signatures.position(event.secret_fingerprint)
    if place is None:
        return _("none of those in CLERK_WEBHOOK_SECRET any more")
    count = len(settings.CLERK_WEBHOOK_SECRETS)
    if count == 1:
        return _("the one in CLERK_WEBHOOK_SECRET")
    return _("number %(place)d of the %(count)d in CLERK_WEBHOOK_SECRET") % {"place": place, "count": count}


def why_empty(event: WebhookEvent, user: User | None) -> str:
    """Return why the event has no payload."""
    if event.event_type in SECRET_TYPES:
        return _("The payload was not kept: events of this type carry one-time codes.")
    if user and user.erased_at:
        return _("The payload was erased, with everything else that told who this person was.")
    days = settings.PAYLOAD_RETENTION_DAYS
    return _("The payload was emptied: payloads are kept for %d days, as long as Svix can send them again.") % days
