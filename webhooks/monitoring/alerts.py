"""Open, update and resolve alerts, and send notifications to the channels in ALERT_URLS.

Each broken signal opens one alert. The alert resolves when its signal has not been broken for ALERT_RESOLVE_AFTER_S. If the
problem returns soon afterwards, the same alert is reopened, and operators are notified at once, because they were notified of
the resolution. Within one open period, each new cause and each substantial worsening is notified.

Notifications are stored in the transaction that changes the alert, with one row per channel, and sent afterwards. A
failing channel is therefore retried without delaying the others.

Web servers may also run the checks. They reach PostgreSQL through PgBouncer, which can use another session for each
transaction, so every lock taken here must end with its transaction.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from django.db import DatabaseError, connection
from django.utils import timezone
from django.utils.text import Truncator

from core.db.timeouts import short_timeouts
from core.times import MAX_AHEAD
from webhooks.models import Alert, AlertCheck, Notification
from webhooks.models.alerts import resolve_after
from webhooks.monitoring import signals, worker_starts
from webhooks.monitoring.error_groups import ranking as error_groups
from webhooks.monitoring.health import Health, measure
from webhooks.monitoring.notifications import services as notifications
from webhooks.monitoring.rules import RULES, SEVERITIES
from webhooks.monitoring.signals import Signal, State

log = logging.getLogger(__name__)

Kind = Notification.Kind
#: If the problem returns within this time after the resolution, the alert is reopened instead of opening a new one.
REOPEN_WITHIN = timedelta(minutes=30)
#: An alert is worse if its value is at least this many times the last notified value.
WORSE_FACTOR = 2
#: The rules are evaluated every 15 seconds by default. Crashing workers seem to run, but do not evaluate them.
OVERDUE_AFTER = timedelta(seconds=35)
#: Older measurements are not evaluated. A process that was suspended between measuring and evaluating has them. If each
#: statement takes a second, measuring takes half of this time, and several measurements are needed for many problems.
MAX_MEASUREMENT_AGE, REMEASURE_AFTER = timedelta(seconds=60), timedelta(seconds=45)
#: Timeouts of each measurement and rule, so that an evaluation ends within its period although tables are locked.
LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS = 300, 3000
MAX_TITLE_LENGTH, MAX_SUMMARY_LENGTH = 200, 500
#: This number and the rule are the key of an advisory lock, so that only one process at a time evaluates the rule. The
#: number is arbitrary, but must differ from other locks.
LOCK = 0x616C6572


def check() -> list[Alert]:
    """Evaluate every rule once and send notifications about changes.

    Returns:
        The alerts that are open now.
    """
    _attempt(partial(worker_starts.record, timezone.now()))
    health = measure(_isolated)
    for rule in _changing_rules(health):
        if timezone.now() - health.at > REMEASURE_AFTER:
            health = measure(_isolated)
        _attempt(partial(_evaluate, rule, RULES[rule], health))
    notifications.send_due()
    # Last, so that the web servers take over from a worker that dies before it has sent the notifications.
    _attempt(partial(worker_starts.record_completion, timezone.now()))
    return list(Alert.objects.open())


def is_overdue(now: datetime) -> bool:
    """Return whether no process has completed an evaluation recently, although a worker may seem to run."""
    return not AlertCheck.objects.filter(completed_at__range=(now - OVERDUE_AFTER, now + MAX_AHEAD)).exists()


def _changing_rules(health: Health) -> list[Alert.Rule]:
    """Return the rules with a problem or an open alert, or all rules if any of them cannot be evaluated.

    Each rule takes its own transaction afterwards. If the database is slow to answer, for example because it is far away,
    transactions for all rules would take minutes.
    """
    try:
        with _isolated():
            opened = set(Alert.objects.open().values_list("rule", flat=True))
            return [rule for rule, read in RULES.items() if rule in opened or read(health).state == State.BROKEN]
    except Exception:  # noqa: BLE001  # each rule is evaluated alone, and logs its own error
        return list(RULES)


def _isolated() -> AbstractContextManager[None]:
    return short_timeouts(lock_ms=LOCK_TIMEOUT_MS, statement_ms=STATEMENT_TIMEOUT_MS)


def _attempt(step: Callable[[], None]) -> None:
    """Run a step in its own transaction. If the database fails, the other steps still run."""
    try:
        with _isolated():
            step()
    except DatabaseError:
        log.exception("One step of the alert check failed. It will run again at the next check.")


def _evaluate(rule: Alert.Rule, evaluate: signals.Rule, health: Health) -> None:
    """Evaluate a rule and update its alert, unless another process is already doing so."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [LOCK, rule])
        [has_lock] = cursor.fetchone()
    if has_lock and timezone.now() - health.at < MAX_MEASUREMENT_AGE:
        _update_alert(rule, signals.read(rule, evaluate, health), health.at)


