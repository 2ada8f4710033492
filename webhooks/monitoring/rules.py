"""Alert rules. Each rule inspects the health signals and returns a finding, or None if there is no problem.

Thresholds are defined here. docs/runbooks/ contains a file with the same name for each rule.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.models import AuditVerification
from audit.sealing.schedule import verification_overdue_since
from core.times import start_of_hour
from webhooks.models import Alert, RejectionCount, WebhookEvent
from webhooks.monitoring import hourly_counts
from webhooks.monitoring.health import Health

Rule = Alert.Rule
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
#: Both thresholds apply to the events of the current and previous hour.
MIN_FAILURE_SHARE, MIN_FAILURES = 0.05, 5
MAX_UNSETTLED_AGE = timedelta(minutes=30)
MIN_REJECTED = 20
#: An alert opens if no event has arrived for this many average gaps, for at least MIN_SILENCE, and for longer than the
#: week's longest quiet period. MIN_EVENTS are required to compute the average gap.
SILENCE_GAPS, MIN_SILENCE, MIN_EVENTS = 20, timedelta(minutes=30), 50
MAX_PENDING_AGE = timedelta(minutes=15)
#: Reconciliation runs every 15 minutes. An alert opens if it has not run for this time.
MAX_RECONCILIATION_AGE = timedelta(hours=2)
#: Severity of missed verifications. It is low, so that a changed row is worse and causes another notification.
UNVERIFIED_SEVERITY = 0.1
MAX_IDS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem found by a rule.

    Attributes:
        summary: one sentence for operators.
        value: the severity. If it is twice the last notified value, another notification is sent.
        facts: the cause, for the alert's page. `events` holds event ids, other keys hold values to display.
    """

    summary: str
    value: float
    facts: dict[str, Any] = field(default_factory=dict)


def failure_rate(health: Health) -> Finding | None:
    counted = hourly_counts.totals(health.at - HOUR)
    events = sum(row.events for row in counted)
    failed = sum(row.events for row in counted if row.state in WebhookEvent.UNSETTLED)
    if failed < MIN_FAILURES or failed < MIN_FAILURE_SHARE * events:
        return None
    text = _("%(failed)d of the last %(events)d events failed.")
    ids = _unsettled_ids(received_at__gte=start_of_hour(health.at - HOUR))
    return Finding(text % {"failed": failed, "events": events}, failed / events, {"events": ids})


def dead_events(health: Health) -> Finding | None:
    if not health.dead:
        return None
    text = ngettext(
        "%d event is dead and will not be retried.", "%d events are dead and will not be retried.", health.dead
    )
    return Finding(text % health.dead, health.dead, {"events": _unsettled_ids(state="dead")})


def oldest_unsettled(health: Health) -> Finding | None:
    age = health.at - (health.oldest_unsettled or health.at)
    if age < MAX_UNSETTLED_AGE:
        return None
    text = _("The oldest unsettled event was received %(minutes)d minutes ago.")
    return Finding(text % {"minutes": _minutes(age)}, _minutes(age), {"events": _unsettled_ids()[:1]})


def rejected(health: Health) -> Finding | None:
    since = start_of_hour(health.at - HOUR)
    rows = RejectionCount.objects.filter(hour__gte=since).values_list("cause").annotate(Sum("requests"))
    causes = dict(rows.order_by())
    total = sum(causes.values())
    if total < MIN_REJECTED:
        return None
    listed = ", ".join(f"{cause} {count}" for cause, count in sorted(causes.items(), key=lambda item: -item[1]))
    text = _("The endpoint rejected %(total)d requests in the current and previous hour: %(causes)s.")
    return Finding(text % {"total": total, "causes": listed}, total, {"causes": causes})


def other_instance(health: Health) -> Finding | None:
    """Check whether another Clerk instance sends events here. Requires CLERK_INSTANCE_ID."""
    if not settings.CLERK_INSTANCE_ID:
        return None
    foreign = WebhookEvent.objects.filter(received_at__gt=health.at - HOUR).exclude(
        instance_id__in=["", settings.CLERK_INSTANCE_ID]
    )
    ids = list(foreign.values_list("pk", flat=True)[: MAX_IDS + 1])
    if not ids:
        return None
    text = _("A Clerk instance other than %(ours)s is sending events here. They are ignored.")
    return Finding(text % {"ours": settings.CLERK_INSTANCE_ID}, len(ids), {"events": ids[:MAX_IDS]})


