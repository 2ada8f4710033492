"""How the system is right now: the figures that the dashboard shows, alerts judge and metrics tell."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob, ProcrastinateWorker

from accounts.clerk import rate_limiter
from accounts.models import ClerkRateLimit, IdentityConflict, MetadataPush, Reconciliation
from webhooks.models import FoldMark, WebhookEvent

#: Nothing is counted beyond this: that there are more says enough.
MOST_COUNTED = 1000
#: Seconds without a heartbeat after which a worker is taken for gone; they beat every three.
WORKER_GONE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Vitals:
    """Figures of one moment. Counts stop at MOST_COUNTED.

    Attributes:
        failed: events that are tried again by themselves.
        dead: events that only a person can help.
        oldest_unsettled: when the oldest of both was received.
        last_received: when the newest event was received.
        pending_pushes: people of whom Clerk does not hold everything yet.
        stopped_pushes: those that were given up, because Clerk refuses or somebody else writes, too.
        oldest_push: since when the oldest pending one waits.
        last_reconciliation: the latest finished comparison that also healed.
        open_conflicts: identities that an admin has to decide on.
        heartbeats: when each worker that is alive beat last.
        overdue_jobs: jobs that should have run by now.
        clerk_shut_until: until when Clerk is not asked, because it does not answer.
        folded_at: when events were counted last.
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
    clerk_shut_until: datetime | None
    folded_at: datetime | None


def measure() -> Vitals:
    """Look at everything once; each look is at a narrow index or a small table."""
    now = timezone.now()
    events, pushes = WebhookEvent.objects, MetadataPush.objects
    pending = pushes.filter(state=MetadataPush.State.PENDING)
    return Vitals(
        at=now,
        failed=_count(events.filter(state=WebhookEvent.State.FAILED)),
        dead=_count(events.filter(state=WebhookEvent.State.DEAD)),
        oldest_unsettled=events.unsettled().aggregate(oldest=Min("received_at"))["oldest"],
        last_received=events.aggregate(newest=Max("received_at"))["newest"],
        pending_pushes=_count(pending),
        stopped_pushes=_count(pushes.filter(state__in=[MetadataPush.State.REFUSED, MetadataPush.State.STOPPED])),
        oldest_push=pending.aggregate(oldest=Min("requested_at"))["oldest"],
        last_reconciliation=Reconciliation.objects.healing().filter(state=Reconciliation.State.FINISHED).first(),
        open_conflicts=_count(IdentityConflict.objects.filter(state=IdentityConflict.State.OPEN)),
        heartbeats=list(_alive(now).values_list("last_heartbeat", flat=True)),
        overdue_jobs=_count(_overdue(now)),
        clerk_shut_until=ClerkRateLimit.objects.filter(name=rate_limiter.INSTANCE, suspended_until__gt=now)
        .values_list("suspended_until", flat=True)
        .first(),
        folded_at=FoldMark.objects.values_list("folded_at", flat=True).first(),
    )


def has_worker() -> bool:
    """Return whether any queue worker is alive."""
    return _alive(timezone.now()).exists()


def _alive(now: datetime) -> QuerySet[ProcrastinateWorker]:
    return ProcrastinateWorker.objects.filter(last_heartbeat__gt=now - WORKER_GONE_AFTER)


def _overdue(now: datetime) -> QuerySet[ProcrastinateJob]:
    """Return jobs that could have begun a minute ago. One for "at once" has no time, and says in its events since when."""
    due = now - timedelta(minutes=1)
    deferred = ProcrastinateEvent.objects.filter(job=OuterRef("pk"), type="deferred", at__lte=due)
    at_once = Q(scheduled_at=None) & Exists(deferred)
    return ProcrastinateJob.objects.filter(Q(scheduled_at__lte=due) | at_once, status="todo")


def _count(rows: QuerySet) -> int:  # type: ignore[type-arg]
    return rows.order_by()[:MOST_COUNTED].count()
