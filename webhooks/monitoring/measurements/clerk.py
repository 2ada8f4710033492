"""Measurements of the exchange with Clerk."""

from datetime import datetime
from typing import Any

from django.db.models import Min, Q

from accounts.clerk import rate_limiter
from accounts.models import ClerkRateLimit, IdentityConflict, MetadataPush, Reconciliation
from core.times import MAX_AHEAD
from webhooks.monitoring.measurements.counting import MAX_COUNT, count

#: Number of recent reconciliations whose repairs are compared, and the run before them.
RECENT_RUNS = 4


def read_apis(now: datetime) -> dict[str, Any]:
    names = [rate_limiter.INSTANCE, rate_limiter.FRONTEND]
    return {"clerk": {row.name: row for row in ClerkRateLimit.objects.filter(name__in=names)}}


def read_pushes(now: datetime) -> dict[str, Any]:
    pushes = MetadataPush.objects
    pending = pushes.filter(state=MetadataPush.State.PENDING)
    stopped = pushes.filter(state__in=[MetadataPush.State.REFUSED, MetadataPush.State.STOPPED])
    states = list(stopped.values_list("state", flat=True)[:MAX_COUNT])
    return {
        "pending_pushes": count(pending),
        "refused_pushes": states.count(MetadataPush.State.REFUSED),
        "stopped_pushes": len(states),
        "oldest_push": pending.aggregate(oldest=Min("requested_at"))["oldest"],
    }


def read_reconciliations(now: datetime) -> dict[str, Any]:
    repairing = Reconciliation.objects.repairing().filter(started_at__lt=now + MAX_AHEAD)
    finished = repairing.filter(state=Reconciliation.State.FINISHED)
    full = finished.filter(kind=Reconciliation.Kind.FULL)
    runs = finished.filter(Q(pk__in=finished.values("pk")[:RECENT_RUNS]) | Q(pk__in=full.values("pk")[:1]))
    last_full = next((run for run in runs if run.kind == Reconciliation.Kind.FULL), None)
    return {"reconciliations": list(runs)[:RECENT_RUNS], "last_full": last_full}


def read_conflicts(now: datetime) -> dict[str, Any]:
    opened = list(
        IdentityConflict.objects.waiting().order_by("opened_at").values_list("opened_at", flat=True)[:MAX_COUNT]
    )
    return {"open_conflicts": len(opened), "oldest_conflict": min(opened, default=None)}
