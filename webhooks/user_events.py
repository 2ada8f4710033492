"""Conditions on users that depend on their events, for the list of users in accounts."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from webhooks.models import WebhookEvent


def has_event_since(since: datetime | None) -> Q:
    """Return a condition on users that have an event since a time, or any event if `since` is None.

    A period is looked up by its events, because there are fewer of them than users.
    """
    if since is None:
        return Q(Exists(WebhookEvent.objects.filter(clerk_user_id=OuterRef("clerk_id"))))
    recent = WebhookEvent.objects.filter(received_at__gte=since, clerk_user_id__isnull=False)
    return Q(clerk_id__in=recent.values("clerk_user_id"))
