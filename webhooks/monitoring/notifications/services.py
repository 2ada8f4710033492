"""Queue notifications about alerts, with one row per channel, and send them."""

import logging
from collections import defaultdict
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from webhooks.models import Alert, MaintenanceWindow, Notification
from webhooks.monitoring.notifications import channels, delivery, failures, messages
from webhooks.monitoring.notifications.channels import Channel

log = logging.getLogger(__name__)

Kind = Notification.Kind
#: The delay after a failed attempt doubles from the first value up to the second.
RETRY_AFTER, MAX_RETRY_AFTER = timedelta(minutes=1), timedelta(minutes=15)
#: Notifications are abandoned this long after their alert was resolved.
MAX_AGE = timedelta(days=1)
REPLACED = "A newer notification replaced this one."
RESOLVED = "The alert was resolved more than a day ago."
REMOVED = "The channel is no longer in ALERT_URLS."


def queue(alert: Alert, kind: Notification.Kind) -> None:
    """Queue a notification for every channel that receives the alert, except during maintenance.

    The resolution goes to every channel that was notified of the alert, even if its filter has changed.
    """
    if kind != Kind.RESOLVED and is_silent():
        return
    notified = set(alert.notifications.values_list("channel", flat=True)) if kind == Kind.RESOLVED else set()
    names = [
        name
        for name, channel in channels.configured().items()
        if (name in notified if kind == Kind.RESOLVED else channel.accepts(alert))
    ]
    Notification.objects.bulk_create(Notification(alert=alert, kind=kind, channel=name) for name in names)


def queue_for_new_channels(alert: Alert) -> None:
    """Notify the channels that receive an open alert and have not been notified.

    They were added since, or the alert opened during maintenance.
    """
    accepting = [name for name, channel in channels.configured().items() if channel.accepts(alert)]
    if accepting and not is_silent():
        notified = set(alert.notifications.values_list("channel", flat=True))
        new = [name for name in accepting if name not in notified]
        Notification.objects.bulk_create(Notification(alert=alert, kind=Kind.OPENED, channel=name) for name in new)


def is_silent() -> bool:
    """Return whether a maintenance window is active."""
    return MaintenanceWindow.objects.active(timezone.now()).exists()


def send_due() -> None:
    """Send due notifications. Failed ones are retried until they are sent or no longer needed."""
    if not settings.LIVE_SITE:
        return
    _give_up_unneeded()
    now = timezone.now()
    # A time beyond the longest pause was stored while the clock was ahead.
    due = Notification.objects.unsent().exclude(due_at__gt=now, due_at__lte=now + MAX_RETRY_AFTER)
    claimed = [row for row in due.select_related("alert") if _claim(row)]
    errors = _send(claimed, channels.configured())
    results: defaultdict[str, list[str]] = defaultdict(list)
    for notification in claimed:
        error = errors.get(notification.pk, REMOVED)
        _store_result(notification, error)
        if error != REMOVED:
            results[notification.channel].append(error)
    for name, found in results.items():
        _record(name, found)


def _record(channel: str, errors: list[str]) -> None:
    """Record whether a channel failed. The notifications are sent already, so an error must not fail the evaluation."""
    try:
        failures.record(channel, errors)
    except DatabaseError as error:
        log.warning("Could not store whether the channel %s fails. The next message will show it: %s", channel, error)


def _send(notifications: list[Notification], configured: dict[str, Channel]) -> dict[int, str]:
    """Send the notifications whose channel still exists, and return an error or "" for each ID."""
    batches: defaultdict[str, list[tuple[int, delivery.Message]]] = defaultdict(list)
    for notification in notifications:
        if channel := configured.get(notification.channel):
            batches[channel.url].append((notification.pk, messages.build(notification)))
    return delivery.send_all(batches)


def _store_result(notification: Notification, error: str) -> None:
    notification.error = error[:300]
    if error:
        log.error('Could not send the alert "%s" to %s: %s', notification.alert, notification.channel, error)
    else:
        notification.sent_at = timezone.now()
    notification.is_given_up = error == REMOVED
    notification.save(update_fields=["error", "sent_at", "is_given_up"])


def _give_up_unneeded() -> None:
    """Abandon unsent notifications that have been superseded, so that a late retry does not reopen a resolved incident.
    Also abandon notifications of alerts that were resolved long ago.
    """
    newer = Notification.objects.filter(alert=OuterRef("alert"), channel=OuterRef("channel"), pk__gt=OuterRef("pk"))
    unsent = Notification.objects.unsent()
    unsent.filter(Exists(newer)).update(is_given_up=True, error=REPLACED)
    unsent.filter(alert__resolved_at__lt=timezone.now() - MAX_AGE).update(is_given_up=True, error=RESOLVED)


def _claim(notification: Notification) -> bool:
    """Count an attempt and schedule the next one before sending, so that a retry exists even if the process is killed.

    Returns:
        False if another process claimed the notification first.
    """
    unclaimed = Notification.objects.unsent().filter(pk=notification.pk, attempts=notification.attempts)
    pause = min(RETRY_AFTER * 2 ** min(notification.attempts, 10), MAX_RETRY_AFTER)
    return bool(unclaimed.update(attempts=F("attempts") + 1, due_at=timezone.now() + pause))
