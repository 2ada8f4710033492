"""The silence rule with synthetic histories, from three events per week to 3,000 per hour."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
import time_machine

from core.times import HOUR, start_of_hour
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.models import EventCount, WebhookEvent
from webhooks.monitoring.health import measure
from webhooks.monitoring.rules.silence import silence
from webhooks.monitoring.signals import Signal, State

pytestmark = pytest.mark.django_db

DAY, WEEK, MINUTE = timedelta(days=1), timedelta(days=7), timedelta(minutes=1)
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
#: The number of events in one hour.
type Pattern = Callable[[datetime], int]


def is_office_hour(hour: datetime) -> bool:
    return hour.weekday() < 5 and 8 <= hour.hour < 17


def three_per_week(hour: datetime) -> int:
    return int((hour.weekday(), hour.hour) in ((0, 9), (2, 15), (4, 11)))


def one_sign_up_per_week(hour: datetime) -> int:
    """Three events within an hour, on a different day each week."""
    week = (hour - MONDAY) // WEEK
    return 3 * ((hour.weekday(), hour.hour) == (week % 5, 9 + week % 4))


def office_hours(hour: datetime) -> int:
    return (3 + hour.hour % 2) * is_office_hour(hour)


def busy(hour: datetime) -> int:
    return 3000 + 17 * hour.hour


def busy_by_day(hour: datetime) -> int:
    return 3000 * (7 <= hour.hour < 20)


def seed(pattern: Pattern, until: datetime, weeks: float = 5) -> None:
    """Count events by a pattern until a time, and store the last event."""
    hours = [start_of_hour(until) - number * HOUR for number in range(int(weeks * WEEK / HOUR))]
    counted = [(hour, pattern(hour)) for hour in hours if pattern(hour)]
    EventCount.objects.bulk_create(
        EventCount(hour=hour, event_type="user.updated", state="processed", events=events, deliveries=events)
        for hour, events in counted
    )
    last = until if pattern(until) else counted[0][0] + 59 * MINUTE
    event(min(last, until))


def state_at(moment: datetime) -> State:
    with time_machine.travel(moment, tick=False):
        return silence(measure()).state


def hours_until_broken(since: datetime, limit: timedelta) -> float:
    """Return the hours from a time until the signal is broken."""
    steps = int(limit / (HOUR / 2))
    return next((step / 2 for step in range(steps) if state_at(since + step * HOUR / 2) == State.BROKEN), float("inf"))


def test_busy_site_is_silent_after_half_an_hour() -> None:
    seed(busy, MONDAY + 10 * HOUR + 30 * MINUTE)
    assert state_at(MONDAY + 10 * HOUR + 59 * MINUTE) == State.WELL
    assert state_at(MONDAY + 11 * HOUR) == State.BROKEN


def test_office_site_is_silent_within_one_working_day() -> None:
    seed(office_hours, MONDAY + 9 * HOUR)
    assert 3 <= hours_until_broken(MONDAY + 9 * HOUR, DAY) <= 8


def test_small_site_is_silent_only_after_weeks() -> None:
    seed(three_per_week, MONDAY + 9 * HOUR)
    assert state_at(MONDAY + 2 * WEEK) == State.WELL
    assert state_at(MONDAY + 4 * WEEK) == State.BROKEN


def test_bursts_count_as_one_arrival() -> None:
    """Three events per week that arrive together count as one independent arrival."""
    seed(one_sign_up_per_week, MONDAY + 15 * HOUR)
    assert state_at(MONDAY + 3 * WEEK) == State.WELL


@pytest.mark.parametrize("pattern", (office_hours, busy_by_day))
def test_nights_and_weekends_stay_well(pattern: Pattern) -> None:
    friday = MONDAY + 4 * DAY
    seed(pattern, friday + 16 * HOUR + 59 * MINUTE)
    end = friday + (2 * DAY + 30 * HOUR if pattern == office_hours else 14 * HOUR)
    for hour in range(17, int((end - friday) / HOUR)):
        if pattern(friday + hour * HOUR) == 0:
            WebhookEvent.objects.update(received_at=last_before(pattern, friday + hour * HOUR))
            assert state_at(friday + hour * HOUR + 30 * MINUTE) == State.WELL, hour


def last_before(pattern: Pattern, moment: datetime) -> datetime:
    hour = moment
    while not pattern(hour):
        hour -= HOUR
    return hour + HOUR - timedelta(seconds=1)


@pytest.mark.parametrize("shift", (-HOUR, HOUR))
def test_daylight_saving_time_stays_well(shift: timedelta) -> None:
    """Traffic that shifts by one hour compared with previous weeks is not reported."""
    seed(busy_by_day, MONDAY + 19 * HOUR + 59 * MINUTE)

    def shifted(hour: datetime) -> int:
        return busy_by_day(hour - shift)

    for half_hours in range(40, 2 * 24 + 40):
        moment = MONDAY + half_hours * HOUR / 2
        WebhookEvent.objects.update(received_at=moment if shifted(moment) else last_before(shifted, moment))
        assert state_at(moment) == State.WELL, moment


@pytest.mark.parametrize("seed_number", range(3))
def test_random_arrivals_stay_well(seed_number: int) -> None:
    """Thirty independent events per day during office hours, over four weeks."""
    random = Random(seed_number)
    arrivals = sorted(moment for moment in random_arrivals(random))
    counts: dict[datetime, int] = {}
    for moment in arrivals:
        hour = moment.replace(minute=0, second=0, microsecond=0)
        counts[hour] = counts.get(hour, 0) + 1
    seed(lambda hour: counts.get(hour, 0), MONDAY + 4 * DAY + 16 * HOUR)
    gaps = pairwise(arrivals)
    for before, after in sorted(gaps, key=lambda gap: gap[0] - gap[1])[:40]:
        if before > MONDAY:
            WebhookEvent.objects.update(received_at=before)
            assert state_at(after) == State.WELL, (before, after)


def random_arrivals(random: Random) -> Iterator[datetime]:
    for hours in range(-4 * 168, 5 * 24):
        hour = MONDAY + hours * HOUR
        if is_office_hour(hour):
            yield from (hour + random.random() * HOUR for _ in range(random.choice((2, 3, 3, 4, 5))))


@pytest.mark.parametrize(("pattern", "weeks"), ((busy, 1.5), (lambda hour: int(hour == MONDAY - DAY), 5)))
def test_short_history_is_unknown(pattern: Pattern, weeks: float) -> None:
    seed(pattern, MONDAY, weeks)
    with time_machine.travel(MONDAY + DAY, tick=False):
        signal = silence(measure())
    assert signal.state == State.UNKNOWN
    assert "The last event arrived" in signal.summary
    assert "two weeks of history are needed" in signal.summary


def test_recent_event_is_well_without_history() -> None:
    event(MONDAY)
    assert state_at(MONDAY + 29 * MINUTE) == State.WELL


def test_alert_condition_persists_during_a_long_silence() -> None:
    seed(busy, MONDAY)
    assert {state_at(MONDAY + days * DAY) for days in (1, 7, 30, 400)} == {State.BROKEN}


NOW = MONDAY + 9 * HOUR


def arrive(age: timedelta, lag: timedelta | None) -> None:
    """Store an event that arrived `age` before NOW, and `lag` after the change in Clerk."""
    stored = event(NOW - age)
    stored.occurred_at = stored.received_at - lag if lag is not None else None
    stored.save()


def signal_now() -> Signal:
    with time_machine.travel(NOW, tick=False):
        return silence(measure())


class TestLateDeliveries:
    """Svix can be behind, so that events arrive long after the change in Clerk."""

    def test_late_deliveries_are_degraded_until_one_arrives_in_time(self) -> None:
        for number in range(5):
            arrive((10 + number) * MINUTE, (20 + number) * MINUTE)
        signal = signal_now()
        assert (signal.state, signal.title) == ("degraded", "Events arrive late")
        assert "20 minutes" in signal.summary
        arrive(9 * MINUTE, timedelta(seconds=2))
        assert signal_now().title != "Events arrive late"

    @pytest.mark.parametrize(
        ("number", "age", "lag"),
        (
            pytest.param(2, MINUTE, HOUR, id="few"),
            pytest.param(5, 2 * HOUR, HOUR, id="old"),
            pytest.param(5, MINUTE, None, id="without a time"),
        ),
    )
    def test_other_deliveries_are_not_late(self, number: int, age: timedelta, lag: timedelta | None) -> None:
        for _ in range(number):
            arrive(age, lag)
        assert signal_now().title != "Events arrive late"
