"""Rules about requests that the endpoint rejected or answered with 503.

Requests before the last accepted delivery do not count as blocked, and requests before a long pause belong to an earlier
incident. Without an accepted delivery, the problem continues although Svix waits for hours before it sends again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webhooks.inbox.rejections import UNAVAILABLE
from webhooks.models import CheckResult, WebhookEvent
from webhooks.monitoring.health import Health
from webhooks.monitoring.rejections import Rejections, latest_incident
from webhooks.monitoring.rules.checks import result_of
from webhooks.monitoring.signals import Signal, broken, degraded, unknown, well

MINUTE = timedelta(minutes=1)
#: Rejected requests are a problem above this count and this fraction of all deliveries.
MIN_REJECTED, MIN_REJECTED_SHARE = 20, 0.05
#: Causes that require Svix headers or a mistake on our side, so the deliveries are probably from Clerk. Even a few are
#: a problem if no delivery has been accepted since.
PROBABLY_CLERK, MIN_PROBABLY_CLERK = ("bad_signature", "not_configured"), 2
#: Causes of deliveries with a valid signature. An old delivery can be a repetition, but one from the future cannot.
WRONG_CLOCK, FUTURE = ("stale_timestamp", "future_timestamp"), "future_timestamp"
MIN_UNAVAILABLE = 3
#: The problem is over if a delivery was accepted after the last rejected one, and none was rejected for this time. If
#: deliveries were also accepted during the incident, also for this many times the mean time between rejections.
OVER_AFTER, OVER_GAPS = timedelta(seconds=30), 3

type Rows = Mapping[str, Rejections]


def rejected(health: Health) -> Signal:
    """Check whether deliveries are rejected: many of them, or those that probably come from Clerk."""
    others = (*UNAVAILABLE, *WRONG_CLOCK)
    rows = {cause: row for cause, row in health.rejections.items() if cause not in others}
    recent = {cause: row.requests for cause, row in rows.items() if row.requests}
    text = ngettext(
        "The endpoint rejected %(total)d request in the current and previous hour: %(causes)s.",
        "The endpoint rejected %(total)d requests in the current and previous hour: %(causes)s.",
        sum(recent.values()),
    )
    summary = text % {"total": sum(recent.values()), "causes": _listed(recent)}
    if recent and _is_over(health, rows):
        return well(f"{summary} {_('Deliveries have been accepted since.')}")
    blocked, incident = _since(rows, health.last_received), _of_incident(rows)
    genuine = sum(blocked.get(cause, 0) for cause in PROBABLY_CLERK)
    if genuine >= MIN_PROBABLY_CLERK:
        return _broken(_describe_blocked(blocked), blocked)
    if sum(incident.values()) >= MIN_REJECTED and _is_large_share(health, incident):
        return _broken(_describe(incident), incident)
    if genuine or any(cause in recent for cause in PROBABLY_CLERK):
        return degraded(_("Deliveries were rejected"), summary if recent else _describe(blocked))
    return well(summary if recent else _("No request was rejected in the current and previous hour."))


def _describe_blocked(causes: dict[str, int]) -> str:
    text = f"{_describe(causes)} {_('No delivery has been accepted since.')}"
    if "bad_signature" not in causes:
        return text
    advice = _("CLERK_WEBHOOK_SECRET is probably wrong. Compare it with the signing secret in Clerk’s dashboard.")
    return f"{text} {advice}"


def clock(health: Health) -> Signal:
    """Check whether validly signed deliveries are rejected because our clock differs from Svix's."""
    rows = {cause: health.rejections[cause] for cause in WRONG_CLOCK if cause in health.rejections}
    blocked = _since(rows, health.last_received)
    if not blocked and not any(row.requests for row in rows.values()):
        return _accepted_in_time(health)
    offset_s = max(rows.values(), key=lambda row: row.last_at).clock_offset_s or 0
    causes = blocked or _of_incident(rows)
    total = sum(causes.values())
    summary = _describe_clock(total, offset_s)
    if _is_over(health, rows):
        return well(f"{summary} {_('Deliveries have been accepted since.')}")
    is_many = total >= MIN_PROBABLY_CLERK and (bool(blocked) or _is_large_share(health, causes))
    if FUTURE in causes or is_many:
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
    rows = {cause: row for cause, row in health.rejections.items() if cause in UNAVAILABLE and row.requests}
    recent = {cause: row.requests for cause, row in rows.items()}
    total = sum(recent.values())
    if not total:
        return well(_("No delivery was answered with 503 in the current and previous hour."))
    text = ngettext(
        "%(total)d valid delivery was answered with 503 in the current and previous hour: %(causes)s.",
        "%(total)d valid deliveries were answered with 503 in the current and previous hour: %(causes)s.",
        total,
    )
    summary = text % {"total": total, "causes": _listed(recent)}
    if not health.has("last_received") and _last_at(rows) > health.at - MINUTE:
        return _broken(summary, recent)  # The table of events is locked, so no delivery can have been accepted.
    if _is_over(health, rows):
        return well(f"{summary} {_('Deliveries have been accepted since.')}")
    blocked, incident = _since(rows, health.last_received), _of_incident(rows)
    number = sum(blocked.values())
    if number >= MIN_UNAVAILABLE:
        return _broken(_describe_unavailable(blocked), blocked)
    if sum(incident.values()) >= MIN_UNAVAILABLE and _is_large_share(health, incident):
        return _broken(_describe_unavailable(incident), incident)
    return degraded(_("Deliveries were answered with 503"), summary)


