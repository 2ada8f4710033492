"""Health signals: the current values for the dashboard, the alert rules and the metrics."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob, ProcrastinateWorker

from accounts.clerk import rate_limiter
from accounts.models import ClerkRateLimit, IdentityConflict, MetadataPush, Reconciliation
from webhooks.models import AggregationProgress, WebhookEvent

#: Maximum count. Larger numbers do not have to be exact.
MAX_COUNT = 1000
#: A worker without a heartbeat for this time is not running. Workers send a heartbeat every three seconds.
WORKER_GONE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Health:
    """All signals at one point in time. Counts stop at MAX_COUNT.

    Attributes:
        failed: events that will be retried automatically.
        dead: events that need manual action.
        oldest_unsettled: when the oldest failed or dead event was received.
        last_received: when the newest event was received.
        pending_pushes: users whose latest changes have not reached Clerk yet.
        stopped_pushes: pushes that were abandoned because Clerk refuses them or another system changes the same keys.
        oldest_push: when the oldest pending push was requested.
        last_reconciliation: the latest finished reconciliation that also corrected differences.
        open_conflicts: identity conflicts waiting for an admin's decision.
        heartbeats: the last heartbeat of each running worker.
        overdue_jobs: jobs that should have started at least a minute ago.
        clerk_suspended_until: when requests to Clerk resume, if they are paused because Clerk does not respond.
        aggregated_at: when events were last aggregated into hourly counts.
    """

    at: datetime
    failed: int
    dead: int
    oldest_unsettled: datetime | None
    last_received: datetime | None
    pending_pushes: int
    stopped_pushes: int
    oldest_push: datetime | None
    last_reconciliation: Reconciliation | None
    open_conflicts: int
    heartbeats: list[datetime]
    overdue_jobs: int
    clerk_suspended_until: datetime | None
    aggregated_at: datetime | None


def measure() -> Health:
    """Read every signal once. Each query uses a narrow index or a small table."""
    now = timezone.now()
    events, pushes = WebhookEvent.objects, MetadataPush.objects
    pending = pushes.filter(state=MetadataPush.State.PENDING)
    return Health(
        at=now,
        failed=_count(events.filter(state=WebhookEvent.State.FAILED)),
        dead=_count(events.filter(state=WebhookEvent.State.DEAD)),
        oldest_unsettled=events.unsettled().aggregate(oldest=Min("received_at"))["oldest"],
        last_received=events.aggregate(newest=Max("received_at"))["newest"],
        pending_pushes=_count(pending),
        stopped_pushes=_count(pushes.filter(state__in=[MetadataPush.State.REFUSED, MetadataPush.State.STOPPED])),
        oldest_push=pending.aggregate(oldest=Min("requested_at"))["oldest"],
        last_reconciliation=Reconciliation.objects.repairing().filter(state=Reconciliation.State.FINISHED).first(),
        open_conflicts=_count(IdentityConflict.objects.filter(state=IdentityConflict.State.OPEN)),
        heartbeats=list(_running_workers(now).values_list("last_heartbeat", flat=True)),
        overdue_jobs=_count(_overdue_jobs(now)),
        clerk_suspended_until=ClerkRateLimit.objects.filter(name=rate_limiter.INSTANCE, suspended_until__gt=now)
        .values_list("suspended_until", flat=True)
        .first(),
        aggregated_at=AggregationProgress.objects.values_list("aggregated_at", flat=True).first(),
    )


def has_worker() -> bool:
    return _running_workers(timezone.now()).exists()


def _running_workers(now: datetime) -> QuerySet[ProcrastinateWorker]:
    return ProcrastinateWorker.objects.filter(last_heartbeat__gt=now - WORKER_GONE_AFTER)


def _overdue_jobs(now: datetime) -> QuerySet[ProcrastinateJob]:
    """Return jobs that should have started at least a minute ago.

    Jobs without a scheduled time should start immediately, so the time of their `deferred` event is used.
    """
    due = now - timedelta(minutes=1)
    deferred = ProcrastinateEvent.objects.filter(job=OuterRef("pk"), type="deferred", at__lte=due)
    immediate = Q(scheduled_at=None) & Exists(deferred)
    return ProcrastinateJob.objects.filter(Q(scheduled_at__lte=due) | immediate, status="todo")


def _count(rows: QuerySet[Any]) -> int:
    return rows.order_by()[:MAX_COUNT].count()
