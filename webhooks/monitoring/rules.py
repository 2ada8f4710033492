"""What counts as trouble. Each rule looks at the vitals and says in a sentence what is wrong, or nothing.

Thresholds stand beside their rules; docs/runbooks/ has a page for each, named like the rule.
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
from audit.sealing.schedule import not_compared_since
from core.times import start_of_hour
from webhooks.models import Alert, RejectionCount, WebhookEvent
from webhooks.monitoring import hourly_counts
from webhooks.monitoring.health import Vitals

Rule = Alert.Rule
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
#: Of the events of this hour and the last, the share that fails, and the least that fail.
FAILURE_SHARE, LEAST_FAILURES = 0.05, 5
LONG_UNSETTLED = timedelta(minutes=30)
LEAST_REJECTED = 20
#: Silence: so many times the usual gap between events, and longer than the longest quiet stretch of the week.
GAPS, LEAST_SILENCE, LEAST_EVENTS = 20, timedelta(minutes=30), 50
LONG_PENDING = timedelta(minutes=15)
#: Comparisons run every 15 minutes; so long without one is trouble of its own.
LATE_COMPARISON = timedelta(hours=2)
#: How bad it is that nobody looks at the audit log: so little that anything found in it is worse, and told.
NOT_COMPARED = 0.1
MOST_IDS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is wrong.

    Attributes:
        summary: a sentence for people.
        value: how bad it is; twice as much as was told is worse, and told again.
        facts: what caused it, for the page of the alert: `events` are ids, others are figures.
    """

    summary: str
    value: float
    facts: dict[str, Any] = field(default_factory=dict)


def failure_rate(vitals: Vitals) -> Finding | None:
    """Judge the share of failing events among those of this hour and the last."""
    counted = hourly_counts.totals(vitals.at - HOUR)
    events = sum(row.events for row in counted)
    failing = sum(row.events for row in counted if row.state in WebhookEvent.UNSETTLED)
    if failing < LEAST_FAILURES or failing < FAILURE_SHARE * events:
        return None
    text = _("%(failing)d of the last %(events)d events failed.")
    recent = _unsettled(received_at__gte=start_of_hour(vitals.at - HOUR))
    return Finding(text % {"failing": failing, "events": events}, failing / events, {"events": recent})


def dead_events(vitals: Vitals) -> Finding | None:
    """Judge whether any event waits for a person."""
    if not vitals.dead:
        return None
    text = ngettext(
        "%d event is dead: no retry can cure it.", "%d events are dead: no retry can cure them.", vitals.dead
    )
    return Finding(text % vitals.dead, vitals.dead, {"events": _unsettled(state="dead")})


def oldest_unsettled(vitals: Vitals) -> Finding | None:
    """Judge how long the oldest event has had no effect."""
    waited = vitals.at - (vitals.oldest_unsettled or vitals.at)
    if waited < LONG_UNSETTLED:
        return None
    text = _("An event has had no effect for %(minutes)d minutes.")
    return Finding(text % {"minutes": _minutes(waited)}, _minutes(waited), {"events": _unsettled()[:1]})


def rejected(vitals: Vitals) -> Finding | None:
    """Judge how many requests were refused in this hour and the last."""
    since = start_of_hour(vitals.at - HOUR)
    rows = RejectionCount.objects.filter(hour__gte=since).values_list("cause").annotate(Sum("requests"))
    causes = dict(rows.order_by())
    total = sum(causes.values())
    if total < LEAST_REJECTED:
        return None
    told = ", ".join(f"{cause} {count}" for cause, count in sorted(causes.items(), key=lambda item: -item[1]))
    text = _("%(total)d requests to the endpoint were refused in this hour and the last: %(told)s.")
    return Finding(text % {"total": total, "told": told}, total, {"causes": causes})


def other_instance(vitals: Vitals) -> Finding | None:
    """Judge whether a Clerk instance that is not ours posts here."""
    if not settings.CLERK_INSTANCE_ID:
        return None
    strange = WebhookEvent.objects.filter(received_at__gt=vitals.at - HOUR).exclude(
        instance_id__in=["", settings.CLERK_INSTANCE_ID]
    )
    ids = list(strange.values_list("pk", flat=True)[: MOST_IDS + 1])
    if not ids:
        return None
    text = _("Another Clerk instance than %(ours)s posts events here; they are ignored.")
    return Finding(text % {"ours": settings.CLERK_INSTANCE_ID}, len(ids), {"events": ids[:MOST_IDS]})


