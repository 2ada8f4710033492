"""Query conditions on users' events, for the user list in accounts."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from webhooks.models import WebhookEvent


def has_event_since(since: datetime | None) -> Q:
    """Return a condition for users with an event since the given time, or with any event if `since` is None. With
    `since`, the query starts from the events, because a period has fewer events than there are users.
    """
    if since is None:
        return Q(Exists(WebhookEvent.objects.filter(clerk_user_id=OuterRef("clerk_id"))))
    recent = WebhookEvent.objects.filter(received_at__gte=since, clerk_user_id__isnull=False)
    return Q(clerk_id__in=recent.values("clerk_user_id"))
