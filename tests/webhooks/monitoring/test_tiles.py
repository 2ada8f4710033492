"""The dashboard's tiles and the columns of its chart."""

import html
import re
from datetime import timedelta

import pytest
from django.test import Client

from core.times import start_of_hour
from tests.helpers.clients import with_password
from tests.webhooks.monitoring.test_dashboard import DAY, HOUR, MINUTE, NOW, aggregate, committed, page
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.models import RejectionCount, WebhookEvent
from webhooks.monitoring.dashboard import counts as dashboard
from webhooks.monitoring.dashboard import tiles
from webhooks.monitoring.dashboard.charts import trend_points
from webhooks.monitoring.dashboard.tiles import Tile, describe_change

pytestmark = pytest.mark.django_db


def build(span: str = "24h") -> dict[str, Tile]:
    counts = dashboard.fetch_counts(NOW, span)
    return {tile.key: tile for tile in tiles.build_tiles(NOW, span, dashboard.build_table(NOW, counts), counts)}


def heights(tile: Tile) -> list[float]:
    """Return the height of each point of the trend line above the bottom."""
    return [29 - float(point.partition(",")[2]) for point in tile.trend.split()]


class TestTiles:
    def test_tiles_count_the_last_24_hours(self) -> None:
        for age in (MINUTE, 3 * HOUR, 3 * DAY):
            event(NOW - age, deliveries=2)
            event(NOW - age, state="dead", processed_at=None)
            RejectionCount.objects.create(hour=start_of_hour(NOW - age), cause="other", requests=5)
        found = build()
        assert [found[key].number for key in ("received", "unsettled", "rejected")] == [6, 2, 10]
        assert (found["received"].is_problem, found["unsettled"].is_problem) == (False, True)
        assert found["lag"].seconds

    @committed
    @pytest.mark.parametrize(("span", "age"), (("24h", HOUR), ("30d", DAY)))
    def test_trends_show_events_before_and_after_aggregation(self, span: str, age: timedelta) -> None:
        event(NOW - age, state="dead", processed_at=None)
        RejectionCount.objects.create(hour=start_of_hour(NOW - age), cause="other", requests=5)
        for is_aggregated in (False, True):
            if is_aggregated:
                aggregate()
            for key in ("received", "unsettled", "rejected"):
                assert heights(build(span)[key])[-3:] == [0, 28, 0]

    def test_tiles_without_events_are_empty(self) -> None:
        found = build()
        assert [tile.number for tile in found.values()] == [0, 0, 0, None]
        assert found["received"].note == "None in 7 days"
        assert set(heights(found["received"])) == {0}

    @pytest.mark.parametrize(
        ("day", "earlier", "text"),
        (
            (3, 0, "None in the previous 6 days"),
            (20, 60, "100 % above the daily average"),
            (5, 60, "50 % below the daily average"),
            (0, 60, "100 % below the daily average"),
            (10, 60, "Same as the daily average"),
            (200, 60, "20 times the daily average"),
        ),
    )
    def test_change_is_compared_with_the_daily_average(self, day: int, earlier: int, text: str) -> None:
        assert describe_change(day, earlier, has_history=True) == text

    @pytest.mark.parametrize(
        ("day", "earlier", "text"),
        (
            (73, 6, "6 in the previous 6 days"),
            (0, 6, "6 in the previous 6 days"),
            (3, 0, "None in the previous 6 days"),
            (0, 0, "None in 7 days"),
        ),
    )
    def test_new_site_shows_the_previous_count_instead_of_an_average(self, day: int, earlier: int, text: str) -> None:
        assert describe_change(day, earlier, has_history=False) == text

    def test_averages_are_shown_after_a_week_of_history(self) -> None:
        for age in (MINUTE, HOUR, 2 * DAY):
            event(NOW - age)
        assert build()["received"].note == "1 in the previous 6 days"
        event(NOW - 8 * DAY)
        assert build()["received"].note == "12 times the daily average"

    def test_trend_of_one_value_is_drawn(self) -> None:
        assert trend_points([4]) == "0.0,1.0"


class TestColumns:
    @pytest.fixture
    def operator(self) -> Client:
        return with_password()

    def test_column_shows_its_values_and_links_to_its_events(self, operator: Client) -> None:
        found = event(NOW - HOUR, event_type="user.created")
        event(NOW - 2 * HOUR)
        column = page(operator).partition('id="column-23"')[2].partition("</li>")[0]
        assert re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", column.partition(">")[2])).strip() == (
            "20 Nov 08:00 1 event user.created 1"
        )
        [url] = re.findall(r'href="([^"]*)"', column)
        listed = operator.get(html.unescape(url)).content.decode()
        assert re.findall(r"webhookevent/(\d+)/change/", listed) == [str(found.pk)]
        assert WebhookEvent.objects.count() == 2