def silence(health: Health) -> Finding | None:
    """Check whether events have stopped, compared with the week before the last event.

    The week before the current time would contain no events during a long silence, and the alert would resolve.
    """
    if health.last_received is None:
        return None
    counted = hourly_counts.hourly(health.last_received - WEEK)
    events = sum(row.events for row in counted)
    if events < MIN_EVENTS:
        return None
    hours = sorted({row.hour for row in counted})
    usual_gap = (health.last_received - hours[0]) / events
    threshold = max(SILENCE_GAPS * usual_gap, MIN_SILENCE, _longest_quiet_period(hours))
    quiet = health.at - health.last_received
    if quiet < threshold:
        return None
    text = _("No events have arrived for %(minutes)d minutes. Normally one arrives every %(gap)d seconds.")
    return Finding(text % {"minutes": _minutes(quiet), "gap": usual_gap.total_seconds()}, _minutes(quiet))


def pushes(health: Health) -> Finding | None:
    age = health.at - (health.oldest_push or health.at)
    if age < MAX_PENDING_AGE and not health.stopped_pushes:
        return None
    text = _("%(pending)d users have changes that have not been pushed to Clerk. %(stopped)d pushes were abandoned.")
    numbers = {"pending": health.pending_pushes, "stopped": health.stopped_pushes}
    paused_until = health.clerk_suspended_until
    facts = {
        "clerk_paused_until": paused_until.isoformat() if paused_until else None,
        "oldest_push_minutes": _minutes(age),
    }
    return Finding(text % numbers, health.pending_pushes + health.stopped_pushes, facts)


def drift(health: Health) -> Finding | None:
    """Check for users whom reconciliation could not correct, and for overdue reconciliations."""
    run = health.last_reconciliation
    if not settings.CLERK_SECRET_KEY or run is None or run.finished_at is None:
        return None
    if remaining := run.still_differ:
        text = ngettext(
            "%d user still differs from Clerk after reconciliation.",
            "%d users still differ from Clerk after reconciliation.",
            remaining,
        )
        return Finding(text % remaining, remaining, {"reconciliation": run.pk})
    age = health.at - run.finished_at
    if age < MAX_RECONCILIATION_AGE:
        return None
    return Finding(_("Users were last compared with Clerk %d minutes ago.") % _minutes(age), _minutes(age))


def worker_gone(health: Health) -> Finding | None:
    """Check whether a worker is running. If no worker is running, the web processes evaluate this rule."""
    if health.heartbeats:
        return None
    text = _("No queue worker is running. Overdue jobs: %d.")
    return Finding(text % health.overdue_jobs, 1)


def audit_chain(health: Health) -> Finding | None:
    """Check the result of the latest audit log verification, and whether verifications still run."""
    latest = AuditVerification.objects.first()
    if latest and latest.problems:
        facts = {"row": latest.first_bad_row, "seal": latest.first_bad_seal}
        return Finding(latest.problems[0][:500], len(latest.problems), facts)
    since = verification_overdue_since(health.at)
    if since is None:
        return None
    text = _("The audit log has not been verified for %d hours. Two scheduled verifications were missed.")
    return Finding(text % ((health.at - since) // HOUR), UNVERIFIED_SEVERITY)


RULES: dict[Alert.Rule, Callable[[Health], Finding | None]] = {
    Rule.FAILURE_RATE: failure_rate,
    Rule.DEAD_EVENTS: dead_events,
    Rule.OLDEST_UNSETTLED: oldest_unsettled,
    Rule.REJECTED: rejected,
    Rule.OTHER_INSTANCE: other_instance,
    Rule.SILENCE: silence,
    Rule.PUSHES: pushes,
    Rule.DRIFT: drift,
    Rule.WORKER_GONE: worker_gone,
    Rule.AUDIT_CHAIN: audit_chain,
}


def _unsettled_ids(**filters: Any) -> list[int]:
    events = WebhookEvent.objects.unsettled().filter(**filters).order_by("received_at")
    return list(events.values_list("pk", flat=True)[:MAX_IDS])


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)


def _longest_quiet_period(hours: list[datetime]) -> timedelta:
    """Return 1.5 times the longest period between two hours with events, so that quiet nights do not open alerts."""
    gaps = [after - before for before, after in pairwise(hours)]
    return max(gaps, default=HOUR) * 1.5
