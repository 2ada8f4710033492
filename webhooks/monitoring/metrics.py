"""The metrics at `/metrics`. They are read from the database at each scrape, so every process reports the same values.

docs/monitoring/ has dashboards and alert rules that use these names, and tests compare the two.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import Sum
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from webhooks.inbox.rejections import CAUSES
from webhooks.models import Alert, EventTiming, RejectionCount, WebhookEvent
from webhooks.monitoring import hourly_counts, rules
from webhooks.monitoring.health import Health, measure
from webhooks.monitoring.signals import SEVERITY, worst

PREFIX = "buildappswith"
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def collect() -> Iterator[Metric]:
    """Yield every metric. No statement scans the whole events table."""
    dirty = hourly_counts.dirty_hours()
    yield from _events(dirty)
    yield from _timings(dirty)
    yield _rejections()
    yield _alerts()
    health = measure()
    yield from _signals(health)
    for name, text, read in GAUGES:
        value = read(health)
        if value is not None:
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _events(dirty: Sequence[datetime]) -> Iterator[Metric]:
    deliveries = CounterMetricFamily(f"{PREFIX}_deliveries", "Verified deliveries, including repeats", labels=["type"])
    repeats = CounterMetricFamily(f"{PREFIX}_duplicates", "Repeated deliveries of stored events")
    settled = CounterMetricFamily(f"{PREFIX}_events_settled", "Events that need nothing more", labels=["type", "state"])
    received: dict[str, int] = {}
    repeated = 0
    for row in hourly_counts.totals(BEGINNING, dirty):
        received[row.event_type] = received.get(row.event_type, 0) + int(row.deliveries)
        repeated += int(row.deliveries - row.events)
        if row.state in WebhookEvent.SETTLED:
            settled.add_metric([row.event_type, row.state], row.events)
    for event_type, count in received.items():
        deliveries.add_metric([event_type], count)
    repeats.add_metric([], repeated)
    yield from (deliveries, repeats, settled)


def _timings(dirty: Sequence[datetime]) -> Iterator[Metric]:
    """Yield percentiles of the last day. A histogram of all events would have to read every hour."""
    texts = {
        EventTiming.Metric.APPLY: ("apply_seconds", "Time from receipt to applied, over the last day"),
        EventTiming.Metric.LAG: ("lag_seconds", "Time from the change in Clerk to applied, over the last day"),
    }
    timings = hourly_counts.timings(timezone.now() - DAY, dirty)
    for metric, (name, text) in texts.items():
        gauge = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["quantile"])
        for fraction in (0.5, 0.95, 0.99):
            value = hourly_counts.percentile(timings[metric], fraction)
            if value is not None:
                gauge.add_metric([str(fraction)], value)
        yield gauge


def _rejections() -> Metric:
    """Count rejected requests. Unused causes have the value zero, so that the first rejection is an increase."""
    family = CounterMetricFamily(f"{PREFIX}_rejected", "Rejected requests to the endpoint", labels=["cause"])
    counted = dict(RejectionCount.objects.values_list("cause").annotate(Sum("requests")))
    for cause in CAUSES:
        family.add_metric([cause], counted.get(cause, 0))
    return family


def _alerts() -> Metric:
    """Report open alerts, so that other systems can use conditions without a metric."""
    family = GaugeMetricFamily(f"{PREFIX}_alert_open", "1 while an alert of the rule is open", labels=["rule"])
    opened = set(Alert.objects.open().values_list("rule", flat=True))
    for rule in Alert.Rule:
        family.add_metric([rule], int(rule in opened))
    return family


def _signals(health: Health) -> Iterator[Metric]:
    """Report every signal, and the worst of them as the health of the system."""
    signals = rules.evaluate(health)
    states = "0 well, 1 unknown, 2 degraded, 3 broken"
    family = GaugeMetricFamily(f"{PREFIX}_signal", f"State of a health signal: {states}", labels=["rule"])
    for rule, signal in signals.items():
        family.add_metric([rule], SEVERITY[signal.state])
    yield family
    overall = SEVERITY[worst(signal.state for signal in signals.values())]
    yield GaugeMetricFamily(f"{PREFIX}_health", f"State of the whole system: {states}", value=overall)


def _age(health: Health, moment: datetime | None) -> float | None:
    return (health.at - moment).total_seconds() if moment else None


def _reconciliation_age(health: Health) -> float | None:
    return _age(health, health.last_reconciliation.finished_at) if health.last_reconciliation else None


def _drift(health: Health) -> float | None:
    return health.last_reconciliation.differed if health.last_reconciliation else None


def _unhealed(health: Health) -> float | None:
    if health.uncorrected:
        return health.uncorrected[1]
    return 0 if health.last_reconciliation else None


#: Name, description and function. If the function returns None, the metric is omitted.
GAUGES: tuple[tuple[str, str, Callable[[Health], float | None]], ...] = (
    ("events_failed", "Failed events that will be retried (capped at 1000)", lambda h: h.failed),
    ("events_dead", "Dead events that need manual action (capped at 1000)", lambda h: h.dead),
    ("oldest_unsettled_seconds", "Age of the oldest failed or dead event", lambda h: _age(h, h.oldest_unsettled) or 0),
    ("last_event_age_seconds", "Time since the newest event was received", lambda h: _age(h, h.last_received)),
    ("pushes_pending", "Users with changes that have not reached Clerk (capped at 1000)", lambda h: h.pending_pushes),
    ("pushes_stopped", "Pushes that were given up (capped at 1000)", lambda h: h.stopped_pushes),
    ("oldest_push_seconds", "Age of the oldest pending push", lambda h: _age(h, h.oldest_push) or 0),
    ("conflicts_open", "Open identity conflicts (capped at 1000)", lambda h: h.open_conflicts),
    ("workers", "Running queue workers", lambda h: len(h.heartbeats)),
    ("jobs_failed", "Jobs that failed and will not be retried (capped at 1000)", lambda h: h.failed_jobs),
    ("jobs_overdue", "Jobs that should have started a minute ago (capped at 1000)", lambda h: h.overdue_jobs),
    ("clerk_shut", "1 while requests to Clerk are paused", lambda h: int(bool(h.clerk_suspended_until))),
    ("media_free_bytes", "Free space of the disk with uploaded images", lambda h: h.media_free and h.media_free[0]),
    ("reconciliation_age_seconds", "Time since the last reconciliation with Clerk", _reconciliation_age),
    ("drift_people", "Users who differed from Clerk in the last reconciliation", _drift),
    ("drift_unhealed_people", "Users who still differ from Clerk after the last reconciliation", _unhealed),
)