def _broken(summary: str, causes: dict[str, int]) -> Signal:
    most_frequent = max(causes, key=causes.__getitem__)
    return broken(summary, sum(causes.values()), {"causes": causes}, causes=[most_frequent])


def _describe(causes: dict[str, int]) -> str:
    total = sum(causes.values())
    text = ngettext(
        "The endpoint rejected %(total)d request: %(causes)s.",
        "The endpoint rejected %(total)d requests: %(causes)s.",
        total,
    )
    return text % {"total": total, "causes": _listed(causes)}


def _describe_clock(total: int, offset_s: int) -> str:
    ahead = ngettext(
        "%(total)d delivery was rejected, because the clock of a web server is %(minutes)d minutes ahead.",
        "%(total)d deliveries were rejected, because the clock of a web server is %(minutes)d minutes ahead.",
        total,
    )
    behind = ngettext(
        "%(total)d delivery was rejected, because the clock of a web server is %(minutes)d minutes behind.",
        "%(total)d deliveries were rejected, because the clock of a web server is %(minutes)d minutes behind.",
        total,
    )
    return (ahead if offset_s > 0 else behind) % {"total": total, "minutes": abs(offset_s) // 60}


def _describe_unavailable(causes: dict[str, int]) -> str:
    total = sum(causes.values())
    text = ngettext(
        "%(total)d valid delivery was answered with 503: %(causes)s.",
        "%(total)d valid deliveries were answered with 503: %(causes)s.",
        total,
    )
    return text % {"total": total, "causes": _listed(causes)}


def _since(rows: Rows, moment: datetime | None) -> dict[str, int]:
    """Count the requests after a time by cause. Causes without requests are omitted."""
    counted = {cause: row.since(moment) for cause, row in rows.items()}
    return {cause: number for cause, number in counted.items() if number}


def _of_incident(rows: Rows) -> dict[str, int]:
    incident = latest_incident(list(rows.values()))
    return _since(rows, incident.first_at - timedelta(microseconds=1)) if incident else {}


def _is_large_share(health: Health, causes: Mapping[str, int]) -> bool:
    total, deliveries = sum(causes.values()), sum(row.deliveries for row in health.recent)
    return total >= MIN_REJECTED_SHARE * (total + deliveries)


def _is_over(health: Health, rows: Rows) -> bool:
    """Return whether deliveries are accepted again, so that operators see the effect of a repair within a minute."""
    incident = latest_incident(list(rows.values()))
    if incident is None or health.last_received is None or health.last_received < incident.last_at:
        return False
    quiet = health.at - incident.last_at
    if quiet < OVER_AFTER:
        return False
    accepted = WebhookEvent.objects.filter(received_at__gt=incident.first_at, received_at__lt=incident.last_at)
    return quiet >= OVER_GAPS * incident.mean_gap or not accepted.exists()


def _last_at(rows: Rows) -> datetime:
    return max(row.last_at for row in rows.values())


def _listed(causes: Mapping[str, int]) -> str:
    return ", ".join(f"{cause} {count}" for cause, count in sorted(causes.items(), key=lambda item: -item[1]))