def _update_alert(rule: Alert.Rule, signal: Signal, now: datetime) -> None:
    """Open, continue or resolve the alert of a signal. An unknown signal does not change its alert."""
    if signal.state == State.BROKEN:
        facts = signal.facts | error_groups.alert_details(rule, now)
        title = Truncator(signal.title).chars(MAX_TITLE_LENGTH)
        summary = Truncator(signal.summary).chars(MAX_SUMMARY_LENGTH)
        signal = replace(signal, facts=facts, title=title, summary=summary)
    alert = Alert.objects.open().filter(rule=rule).select_for_update().first()
    if alert and _is_newer(alert, now):
        return
    if signal.state == State.BROKEN and alert:
        _continue(alert, signal, now)
    elif signal.state == State.BROKEN:
        _open(rule, signal, now)
    elif alert and signal.state != State.UNKNOWN:
        _resolve_if_ok(alert, signal, now)


def _is_newer(alert: Alert, measured_at: datetime) -> bool:
    """Return whether another process has evaluated a newer measurement. A larger difference is a changed clock."""
    ahead = max(alert.last_seen_at, alert.ok_since or alert.last_seen_at) - measured_at
    return timedelta(0) < ahead < MAX_MEASUREMENT_AGE


def _open(rule: Alert.Rule, signal: Signal, now: datetime) -> None:
    # A later resolution was stored while the clock was ahead.
    times = (now - REOPEN_WITHIN, now + MAX_MEASUREMENT_AGE)
    recent = Alert.objects.filter(rule=rule, resolved_at__range=times, resolved_by=None).first()
    if recent and recent.resolved_at and recent.resolved_at > now:  # resolved with a newer measurement
        return
    if recent:
        _reopen(recent, signal, now)
        return
    alert = Alert.objects.create(
        rule=rule,
        severity=SEVERITIES[rule],
        opened_at=now,
        title=signal.title,
        summary=signal.summary,
        value=signal.value,
        facts=signal.facts,
        last_seen_at=now,
        notified_value=signal.value,
        worst_value=signal.value,
        notified_causes=list(signal.causes),
    )
    notifications.queue(alert, Kind.OPENED)


def _reopen(alert: Alert, signal: Signal, now: datetime) -> None:
    """Start a new open period. Acknowledgements and notified values belong to the previous period."""
    alert.resolved_at, alert.resolution, alert.reopened_at = None, "", now
    alert.reopened_count += 1
    alert.acknowledged_at = alert.acknowledged_by = alert.snoozed_until = None
    alert.notified_value, alert.notified_causes = signal.value, list(signal.causes)
    _continue(alert, signal, now)


def _continue(alert: Alert, signal: Signal, now: datetime) -> None:
    alert.title, alert.summary, alert.value, alert.facts = signal.title, signal.summary, signal.value, signal.facts
    alert.worst_value = max(alert.worst_value, signal.value)
    alert.last_seen_at, alert.ok_since = now, None
    if not alert.is_quiet(now):
        _notify_if_changed(alert, signal)
    notifications.queue_for_new_channels(alert)
    alert.save()


def _notify_if_changed(alert: Alert, signal: Signal) -> None:
    """Notify if the alert has returned after its resolution was announced, has a new cause, or is worse."""
    new_causes = [cause for cause in signal.causes if cause not in alert.notified_causes]
    if _was_announced_resolved(alert):
        kind = Kind.REOPENED
    elif new_causes:
        kind = Kind.CHANGED
    elif alert.value >= WORSE_FACTOR * alert.notified_value:
        kind = Kind.WORSE
    else:
        return
    if notifications.is_silent():
        return  # the notification is sent after the maintenance if the alert is still reopened or worse
    alert.notified_value = alert.value
    alert.notified_causes = [*alert.notified_causes, *new_causes]
    notifications.queue(alert, kind)


def _resolve_if_ok(alert: Alert, signal: Signal, now: datetime) -> None:
    if alert.ok_since is None or alert.ok_since > now:  # the clock was set back
        alert.ok_since = now
    elif now - alert.ok_since >= resolve_after():
        alert.resolved_at, alert.resolution = now, signal.summary[:500]
        if not _was_announced_resolved(alert):  # the alert was reopened during maintenance
            notifications.queue(alert, Kind.RESOLVED)
    alert.save()


def _was_announced_resolved(alert: Alert) -> bool:
    """Return whether the latest notification was about the resolution."""
    last = alert.notifications.order_by("pk").last()
    return last is not None and last.kind == Kind.RESOLVED
