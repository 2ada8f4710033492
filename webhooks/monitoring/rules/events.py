"""Rules about stored events."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.times import HOUR, minutes
from webhooks.models import WebhookEvent
from webhooks.monitoring.error_groups import ranking as error_groups
from webhooks.monitoring.health import Health
from webhooks.monitoring.hourly_counts import TypeCount
from webhooks.monitoring.rules.checks import result_of
from webhooks.monitoring.signals import Signal, broken, degraded, unknown, well

#: Both thresholds apply to the events of the current and previous hour.
MIN_FAILURE_SHARE, MIN_FAILURES = 0.05, 5
MAX_UNSETTLED_AGE = timedelta(minutes=30)
MAX_IDS = 20


def failure_rate(health: Health) -> Signal:
    """Check whether many events fail, or every event of a type."""
    events, failed = _count(health.recent), _count(health.recent, WebhookEvent.UNSETTLED)
    types = _failing_types(health)
    text = ngettext(
        "%(failed)d of the last %(events)d event failed.", "%(failed)d of the last %(events)d events failed.", events
    )
    text %= {"failed": failed, "events": events}
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
    """Return the failing types without a success in the current and previous hour, or with many failures since.

    Dead events do not count as failures, because they open another alert. Failed events count regardless of their age,
    because the handler is still broken although no new event of the type has arrived.
    """
    working = {row.event_type for row in health.recent if row.state in WebhookEvent.SETTLED}
    return sorted(health.failing_types - working | health.broken_types)


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


def other_instance(health: Health) -> Signal:
    """Check whether another Clerk instance sends events here."""
    ours = _own_instances(health)
    if not ours:
        return unknown(_("CLERK_INSTANCE_ID is not set, so events from other Clerk instances cannot be detected"))
    foreign = WebhookEvent.objects.filter(received_at__gt=health.at - HOUR).exclude(instance_id__in=["", *ours])
    ids = list(foreign.values_list("pk", flat=True)[: MAX_IDS + 1])
    if not ids:
        return well(_("No event from another instance has arrived in the last hour."))
    text = (
        _("A Clerk instance other than %(ours)s is sending events here. They are ignored.")
        if settings.CLERK_INSTANCE_ID
        else _(
            "A Clerk instance other than %(ours)s is sending events here. They are applied, because CLERK_INSTANCE_ID is "
            "not set."
        )
    )
    return broken(text % {"ours": ", ".join(ours)}, len(ids), {"events": ids[:MAX_IDS]})


def _own_instances(health: Health) -> list[str]:
    """Return CLERK_INSTANCE_ID. Without it, return the instance IDs that the diagnostic checks read from Clerk's keys."""
    if settings.CLERK_INSTANCE_ID:
        return [settings.CLERK_INSTANCE_ID]
    results = [recent for name in ("clerk_api", "key_server") if (recent := result_of(health, name))]
    return next((ids for result in results if (ids := result.facts.get("instance_ids"))), [])


def _count(rows: Iterable[TypeCount], states: Collection[str] | None = None) -> int:
    return sum(row.events for row in rows if states is None or row.state in states)


def _unsettled_ids(*conditions: Q, **filters: Any) -> list[int]:
    events = WebhookEvent.objects.unsettled().filter(*conditions, **filters).order_by("received_at")
    return list(events.values_list("pk", flat=True)[:MAX_IDS])
