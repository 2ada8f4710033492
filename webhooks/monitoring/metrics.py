"""What `/metrics` tells, read from the database at each scrape, so that any process of any host tells the same.

docs/monitoring/ has dashboards and alert rules for these names, and tests compare both.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import Sum
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from webhooks.inbox.rejections import CAUSES
from webhooks.models import Alert, EventTiming, RejectionCount, WebhookEvent
from webhooks.monitoring import hourly_counts
from webhooks.monitoring.health import Vitals, measure

PREFIX = "buildappswith"
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def collect() -> Iterator[Metric]:
    """Yield every metric. No statement goes over a whole table of events."""
    dirty = hourly_counts.dirty_hours()
    yield from _events(dirty)
    yield from _timings(dirty)
    yield _rejections()
    yield _alerts()
    vitals = measure()
    for name, text, read in GAUGES:
        value = read(vitals)
        if value is not None:
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _events(dirty: Sequence[datetime]) -> Iterator[Metric]:
    deliveries = CounterMetricFamily(f"{PREFIX}_deliveries", "Verified deliveries, repeats included", labels=["type"])
    repeats = CounterMetricFamily(f"{PREFIX}_duplicates", "Deliveries of events that were there already")
    settled = CounterMetricFamily(f"{PREFIX}_events_settled", "Events that are done with", labels=["type", "state"])
    received: dict[str, int] = {}
    again = 0
    for row in hourly_counts.totals(BEGINNING, dirty):
        received[row.event_type] = received.get(row.event_type, 0) + int(row.deliveries)
        again += int(row.deliveries - row.events)
        if row.state in WebhookEvent.SETTLED:
            settled.add_metric([row.event_type, row.state], row.events)
    for event_type, count in received.items():
        deliveries.add_metric([event_type], count)
    repeats.add_metric([], again)
    yield from (deliveries, repeats, settled)


def _timings(dirty: Sequence[datetime]) -> Iterator[Metric]:
    """Yield how long it took, over the last day: a histogram over all time would need every hour there ever was."""
    texts = {
        EventTiming.What.APPLY: ("apply_seconds", "From receipt to applied, over the last day"),
        EventTiming.What.LAG: ("lag_seconds", "From what happened at Clerk to applied, over the last day"),
    }
    timings = hourly_counts.timings(timezone.now() - DAY, dirty)
    for what, (name, text) in texts.items():
        gauge = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["quantile"])
        for share in (0.5, 0.95, 0.99):
            value = hourly_counts.percentile(timings[what], share)
            if value is not None:
                gauge.add_metric([str(share)], value)
        yield gauge


def _rejections() -> Metric:
    """Yield the refused requests; a cause without any is told as zero, so that the first one is seen as a change."""
    family = CounterMetricFamily(f"{PREFIX}_rejected", "Requests to the endpoint that were refused", labels=["cause"])
    counted = dict(RejectionCount.objects.values_list("cause").annotate(Sum("requests")))
    for cause in CAUSES:
        family.add_metric([cause], counted.get(cause, 0))
    return family


def _alerts() -> Metric:
    """Yield which rules have found trouble, so that other systems can tell of what has no figure of its own."""
    family = GaugeMetricFamily(f"{PREFIX}_alert_open", "1 while an alert of the rule is open", labels=["rule"])
    opened = set(Alert.objects.open().values_list("rule", flat=True))
    for rule in Alert.Rule:
        family.add_metric([rule], int(rule in opened))
    return family


def _age(vitals: Vitals, moment: datetime | None) -> float | None:
    return (vitals.at - moment).total_seconds() if moment else None


def _reconciled(vitals: Vitals) -> float | None:
    return _age(vitals, vitals.last_reconciliation.finished_at) if vitals.last_reconciliation else None


def _drift(vitals: Vitals) -> float | None:
    return vitals.last_reconciliation.differed if vitals.last_reconciliation else None


def _unhealed(vitals: Vitals) -> float | None:
    return vitals.last_reconciliation.still_differ if vitals.last_reconciliation else None


#: Name, what it says, and how to read it from the vitals; None is not told at all.
GAUGES: tuple[tuple[str, str, Callable[[Vitals], float | None]], ...] = (
    ("events_failed", "Events that failed and are tried again, 1000 at most", lambda v: v.failed),
    ("events_dead", "Events that only a person can help, 1000 at most", lambda v: v.dead),
    ("oldest_unsettled_seconds", "Age of the oldest failed or dead event", lambda v: _age(v, v.oldest_unsettled) or 0),
    ("last_event_age_seconds", "Time since the newest event was received", lambda v: _age(v, v.last_received)),
    ("pushes_pending", "People of whom Clerk does not hold everything yet, 1000 at most", lambda v: v.pending_pushes),
    ("pushes_stopped", "Pushes that were given up, 1000 at most", lambda v: v.stopped_pushes),
    ("oldest_push_seconds", "Time that the oldest pending push has waited", lambda v: _age(v, v.oldest_push) or 0),
    ("conflicts_open", "Identity conflicts that wait for an admin, 1000 at most", lambda v: v.open_conflicts),
    ("workers", "Queue workers that are alive", lambda v: len(v.heartbeats)),
    ("jobs_overdue", "Jobs that should have run a minute ago, 1000 at most", lambda v: v.overdue_jobs),
    ("clerk_shut", "1 while Clerk is not asked, because it does not answer", lambda v: int(bool(v.clerk_shut_until))),
    ("reconciliation_age_seconds", "Time since the last comparison with Clerk", _reconciled),
    ("drift_people", "People who differed from Clerk in the last comparison", _drift),
    ("drift_unhealed_people", "Those of them who still do", _unhealed),
)
