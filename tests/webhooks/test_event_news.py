"""News for an open event list: one small statement if nothing has changed, rows or the number of new events otherwise."""

import re
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.helpers.clients import HTMX, signed_in, with_password
from tests.helpers.factories import UserFactory
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.admin.events import news as event_news
from webhooks.models import WebhookEvent

#: These tests commit their data, because the position depends on open transactions.
pytestmark = pytest.mark.django_db(transaction=True)

LIST, NEWS = "/admin/webhooks/webhookevent/", "/admin/webhooks/webhookevent/news/"
UNCHANGED = 204


@pytest.fixture
def operator() -> Client:
    return with_password()


def open_list(browser: Client, query: str = "") -> str:
    """Return the position of a freshly loaded page."""
    [seen] = re.findall(r'data-seen="([0-9.]+)"', browser.get(LIST + query).content.decode())
    return str(seen)


def poll(browser: Client, seen: str, query: str = "?") -> Any:
    return browser.get(f"{NEWS}{query}&seen={seen}", headers=HTMX)


def listed(text: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'<tr id="event-(\d+)"', text)]


class TestUnchangedList:
    def test_unchanged_list_executes_one_small_statement(self, operator: Client) -> None:
        event()
        seen = open_list(operator)
        with CaptureQueriesContext(connection) as captured:
            assert poll(operator, seen).status_code == UNCHANGED
        about_events = [query["sql"] for query in captured.captured_queries if "webhookevent" in query["sql"]]
        assert len(about_events) == 1
        assert "EXISTS" in about_events[0]
        assert len(captured.captured_queries) == 3  # The other two load the session and the operator.

    @pytest.mark.parametrize("seen", ("", "x", "1", "-1.2", "1.2.3", "99999999999999999999.1"))
    def test_invalid_position_is_ignored(self, operator: Client, seen: str) -> None:
        assert poll(operator, seen).status_code == UNCHANGED

    def test_invalid_filter_value_is_ignored(self, operator: Client) -> None:
        seen = open_list(operator)
        event()
        assert poll(operator, seen, "?q=%00").status_code == UNCHANGED


class TestFirstPage:
    def test_new_event_is_returned_with_the_next_position(self, operator: Client) -> None:
        old = event()
        seen = open_list(operator)
        new = event()
        response = poll(operator, seen)
        text = response.content.decode()
        assert listed(text) == [new.pk, old.pk]
        assert 'class="action-select"' in text
        assert '<nav class="keyset"' in text
        assert poll(operator, re.findall(r'data-seen="([0-9.]+)"', text)[0]).status_code == UNCHANGED

    def test_changed_event_has_a_new_version(self, operator: Client) -> None:
        failed = event(state="dead", processed_at=None)
        text = operator.get(LIST).content.decode()
        seen = re.findall(r'data-seen="([0-9.]+)"', text)[0]
        WebhookEvent.objects.filter(pk=failed.pk).update(state="processed", processed_at=failed.received_at)
        versions = [
            re.findall(rf'<tr id="event-{failed.pk}" data-version="(\d+)"', each)[0]
            for each in (text, poll(operator, seen).content.decode())
        ]
        assert versions[0] != versions[1]

    def test_late_commit_is_not_missed(self, operator: Client) -> None:
        """The event's transaction is open while another session reads the position in a later transaction."""
        other_session = connection.copy()
        with transaction.atomic():
            early = event()
            with other_session.cursor() as cursor:
                cursor.execute("SELECT pg_current_xact_id()")  # a later transaction
                cursor.execute(event_news.CHANGED_SINCE, [2**62])
                seen = f"{cursor.fetchone()[0]}.0"
        other_session.close()
        assert listed(poll(operator, seen).content.decode()) == [early.pk]


class TestOtherPages:
    @pytest.mark.parametrize("query", ("?state=processed", "?before=9999999999999999.1", "?sort=-lag", "?q=user_olive"))
    def test_other_pages_get_the_number_of_new_events(self, operator: Client, query: str) -> None:
        seen = open_list(operator, query)
        for _ in range(3):
            event(clerk_user_id="user_olive")
        text = poll(operator, seen, query).content.decode()
        assert listed(text) == []
        [(url, label)] = re.findall(r'<a href="([^"]*)">([^<]*)</a>', text)
        assert label == "3 new events"
        assert "before=" not in url
        assert "seen=" not in url

    def test_events_that_do_not_match_the_filter_are_not_counted(self, operator: Client) -> None:
        seen = open_list(operator, "?state=dead")
        event()
        assert "new event" not in poll(operator, seen, "?state=dead").content.decode()

    def test_number_of_new_events_grows_between_requests(self, operator: Client) -> None:
        seen = open_list(operator, "?state=processed")
        for number in ("1 new event<", "2 new events<"):
            event()
            text = poll(operator, seen, "?state=processed").content.decode()
            assert number in text
            seen = re.findall(r'data-seen="([0-9.]+)"', text)[0]

    def test_large_numbers_are_capped(self, operator: Client) -> None:
        seen = open_list(operator, "?state=processed")
        for _ in range(100):
            event()
        assert "More than 99 new events" in poll(operator, seen, "?state=processed").content.decode()


class TestPermission:
    def test_user_without_permission_is_redirected_by_the_browser(self) -> None:
        response = poll(signed_in(UserFactory.create(client=True)), "1.1")
        assert response.headers["HX-Redirect"].startswith("/admin/login/")

    def test_only_safe_methods_are_allowed(self, operator: Client) -> None:
        assert operator.post(NEWS).status_code == 405
