"""Detect that events have stopped, compared with the site's own traffic at the same hours of the week.

The last weeks' counts give the expected number of events since the last one. Nights and weekends without traffic add
nothing to this number, so they cannot open an alert. The limit grows with the number of events, because a busy site has
more gaps that can be long by chance, and with the size of bursts, because one sign-up causes several events.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.times import HOUR, minutes, start_of_hour
from webhooks.models import EventCount
from webhooks.monitoring import hourly_counts
from webhooks.monitoring.health import Health
from webhooks.monitoring.signals import WELL, Signal, broken, combine, degraded, unknown, well

WEEK = timedelta(days=7)
HOURS_PER_WEEK, WEEKS_PER_YEAR = 168, 52
#: Events are late after this time. A single late event is probably a retry.
MAX_LAG, MIN_LATE = timedelta(minutes=15), 3
#: The expected traffic is computed from the counts of this period before the last event.
HISTORY, MIN_HISTORY, MIN_EVENTS = 4 * WEEK, 2 * WEEK, 8
#: An alert never opens earlier after the last event.
MIN_SILENCE = timedelta(minutes=30)
#: If events arrived independently, an alert would open without cause once in this many years.
YEARS_PER_FALSE_ALARM = 100
#: Daylight saving time moves traffic by an hour. Next to a quiet hour, a busy one is expected to have at most one event.
EDGE_FACTOR, MAX_EDGE_EVENTS = 10, 1.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """The usual number of events.

    Attributes:
        by_slot: the mean number of events in each hour of the week.
        burst: the ratio of variance and mean within the same hour of the week: 1 for independent events.
    """

    by_slot: list[float]
    burst: float

    @property
    def limit(self) -> float:
        """The number of expected events without which the silence cannot be a coincidence."""
        per_year = max(sum(self.by_slot) * WEEKS_PER_YEAR / self.burst, 1)
        return self.burst * math.log(YEARS_PER_FALSE_ALARM * per_year)

    def expected(self, since: datetime, until: datetime) -> float:
        """Return the usual number of events between two times. More than HISTORY is not added up."""
        until = min(until, since + HISTORY)
        first = start_of_hour(since)
        hours = [first + number * HOUR for number in range(math.ceil((until - first) / HOUR))]
        return sum(
            self._per_hour(_slot(hour)) * ((min(until, hour + HOUR) - max(since, hour)) / HOUR) for hour in hours
        )

    def _per_hour(self, slot: int) -> float:
        neighbour = min(self.by_slot[slot - 1], self.by_slot[(slot + 1) % HOURS_PER_WEEK])
        return min(self.by_slot[slot], max(MAX_EDGE_EVENTS, EDGE_FACTOR * neighbour))


def silence(health: Health) -> Signal:
    """Check whether events have stopped, or arrive late."""
    return combine(health, _stopped, _late)


def _late(health: Health) -> Signal:
    """Check whether all of the newest events arrived late, because Svix is behind or sends again after an outage."""
    lag = min(health.recent_lags, default=timedelta(0))
    if len(health.recent_lags) < MIN_LATE or lag < MAX_LAG:
        return WELL
    text = ngettext(
        "The newest events arrived at least %d minute after the change in Clerk. Check https://status.svix.com.",
        "The newest events arrived at least %d minutes after the change in Clerk. Check https://status.svix.com.",
        minutes(lag),
    )
    return degraded(_("Events arrive late"), text % minutes(lag))


def _stopped(health: Health) -> Signal:
    """Check whether events have stopped, compared with the weeks before the last event.

    The weeks before the current time would contain no events during a long silence, and the alert would resolve.
    """
    if health.last_received is None:
        return unknown(_("No event has been received"))
    quiet = health.at - health.last_received
    text = ngettext("The last event arrived %d minute ago.", "The last event arrived %d minutes ago.", minutes(quiet))
    last_event = text % minutes(quiet)
    if quiet < MIN_SILENCE:
        return well(last_event)
    traffic = usual_traffic(health.last_received)
    if traffic is None:
        text = _("At least %(events)d events and two weeks of history are needed to detect that events have stopped.")
        return unknown(_("Too few events to detect silence"), f"{last_event} {text % {'events': MIN_EVENTS}}")
    expected = traffic.expected(health.last_received, health.at)
    numbers = {"minutes": minutes(quiet), "expected": round(expected)}
    if expected < traffic.limit:
        return well(last_event)
    text = ngettext(
        "No events have arrived for %(minutes)d minute. Usually, about %(expected)d arrive in this time.",
        "No events have arrived for %(minutes)d minutes. Usually, about %(expected)d arrive in this time.",
        minutes(quiet),
    )
    return broken(text % numbers, minutes(quiet))


def usual_traffic(last_received: datetime) -> Traffic | None:
    """Return the usual traffic before the last event, or None if the history is too short."""
    until = start_of_hour(last_received)
    counts = hourly_counts.events_by_hour(until - HISTORY)
    since = _start_of_history(until, min(counts, default=until))
    if until - since < MIN_HISTORY or sum(counts.values()) < MIN_EVENTS:
        return None
    samples: defaultdict[int, list[int]] = defaultdict(list)
    for number in range((until - since) // HOUR):
        hour = since + number * HOUR
        samples[_slot(hour)].append(counts.get(hour, 0))
    return Traffic([_mean(samples[slot]) for slot in range(HOURS_PER_WEEK)], _burst(list(samples.values())))


def _start_of_history(until: datetime, first_counted: datetime) -> datetime:
    """Return HISTORY before `until`, or the first event's hour if the site is younger."""
    is_older = EventCount.objects.filter(hour__lt=until - HISTORY).exists()
    return until - HISTORY if is_older else first_counted


def _burst(samples: list[list[int]]) -> float:
    variance = sum(sum((count - _mean(counts)) ** 2 for count in counts) / (len(counts) - 1) for counts in samples)
    return max(variance / sum(map(_mean, samples)), 1)


def _mean(counts: list[int]) -> float:
    return sum(counts) / len(counts)


def _slot(hour: datetime) -> int:
    """Return the hour of the week in UTC, from 0 for Monday at midnight."""
    return hour.weekday() * 24 + hour.hour
