"""Open, update and resolve alerts, and send notifications to the channels in ALERT_URLS.

Each broken signal opens one alert. The alert resolves when its signal has not been broken for RESOLVE_AFTER. If the
problem returns soon afterwards, the same alert is reopened, which prevents flapping. Notifications are stored in the
transaction that changes the alert, with one row per channel, and sent afterwards. A failing channel is therefore
retried without delaying the others.

Web servers may also run the checks. They reach PostgreSQL through PgBouncer, which can use another session for each
transaction, so every lock taken here must end with its transaction.
"""

import hashlib
import logging
from datetime import datetime, timedelta

import apprise
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from webhooks.models import Alert, Notification
from webhooks.monitoring import signals
from webhooks.monitoring.health import Health, measure
from webhooks.monitoring.rules import RULES
from webhooks.monitoring.signals import Signal, State

log = logging.getLogger(__name__)

Kind = Notification.Kind
#: An alert is resolved if its signal has not been broken for this time.
RESOLVE_AFTER = timedelta(minutes=5)
#: If the problem returns within this time after the resolution, the alert is reopened. Operators have been notified of
#: the resolution, so another notification is sent if the problem still exists at the end of this time.
REOPEN_WITHIN = timedelta(minutes=30)
#: An alert is worse if its value is at least this many times the last notified value.
WORSE_FACTOR = 2
MAX_ATTEMPTS, RETRY_AFTER = 5, timedelta(minutes=1)
#: This number and the rule are the key of an advisory lock, so that only one process at a time evaluates the rule. The
#: number is arbitrary, but must differ from other locks.
LOCK = 0x616C6572


def check() -> list[Alert]:
    """Evaluate every rule once and send notifications about changes.

    Returns:
        The alerts that are open now.
    """
    health = measure()
    for rule, evaluate in RULES.items():
        _evaluate(rule, evaluate, health)
    send_notifications()
    return list(Alert.objects.open())


def send_notifications() -> None:
    """Send due notifications. Failed ones are retried after RETRY_AFTER, up to MAX_ATTEMPTS in total."""
    channels = {channel_name(url): url for url in settings.ALERT_URLS}
    due = Notification.objects.filter(sent_at=None, due_at__lte=timezone.now(), attempts__lt=MAX_ATTEMPTS)
    for notification in due.select_related("alert"):
        if not _claim(notification):
            continue
        url = channels.get(notification.channel)
        notification.error = _send(url, notification) if url else "The channel is no longer in ALERT_URLS."
        if notification.error:
            log.error(
                'Could not send the alert "%s" to %s: %s', notification.alert, notification.channel, notification.error
            )
        else:
            notification.sent_at = timezone.now()
        notification.save(update_fields=["error", "sent_at"])


def queue_notifications(alert: Alert, kind: Notification.Kind) -> None:
    """Queue a notification for every channel, to be sent within a minute."""
    Notification.objects.bulk_create(
        Notification(alert=alert, kind=kind, channel=channel_name(url)) for url in settings.ALERT_URLS
    )


def channel_name(url: str) -> str:
    """Return a name with the channel's scheme and a digest of its URL, because the URL contains secrets."""
    return f"{url.partition(':')[0][:16]} {hashlib.sha256(url.encode()).hexdigest()[:8]}"


def absolute_url(alert: Alert) -> str:
    [actor, *_] = [*settings.CLERK_AUTHORIZED_PARTIES, f"https://{(settings.ALLOWED_HOSTS or ['localhost'])[0]}"]
    return actor + reverse("admin:webhooks_alert_change", args=[alert.pk])