def silence(vitals: Vitals) -> Finding | None:
    """Judge whether events have stopped coming, by how often they came in the week before the last one.

    The week before now would empty while it is silent, and a long silence would pass for over.
    """
    if vitals.last_received is None:
        return None
    counted = hourly_counts.hourly(vitals.last_received - WEEK)
    events = sum(row.events for row in counted)
    if events < LEAST_EVENTS:
        return None
    hours = sorted({row.hour for row in counted})
    usual = (vitals.last_received - hours[0]) / events
    patience = max(GAPS * usual, LEAST_SILENCE, _longest_gap(hours))
    quiet = vitals.at - vitals.last_received
    if quiet < patience:
        return None
    text = _("No event has come for %(minutes)d minutes; usually one comes every %(usual)d seconds.")
    words = {"minutes": _minutes(quiet), "usual": usual.total_seconds()}
    return Finding(text % words, _minutes(quiet))


def pushes(vitals: Vitals) -> Finding | None:
    """Judge whether changes made here reach Clerk."""
    waited = vitals.at - (vitals.oldest_push or vitals.at)
    if waited < LONG_PENDING and not vitals.stopped_pushes:
        return None
    text = _("%(pending)d people wait for their changes to reach Clerk, and %(stopped)d pushes were given up.")
    words = {"pending": vitals.pending_pushes, "stopped": vitals.stopped_pushes}
    shut = vitals.clerk_shut_until
    facts = {"clerk_shut_until": shut.isoformat() if shut else None, "waited_minutes": _minutes(waited)}
    return Finding(text % words, vitals.pending_pushes + vitals.stopped_pushes, facts)


def drift(vitals: Vitals) -> Finding | None:
    """Judge whether people differ from Clerk in ways that comparing could not heal, or are not compared at all."""
    run = vitals.last_reconciliation
    if not settings.CLERK_SECRET_KEY or run is None or run.finished_at is None:
        return None
    if left := run.still_differ:
        text = ngettext(
            "%d person still differs from Clerk after comparing.",
            "%d people still differ from Clerk after comparing.",
            left,
        )
        return Finding(text % left, left, {"reconciliation": run.pk})
    late = vitals.at - run.finished_at
    if late < LATE_COMPARISON:
        return None
    return Finding(_("People were last compared with Clerk %d minutes ago.") % _minutes(late), _minutes(late))


def worker_gone(vitals: Vitals) -> Finding | None:
    """Judge whether any worker beats; web processes ask this, too, because then nobody else can."""
    if vitals.heartbeats:
        return None
    text = _("No queue worker is alive; %d jobs should have run by now.")
    return Finding(text % vitals.overdue_jobs, 1)


def audit_chain(vitals: Vitals) -> Finding | None:
    """Judge what came of the last comparison of the audit log with its seals, and whether there still are any."""
    found = AuditVerification.objects.first()
    if found and found.problems:
        facts = {"row": found.first_bad_row, "seal": found.first_bad_seal}
        return Finding(found.problems[0][:500], len(found.problems), facts)
    since = not_compared_since(vitals.at)
    if since is None:
        return None
    text = _("The audit log has not been compared with its seals for %d hours, although it should have been twice.")
    return Finding(text % ((vitals.at - since) // HOUR), NOT_COMPARED)


#: Every rule.
RULES: dict[Alert.Rule, Callable[[Vitals], Finding | None]] = {
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


def _unsettled(**facts: Any) -> list[int]:
    """Return the ids of the oldest unsettled events with these facts."""
    events = WebhookEvent.objects.unsettled().filter(**facts).order_by("received_at")
    return list(events.values_list("pk", flat=True)[:MOST_IDS])


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)


def _longest_gap(hours: list[datetime]) -> timedelta:
    """Return the longest time between two hours with events, a half more, so that quiet nights are no trouble."""
    gaps = [after - before for before, after in pairwise(hours)]
    return max(gaps, default=HOUR) * 1.5
