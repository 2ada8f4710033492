"""Rules about events and deliveries."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.times import minutes
from webhooks.inbox.rejections import UNAVAILABLE
from webhooks.models import CheckResult, WebhookEvent
from webhooks.monitoring import error_groups
from webhooks.monitoring.health import HOUR, Health
from webhooks.monitoring.hourly_counts import TypeCount
from webhooks.monitoring.rules.checks import result_of
from webhooks.monitoring.signals import WELL, Signal, broken, degraded, unknown, well

#: Both thresholds apply to the events of the current and previous hour.
MIN_FAILURE_SHARE, MIN_FAILURES = 0.05, 5
MINUTE, MAX_UNSETTLED_AGE = timedelta(minutes=1), timedelta(minutes=30)
#: Rejected requests are a problem above this count and this fraction of all deliveries.
MIN_REJECTED, MIN_REJECTED_SHARE = 20, 0.05
#: Causes that require Svix headers or a mistake on our side, so the deliveries are probably from Clerk. Even a few are
#: a problem if no delivery has been accepted since.
PROBABLY_CLERK, MIN_PROBABLY_CLERK = ("bad_signature", "not_configured"), 2
#: Causes of deliveries with a valid signature. An old delivery can be a repetition, but one from the future cannot.
WRONG_CLOCK, FUTURE = ("stale_timestamp", "future_timestamp"), "future_timestamp"
MIN_UNAVAILABLE = 3
#: The problem is over if a delivery was accepted after the last rejected one, and none was rejected for this time.
OVER_AFTER = timedelta(seconds=30)
MAX_IDS = 20


def failure_rate(health: Health) -> Signal:
    """Check whether many events fail, or every event of a type."""
    events, failed = _count(health.recent), _count(health.recent, WebhookEvent.UNSETTLED)
    types = _failing_types(health)
    text = _("%(failed)d of the last %(events)d events failed.") % {"failed": failed, "events": events}
    if types or (failed >= MIN_FAILURES and failed >= MIN_FAILURE_SHARE * events):
        if types:
            text = f"{text} {_('Every event of these types failed: %s.') % ', '.join(types)}"
        ids = _unsettled_ids(error_groups.is_recent_or_failed(health.at))
        return broken(text, failed / events if events else 1, {"events": ids}, causes=types or ["rate"])
    if health.failed:
        text = ngettext("%d event failed and will be retried.", "%d events failed and will be retried.", health.failed)
        return degraded(_("Failed events are being retried"), text % health.failed)
    return well(text)


def _failing_types(health: Health) -> list[str]:
    """Return the failing types without a success in the current and previous hour.

    Dead events do not count as failures, because they open another alert. Failed events count regardless of their age,
    because the handler is still broken although no new event of the type has arrived.
    """
    working = {row.event_type for row in health.recent if row.state in WebhookEvent.SETTLED}
    return sorted(health.failing_types - working)


def dead_events(health: Health) -> Signal:
    if not health.dead:
        return well(_("No event is dead."))
    text = ngettext(
        "%d event is dead and will not be retried.", "%d events are dead and will not be retried.", health.dead
    )
    return broken(text % health.dead, health.dead, {"events": _unsettled_ids(state="dead")})


def oldest_unsettled(health: Health) -> Signal:
    age = health.at - (health.oldest_unsettled or health.at)
    if health.oldest_unsettled is None:
        return well(_("All events are settled."))
    text = ngettext(
        "The oldest unsettled event was received %(minutes)d minute ago.",
        "The oldest unsettled event was received %(minutes)d minutes ago.",
        minutes(age),
    )
    if age < MAX_UNSETTLED_AGE:
        return well(text % {"minutes": minutes(age)})
    return broken(text % {"minutes": minutes(age)}, minutes(age), {"events": _unsettled_ids()[:1]})


def rejected(health: Health) -> Signal:
    """Check whether deliveries are rejected: many of them, or those that probably come from Clerk."""
    others = (*UNAVAILABLE, *WRONG_CLOCK)
    causes = {cause: row.requests for cause, row in health.rejections.items() if cause not in others}
    total, genuine = sum(causes.values()), sum(causes.get(cause, 0) for cause in PROBABLY_CLERK)
    text = ngettext(
        "The endpoint rejected %(total)d request in the current and previous hour: %(causes)s.",
        "The endpoint rejected %(total)d requests in the current and previous hour: %(causes)s.",
        total,
    )
    summary = text % {"total": total, "causes": _listed(causes)}
    if total and _is_over(health, causes):
        return well(f"{summary} {_('Deliveries have been accepted since.')}")
    is_blocked = genuine >= MIN_PROBABLY_CLERK and _accepted_nothing_since(health, PROBABLY_CLERK)
    if is_blocked:
        summary += " " + _("No delivery has been accepted since.")
    if is_blocked or (total >= MIN_REJECTED and total >= MIN_REJECTED_SHARE * (total + _deliveries(health))):
        return broken(summary, total, {"causes": causes}, causes=[_most_frequent(causes)])
    if genuine:
        return degraded(_("Deliveries were rejected"), summary)
    return well(summary if total else _("No request was rejected in the current and previous hour."))


def clock(health: Health) -> Signal:
    """Check whether validly signed deliveries are rejected because our clock differs from Svix's."""
    causes = {cause: health.rejections[cause].requests for cause in WRONG_CLOCK if cause in health.rejections}
    if not causes:
        return _accepted_in_time(health)
    total, last_at = sum(causes.values()), _last_rejection(health, WRONG_CLOCK)
    offset_s = next(health.rejections[cause].clock_offset_s or 0 for cause in causes if _at(health, cause) == last_at)
    text = (
        _("%(total)d deliveries were rejected, because the clock of a web server is %(minutes)d minutes ahead.")
        if offset_s > 0
        else _("%(total)d deliveries were rejected, because the clock of a web server is %(minutes)d minutes behind.")
    )
    summary = text % {"total": total, "minutes": abs(offset_s) // 60}
    if _is_over(health, causes):
        return well(f"{summary} {_('Deliveries have been accepted since.')}")
    is_many = total >= MIN_PROBABLY_CLERK and total >= MIN_REJECTED_SHARE * (total + _deliveries(health))
    if FUTURE in causes or is_many or (total >= MIN_PROBABLY_CLERK and _accepted_nothing_since(health, causes)):
        facts = {"causes": causes, "clock_offset_seconds": offset_s}
        return broken(summary, total, facts, causes=["ahead" if offset_s > 0 else "behind"])
    return degraded(_("An old delivery was rejected"), summary)


def _accepted_in_time(health: Health) -> Signal:
    """Evaluate the comparisons of clocks that webhooks.doctor made, and the last accepted delivery."""
    results = [recent for name in ("clerk_clock", "delivery_clock") if (recent := result_of(health, name))]
    compared = [result for result in results if "offset_s" in result.facts]
    wrong = next((result for result in compared if result.state == CheckResult.State.FAILED), None)
    if wrong:  # Clerk's tokens are rejected if the clock differs by a few seconds.
        return broken(wrong.summary, abs(wrong.facts["offset_s"]), {"clock_offset_seconds": wrong.facts["offset_s"]})
    if compared:
        return well(compared[0].summary)
    if health.last_received is None:
        return unknown(_("No delivery has been received, so the clock was not compared"))
    return well(_("The timestamp of the last delivery was within five minutes of the clock."))


def unavailable(health: Health) -> Signal:
    """Check whether valid deliveries were answered with 503, so that Svix has to send them again."""
    causes = {cause: row.requests for cause, row in health.rejections.items() if cause in UNAVAILABLE}
    total = sum(causes.values())
    if not total:
        return well(_("No delivery was answered with 503 in the current and previous hour."))
    text = ngettext(
        "%(total)d valid delivery was answered with 503 in the current and previous hour: %(causes)s.",
        "%(total)d valid deliveries were answered with 503 in the current and previous hour: %(causes)s.",
        total,
    )
    summary = text % {"total": total, "causes": _listed(causes)}
    if not health.has("last_received") and (_last_rejection(health, causes) or health.at) > health.at - MINUTE:
        # The table of events is locked, so no delivery can have been accepted.
        return broken(summary, total, {"causes": causes}, causes=[_most_frequent(causes)])
    if _is_over(health, causes):
        return well(f"{summary} {_('Deliveries have been accepted since.')}")
    is_many = total >= MIN_REJECTED_SHARE * (total + _deliveries(health))
    if total >= MIN_UNAVAILABLE and (is_many or _accepted_nothing_since(health, UNAVAILABLE)):
        return broken(summary, total, {"causes": causes}, causes=[_most_frequent(causes)])
    return degraded(_("Deliveries were answered with 503"), summary)


def other_instance(health: Health) -> Signal:
    """Check whether another Clerk instance sends events here. Requires CLERK_INSTANCE_ID."""
    if not settings.CLERK_INSTANCE_ID:
        return WELL
    foreign = WebhookEvent.objects.filter(received_at__gt=health.at - HOUR).exclude(
        instance_id__in=["", settings.CLERK_INSTANCE_ID]
    )
    ids = list(foreign.values_list("pk", flat=True)[: MAX_IDS + 1])
    if not ids:
        return well(_("No event from another instance has arrived in the last hour."))
    text = _("A Clerk instance other than %(ours)s is sending events here. They are ignored.")
    return broken(text % {"ours": settings.CLERK_INSTANCE_ID}, len(ids), {"events": ids[:MAX_IDS]})


def _count(rows: Iterable[TypeCount], states: Collection[str] | None = None) -> int:
    return sum(row.events for row in rows if states is None or row.state in states)


def _deliveries(health: Health) -> int:
    return sum(row.deliveries for row in health.recent)


def _accepted_nothing_since(health: Health, causes: Iterable[str]) -> bool:
    """Return whether no event has been stored since the last request rejected for one of the causes."""
    last_at = _last_rejection(health, causes)
    return last_at is not None and (health.last_received is None or health.last_received < last_at)


def _is_over(health: Health, causes: Iterable[str]) -> bool:
    """Return whether deliveries are accepted again, so that operators see the effect of a repair within a minute."""
    last_at = _last_rejection(health, causes)
    return last_at is not None and last_at <= health.at - OVER_AFTER and not _accepted_nothing_since(health, causes)


def _last_rejection(health: Health, causes: Iterable[str]) -> datetime | None:
    return max((_at(health, cause) for cause in causes if cause in health.rejections), default=None)


def _at(health: Health, cause: str) -> datetime:
    return health.rejections[cause].last_at


def _most_frequent(causes: dict[str, int]) -> str:
    return max(causes, key=causes.__getitem__)


def _listed(causes: dict[str, int]) -> str:
    return ", ".join(f"{cause} {count}" for cause, count in sorted(causes.items(), key=lambda item: -item[1]))


def _unsettled_ids(*conditions: Q, **filters: Any) -> list[int]:
    events = WebhookEvent.objects.unsettled().filter(*conditions, **filters).order_by("received_at")
    return list(events.values_list("pk", flat=True)[:MAX_IDS])