@transaction.atomic
def _evaluate(rule: Alert.Rule, evaluate: signals.Rule, health: Health) -> None:
    """Evaluate a rule and update its alert, unless another process is already doing so."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [LOCK, rule])
        [has_lock] = cursor.fetchone()
    if has_lock:
        _update_alert(rule, signals.read(rule, evaluate, health), health.at)


def _update_alert(rule: Alert.Rule, signal: Signal, now: datetime) -> None:
    """Open, continue or resolve the alert of a signal. An unknown signal does not change its alert."""
    alert = Alert.objects.open().filter(rule=rule).select_for_update().first()
    if signal.state == State.BROKEN and alert:
        _continue(alert, signal, now)
    elif signal.state == State.BROKEN:
        _open(rule, signal, now)
    elif alert and signal.state != State.UNKNOWN:
        _resolve_if_ok(alert, now)


def _open(rule: Alert.Rule, signal: Signal, now: datetime) -> None:
    fields = {"summary": signal.summary, "value": signal.value, "facts": signal.facts, "last_seen_at": now}
    recent = Alert.objects.filter(rule=rule, resolved_at__gt=now - REOPEN_WITHIN, resolved_by=None).first()
    if recent:
        Alert.objects.filter(pk=recent.pk).update(
            **fields, resolved_at=None, ok_since=None, reopened_count=recent.reopened_count + 1
        )
        return
    alert = Alert.objects.create(
        rule=rule, opened_at=now, notified_value=signal.value, worst_value=signal.value, **fields
    )
    queue_notifications(alert, Kind.OPENED)


def _continue(alert: Alert, signal: Signal, now: datetime) -> None:
    alert.summary, alert.value, alert.facts = signal.summary, signal.value, signal.facts
    alert.worst_value = max(alert.worst_value, signal.value)
    alert.last_seen_at, alert.ok_since = now, None
    if not alert.is_quiet(now):
        _notify_if_changed(alert, now)
    alert.save()


def _notify_if_changed(alert: Alert, now: datetime) -> None:
    """Notify if the alert is worse, or still open REOPEN_WITHIN after the notification of its resolution."""
    if alert.value >= WORSE_FACTOR * alert.notified_value:
        kind = Kind.WORSE
    elif _was_announced_resolved(alert, before=now - REOPEN_WITHIN):
        kind = Kind.OPENED
    else:
        return
    alert.notified_value = alert.value
    queue_notifications(alert, kind)


def _resolve_if_ok(alert: Alert, now: datetime) -> None:
    if alert.ok_since is None:
        alert.ok_since = now
    elif now - alert.ok_since >= RESOLVE_AFTER:
        alert.resolved_at = now
        if not _was_announced_resolved(alert, before=now):
            queue_notifications(alert, Kind.RESOLVED)
    alert.save()


def _was_announced_resolved(alert: Alert, *, before: datetime) -> bool:
    """Return whether the latest notification was about the resolution and was due at or before the given time."""
    last = alert.notifications.order_by("pk").last()
    return last is not None and last.kind == Kind.RESOLVED and last.due_at <= before


def _claim(notification: Notification) -> bool:
    """Count an attempt and schedule the next one before sending, so that a retry exists even if the process is killed.

    Returns:
        False if another process claimed the notification first.
    """
    unclaimed = Notification.objects.filter(pk=notification.pk, sent_at=None, attempts=notification.attempts)
    return bool(unclaimed.update(attempts=F("attempts") + 1, due_at=timezone.now() + RETRY_AFTER))


def _send(url: str, notification: Notification) -> str:
    """Send a notification and return an error message without the URL, which contains secrets, or ""."""
    title = f"[{notification.get_kind_display()}] {notification.alert}"
    types = {Kind.OPENED: apprise.NotifyType.WARNING, Kind.WORSE: apprise.NotifyType.FAILURE}
    try:
        channel = apprise.Apprise()
        if not channel.add(url):
            return "Apprise cannot parse the URL. Check ALERT_URLS."
        body = f"{notification.alert.summary}\n\n{absolute_url(notification.alert)}"
        notify_type = types.get(Kind(notification.kind), apprise.NotifyType.SUCCESS)
        sent = channel.notify(body=body, title=title, notify_type=notify_type)
        return "" if sent else "The channel rejected the message."
    except Exception as error:  # noqa: BLE001  # a broken channel must not stop the others
        return f"{type(error).__name__}"
