"""The side bar of the admin."""

import re

import pytest
from django.test import Client

from tests.helpers.clients import with_password
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.templatetags.navigation import navigation

pytestmark = pytest.mark.django_db

EVENTS = "/admin/webhooks/webhookevent/"
CURRENT = re.compile(r'<a href="([^"]*)" aria-current="page">([^<]*)</a>')


@pytest.fixture
def operator() -> Client:
    return with_password()


def side_bar(browser: Client, url: str = EVENTS) -> str:
    text = browser.get(url).content.decode()
    return text.partition('<nav class="side-bar"')[2].partition("</nav>")[0]


def labels(text: str) -> list[str]:
    return re.findall(r"<li><a [^>]*>([^<]*)</a>", text)


class TestSideBar:
    def test_sections_follow_the_order_of_work(self, operator: Client) -> None:
        sections, _, more = side_bar(operator).partition("<details")
        assert labels(sections) == [
            "Dashboard",
            "Alerts",
            "Events",
            "Errors",
            "Jobs",
            "Users",
            "Conflicts",
            "Reconciliation",
            "Audit log",
            "Repairs",
            "Diagnostics",
        ]
        assert {"Groups", "Builder profiles", "Replays"} <= set(labels(more))
        assert not set(labels(sections)) & set(labels(more))

    def test_index_has_the_side_bar(self, operator: Client) -> None:
        assert labels(side_bar(operator, "/admin/"))[:2] == ["Dashboard", "Alerts"]

    def test_page_of_an_event_marks_its_section(self, operator: Client) -> None:
        text = side_bar(operator, f"{EVENTS}{event().pk}/change/")
        assert CURRENT.findall(text) == [(EVENTS, "Events")]

    def test_more_is_open_on_its_pages(self, operator: Client) -> None:
        assert "<details >" in side_bar(operator)
        assert "<details open>" in side_bar(operator, "/admin/auth/group/")

    def test_sections_without_permission_are_hidden(self) -> None:
        assert navigation([], EVENTS) == ([], [], False)
