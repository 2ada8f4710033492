"""Measurements of stored events."""

from datetime import datetime
from typing import Any

from django.db.models import Min

from core.times import HOUR
from webhooks.inbox.handlers import TEST_TYPE
from webhooks.models import AggregationProgress, WebhookEvent
from webhooks.monitoring import hourly_counts
from webhooks.monitoring.measurements.counting import count

#: This many failures of one type without a later success mean that its handler is broken, even on a quiet site.
MIN_TYPE_FAILURES = 2
#: This many failures mean a broken handler, even if events of the type succeeded recently, such as before an upgrade.
MANY_TYPE_FAILURES = 5
#: Number of the newest events whose lag is compared.
RECENT_EVENTS = 5
#: Number of the newest failed events whose types are checked.
MAX_CHECKED = 200


def read_events(now: datetime) -> dict[str, Any]:
    events = WebhookEvent.objects
    sent_by_clerk = events.exclude(event_type=TEST_TYPE).order_by("-received_at")
    newest = list(sent_by_clerk.values_list("received_at", "occurred_at")[:RECENT_EVENTS])
    failed = count(events.filter(state=WebhookEvent.State.FAILED))
    return {
        "failed": failed,
        **(_failing_types() if failed else {"failing_types": set(), "broken_types": set()}),
        "dead": count(events.filter(state=WebhookEvent.State.DEAD)),
        "oldest_unsettled": events.unsettled().aggregate(oldest=Min("received_at"))["oldest"],
        "last_received": newest[0][0] if newest else None,
        "recent_lags": [received - (occurred or received) for received, occurred in newest if received > now - HOUR],
        "recent": hourly_counts.totals(now - HOUR),
        "aggregated_at": AggregationProgress.objects.values_list("aggregated_at", flat=True).first(),
    }


def _failing_types() -> dict[str, set[str]]:
    """Return the types with few and with many failures and no success since. Reads a few rows per type."""
    failed = WebhookEvent.objects.filter(state=WebhookEvent.State.FAILED).order_by("-received_at")
    times: dict[str, list[datetime]] = {}
    for event_type, received_at in failed.values_list("event_type", "received_at")[:MAX_CHECKED]:
        times.setdefault(event_type, []).append(received_at)
    return {
        "failing_types": _without_success(times, MIN_TYPE_FAILURES),
        "broken_types": _without_success(times, MANY_TYPE_FAILURES),
    }


def _without_success(failed_at: dict[str, list[datetime]], failures: int) -> set[str]:
    """Return the types without a success since this many failed events. The times of each type are newest first."""
    since = {name: times[failures - 1] for name, times in failed_at.items() if len(times) >= failures}
    settled = (
        WebhookEvent.objects.filter(state__in=WebhookEvent.SETTLED).order_by().values_list("event_type", flat=True)
    )
    first = [settled.filter(event_type=name, received_at__gte=at)[:1] for name, at in since.items()]
    return since.keys() - set(first[0].union(*first[1:], all=True)) if first else set()
